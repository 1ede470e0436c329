// The thumbnails of results kept in this browser.

import config from "./config.js";
import { $, copyOf, setIcon, showImage } from "./dom.js";
import { notice, shortTime } from "./format.js";
import { addressOf } from "./preview.js";

function makeItem(record, selectedId, onOpen) {
  const item = copyOf("recent-item");
  const button = item.querySelector("button");
  showImage(item.querySelector("img"), record.thumb ? addressOf(record.thumb) : null);
  setIcon(item.querySelector(".recent-verdict use"), record.reply.verdict);
  item.querySelector(".recent-verdict span").textContent =
    config.texts.verdicts[record.reply.verdict].headline;
  item.querySelector(".recent-name").textContent = record.name;
  item.querySelector(".recent-time").textContent = shortTime(record.time);
  if (record.id === selectedId) button.setAttribute("aria-current", "true");
  button.addEventListener("click", () => onOpen(record));
  return item;
}

/** Show the kept results, the one on screen marked. */
export function renderRecent(history, selectedId, onOpen) {
  const { records } = history;
  const focused = [...$("recent-list").querySelectorAll("button")].indexOf(document.activeElement);
  $("recent").hidden = records.length === 0;
  $("not-kept").hidden = history.kept;
  $("not-kept").textContent = notice("not_kept");
  $("recent-list").replaceChildren(
    ...records.map((record) => makeItem(record, selectedId, onOpen)),
  );
  if (focused >= 0) $("recent-list").querySelectorAll("button")[focused]?.focus();
}
