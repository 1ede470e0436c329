// Copying and saving the reply as it came.

import { note } from "./announce.js";
import { notice } from "./format.js";

function asText(reply) {
  return JSON.stringify(reply, null, 2);
}

/** Where the clipboard may not be used (plain http on another host), copy by selection. */
function copyBySelection(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "sr-only";
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  return copied;
}

/** Put the reply on the clipboard. */
export async function copyReply(record) {
  const text = asText(record.reply);
  try {
    await navigator.clipboard.writeText(text);
    note(notice("copied"));
  } catch {
    note(notice(copyBySelection(text) ? "copied" : "copy_failed"));
  }
}

/** Save the reply under the picture's name. */
export function saveReply(record) {
  const blob = new Blob([asText(record.reply)], { type: "application/json" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${record.name.replace(/\.[^.]+$/, "")}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 0);
  note(notice("saved"));
}
