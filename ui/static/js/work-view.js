// The main panel of a picture on its way, and of one that failed.

import { $, showImage } from "./dom.js";
import { addressOf } from "./preview.js";
import config from "./config.js";

/** Show one item of the queue. */
export function renderWork(item, waiting) {
  showImage($("work-photo"), item.shown ? addressOf(item.shown.photo) : null);
  const failed = item.stage === "failed";
  $("progress-panel").hidden = failed;
  $("failure-panel").hidden = !failed;
  if (failed) renderFailure(item);
  else renderProgress(item, waiting);
}

function renderProgress(item, waiting) {
  $("work-name").textContent = item.file.name;
  $("work-title").textContent = config.texts.stages[item.stage];
  $("work-detail").textContent = waiting;
  const bar = $("work-progress");
  if (item.stage === "sending") bar.value = item.progress;
  else bar.removeAttribute("value");
}

function renderFailure(item) {
  const { failure } = item;
  $("failure-name").textContent = item.file.name;
  $("failure-title").textContent = failure.title;
  $("failure-text").textContent = failure.text;
  $("failure-detail").textContent = failure.detail;
  $("retry").hidden = !failure.canRetry;
}
