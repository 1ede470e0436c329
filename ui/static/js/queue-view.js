// The list of pictures that wait, are on their way, or failed.

import config from "./config.js";
import { $, copyOf, showImage } from "./dom.js";
import { addressOf } from "./preview.js";

const rows = new Map();

/** What a row says about its item. */
export function stageText(item) {
  const stage = config.texts.stages[item.stage];
  if (item.failure) return item.failure.title;
  if (item.stage === "sending" && item.progress > 0) {
    return `${stage}, ${Math.round(item.progress * 100)} %`;
  }
  return stage;
}

function makeRow(item, { onOpen, onDrop }) {
  const row = copyOf("queue-item");
  const [open, drop] = row.querySelectorAll("button");
  row.querySelector(".queue-name").textContent = item.file.name;
  open.addEventListener("click", () => onOpen(item));
  drop.addEventListener("click", () => onDrop(item));
  drop.querySelector(".sr-only").textContent = `Remove ${item.file.name}`;
  rows.set(item.id, row);
  return row;
}

function fillRow(row, item, selected) {
  row.querySelector(".queue-state").textContent = stageText(item);
  showImage(row.querySelector("img"), item.shown ? addressOf(item.shown.thumb) : null);
  const open = row.querySelector(".queue-open");
  if (selected) open.setAttribute("aria-current", "true");
  else open.removeAttribute("aria-current");
}

/** Bring the list in step with the items; hidden while the main panel shows the only one. */
export function renderQueue(items, selectedId, handlers) {
  const list = $("queue-list");
  for (const [id, row] of rows) {
    if (!items.some((item) => item.id === id)) {
      row.remove();
      rows.delete(id);
    }
  }
  for (const item of items) {
    const row = rows.get(item.id) ?? makeRow(item, handlers);
    if (!row.isConnected) list.append(row);
    fillRow(row, item, item.id === selectedId);
  }
  $("queue").hidden = items.length === 0 || (items.length === 1 && items[0].id === selectedId);
}
