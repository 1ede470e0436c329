// Ties the parts together: one queue, one history, one selected picture.

import "./theme-control.js";
import { alarm, note, say, sayProgress } from "./announce.js";
import config from "./config.js";
import { $ } from "./dom.js";
import { fill, notice } from "./format.js";
import { History } from "./history.js";
import { watchIntake } from "./intake.js";
import { renderPicture } from "./picture-view.js";
import { Queue } from "./queue.js";
import { renderQueue } from "./queue-view.js";
import { renderRecent } from "./recent-view.js";
import { renderReport } from "./report-view.js";
import { mostSuspicious, renderResult, summary } from "./result-view.js";
import * as settings from "./settings.js";
import { copyReply, saveReply } from "./takeaway.js";
import { renderWork } from "./work-view.js";

const queue = new Queue();
const history = new History();
/** Which picture the main panel shows, and which of its faces. */
const selected = { id: null, face: 0 };

function record() {
  return history.find(selected.id);
}

function viewOf(result) {
  return { record: result, index: selected.face, onChoose: chooseFace };
}

/** Show what changes with the picture's own controls. */
function repaint() {
  if (record()) renderPicture(viewOf(record()));
}

/** Show what changes while pictures are on their way. */
function renderPending() {
  const item = queue.find(selected.id);
  const focused = $("work").contains(document.activeElement);
  $("work").hidden = !item;
  if (item) renderWork(item, waitingText(item));
  renderQueue(queue.items, selected.id, { onOpen: select, onDrop: drop });
  // The button that had the focus may have gone: put it where the news is.
  if (focused && item?.stage === "failed") $("failure-heading").focus();
  return focused;
}

function render() {
  const result = record();
  $("main").dataset.stage = queue.find(selected.id) || result ? "picture" : "empty";
  const focused = renderPending();
  $("result").hidden = !result;
  if (result) renderResult(viewOf(result));
  renderRecent(history, selected.id, open);
  if (focused && result) $("verdict-headline").focus();
}

function waitingText(item) {
  const count = queue.pending.filter((other) => other !== item).length;
  return count ? notice("waiting", { count }) : "";
}

function select({ id }) {
  selected.id = id;
  selected.face = record() ? mostSuspicious(record().reply) : 0;
  render();
}

/** Select by the user's own hand: go where the answer stands. */
function open(result) {
  select(result);
  $("verdict-headline").focus();
  $("result").scrollIntoView({ block: "start" });
}

function chooseFace(index) {
  selected.face = index;
  render();
}

function take(files) {
  closeReport();
  const [first] = queue.add(files);
  select(first);
}

function drop(item) {
  queue.remove(item);
  if (selected.id === item.id) leave();
  note(notice("removed"));
}

/** Show something else after the selected picture has gone. */
function leave() {
  select(queue.items[0] ?? history.records[0] ?? { id: null });
  (record() ? $("verdict-headline") : $("main")).focus();
}

queue.addEventListener("change", ({ detail: item }) => {
  if (item.stage === "failed") {
    const { title, text } = item.failure;
    alarm(fill(config.texts.notices.failed, { name: item.file.name, title, text }));
  } else if (queue.items.includes(item)) {
    const stage = config.texts.stages[item.stage];
    sayProgress(notice("progress", { name: item.file.name, stage }));
  }
  renderPending();
});

queue.addEventListener("done", async ({ detail: { item, reply } }) => {
  const stored = history.add(
    {
      id: item.id,
      name: item.file.name,
      bytes: item.file.size,
      time: Date.now(),
      reply,
      photo: item.shown?.photo ?? null,
      thumb: item.shown?.thumb ?? null,
    },
    $("keep").checked,
  );
  if (selected.id === item.id) select(item);
  else render();
  say(notice("result", { name: item.file.name, ...summary(reply) }));
  await stored;
  renderRecent(history, selected.id, open); // says so where nothing could be kept
});

function closeReport() {
  if (location.hash === "#report") window.history.back();
}

function toggleReport(shown) {
  if (shown) renderReport(record(), selected.face);
  $("toast").hidden = true;
  $("report").hidden = !shown;
  $("main").hidden = shown;
}

function reportWanted() {
  return location.hash === "#report" && Boolean(record());
}

/** The report is a state of this page with its own address, so that Back leads out of it. */
function showReport() {
  const wanted = reportWanted();
  const wasOpen = !$("report").hidden;
  toggleReport(wanted);
  if (wanted) $("report").focus();
  else document.title = config.texts.product;
  if (wasOpen && !wanted) $("open-report").focus();
}

function watchButtons() {
  $("cancel").addEventListener("click", () => queue.cancel(queue.find(selected.id)));
  $("retry").addEventListener("click", () => {
    queue.retry(queue.find(selected.id));
    $("work-title").focus();
  });
  $("remove").addEventListener("click", () => drop(queue.find(selected.id)));
  $("choose-another").addEventListener("click", () => $("file").click());
  $("copy-json").addEventListener("click", () => copyReply(record()));
  $("save-json").addEventListener("click", () => saveReply(record()));
  $("open-report").addEventListener("click", () => {
    location.hash = "report";
  });
  $("close-report").addEventListener("click", closeReport);
  $("print").addEventListener("click", () => window.print());
  for (const id of ["zoom", "layer"]) $(id).addEventListener("change", repaint);
  $("opacity").addEventListener("input", repaint);
}

function watchHistory() {
  $("keep").checked = settings.read("keep") !== "no";
  $("keep").addEventListener("change", () => {
    settings.write("keep", $("keep").checked ? null : "no");
    if ($("keep").checked) history.store();
    else history.forget();
  });
  $("clear").addEventListener("click", () => $("confirm").showModal());
  $("confirm").addEventListener("close", async () => {
    if ($("confirm").returnValue !== "yes") return;
    await history.clear();
    leave();
    note(notice("cleared"));
  });
}

window.addEventListener("hashchange", showReport);
// Whoever prints the page while it shows a result gets the report.
window.addEventListener("beforeprint", () => toggleReport(Boolean(record())));
window.addEventListener("afterprint", () => toggleReport(reportWanted()));
window.addEventListener("beforeunload", (event) => {
  if (queue.pending.length) event.preventDefault();
});

watchIntake(take);
watchButtons();
watchHistory();
history.load().then(render);
if (location.hash === "#report") window.history.replaceState(null, "", "./");
