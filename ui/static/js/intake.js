// The ways in: drop anywhere, choose, paste, samples.

import { note } from "./announce.js";
import { $ } from "./dom.js";
import { notice } from "./format.js";

/** Call `take(files)` for every set of files that the user brings. */
export function watchIntake(take) {
  watchChooser(take);
  watchDrop(take);
  watchPaste(take);
  for (const button of document.querySelectorAll("[data-sample]")) {
    button.addEventListener("click", () => takeSample(button, take));
  }
}

function watchChooser(take) {
  const input = $("file");
  input.addEventListener("change", () => {
    if (input.files.length) take([...input.files]);
    input.value = ""; // so that the same file can be chosen again
  });
}

function carriesFiles(event) {
  return event.dataTransfer?.types.some((type) => type === "Files" || type === "text/uri-list");
}

function watchDrop(take) {
  const veil = $("veil");
  window.addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    veil.hidden = false;
  });
  window.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) veil.hidden = true;
  });
  window.addEventListener("drop", (event) => {
    veil.hidden = true;
    if (!carriesFiles(event)) return;
    event.preventDefault();
    takeAll(event.dataTransfer.files, take);
  });
}

function watchPaste(take) {
  document.addEventListener("paste", (event) => {
    takeAll(event.clipboardData.files, take);
  });
}

function takeAll(files, take) {
  if (files.length) take([...files]);
  else note(notice("no_file"));
}

async function takeSample(button, take) {
  try {
    const answer = await fetch(button.dataset.sample);
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const blob = await answer.blob();
    take([new File([blob], button.dataset.name, { type: blob.type })]);
  } catch {
    note(notice("sample_failed"));
  }
}
