// Messages for screen readers (live regions) and the short note at the foot of the page.

import { $ } from "./dom.js";

const NOTE_MILLISECONDS = 4000;
let timer;
let lastProgress = "";

/** Say something when the reader pauses. */
export function say(text) {
  $("status").textContent = text;
}

/** Say a step of progress, once. */
export function sayProgress(text) {
  if (text === lastProgress) return;
  lastProgress = text;
  say(text);
}

/** Say something at once. */
export function alarm(text) {
  $("alert").textContent = text;
}

/** Show a short note to everybody, then take it away. */
export function note(text) {
  clearTimeout(timer);
  $("toast").textContent = text;
  $("toast").hidden = false;
  say(text);
  timer = setTimeout(() => {
    $("toast").hidden = true;
  }, NOTE_MILLISECONDS);
}
