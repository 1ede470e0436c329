// The printable report of one result.

import config from "./config.js";
import { $, copyOf, element, place, setIcon, showImage } from "./dom.js";
import { doubts, doubtTitle } from "./doubts.js";
import { modelName, notice, probability, size, time } from "./format.js";
import { faceLabel, inPercent, showPart } from "./picture-view.js";
import { addressOf } from "./preview.js";
import { summary } from "./result-view.js";

function picture(record, { part, caption, face, boxes = [] }) {
  const figure = copyOf("report-picture");
  const { image } = record.reply;
  const [photo, map] = figure.querySelectorAll("img");
  showImage(photo, record.photo ? addressOf(record.photo) : null);
  photo.alt = caption;
  const canvas = figure.querySelector(".canvas");
  showPart(figure.querySelector(".report-frame"), canvas, part, image);
  if (face) {
    showImage(map, face.grad_cam.overlay);
    place(map, inPercent(face.region, image));
  }
  for (const [number, box] of boxes) {
    const mark = element("span", "", "box");
    mark.append(element("span", String(number), "box-number"));
    place(mark, inPercent(box, image));
    canvas.append(mark);
  }
  figure.querySelector("figcaption").textContent = caption;
  return figure;
}

function renderPictures(record, index) {
  const { faces, image } = record.reply;
  const face = faces[index];
  const { name } = faceLabel(face, index);
  const boxes = faces.flatMap(({ box }, number) => (box ? [[number + 1, box]] : []));
  const pictures = [
    picture(record, { part: [0, 0, image.width, image.height], caption: record.name, boxes }),
  ];
  if (face.box) pictures.push(picture(record, { part: face.region, caption: name }));
  if (face.grad_cam.localised) {
    const caption = `${name}, map of ${modelName(face.grad_cam.model)}`;
    pictures.push(picture(record, { part: face.region, caption, face }));
  }
  $("report-pictures").replaceChildren(...pictures);
  $("report-caption").textContent = face.grad_cam.localised
    ? notice("map_caption", { model: modelName(face.grad_cam.model), label: face.grad_cam.class })
    : notice("map_absent");
}

/** A table row; a cell is [text, class]. The first is the row's heading, in a head row all are. */
function row(cells, head = false) {
  const made = element("tr");
  made.append(
    ...cells.map(([text, className], column) => {
      const cell = element(head || !column ? "th" : "td", text, className);
      if (head || !column) cell.scope = head ? "col" : "row";
      return cell;
    }),
  );
  return made;
}

/** One row a face: a report on many faces still fits on one page. */
function renderFigures(reply) {
  const models = Object.keys(reply.models);
  const { columns } = config.texts;
  const heads = [columns.face, columns.place, columns.result, ...models.map(modelName), columns.decider];
  const rows = reply.faces.map((face, index) => {
    const { name, verdict } = faceLabel(face, index);
    return row([
      [name],
      [(face.box ?? face.region).join(", ")],
      [verdict],
      ...models.map((model) => [probability(face.models[model].probability_fake), "figure"]),
      [modelName(face.decided_by)],
    ]);
  });
  const table = $("report-figures");
  table.tHead.replaceChildren(row(heads.map((head) => [head]), true));
  table.tBodies[0].replaceChildren(...rows);
}

function renderMeta(record) {
  const { image } = record.reply;
  const pairs = [
    ["File", record.name],
    ["Picture", `${image.width} × ${image.height} pixels, ${image.format}, ${size(record.bytes)}`],
    ["Judged", `${time(record.time)} (${new Date(record.time).toISOString()})`],
    ["SHA-256 of the file", image.sha256],
  ];
  $("report-meta").replaceChildren(
    ...pairs.flatMap(([name, value]) => [
      element("dt", name),
      element("dd", value, name.startsWith("SHA") ? "hash" : ""),
    ]),
  );
}

/** Fill the report with a result, its pictures showing face `index`. */
export function renderReport(record, index) {
  const { reply } = record;
  const words = summary(reply);
  $("report-headline").textContent = words.headline;
  setIcon($("report-icon"), reply.verdict);
  $("report-strength").textContent = `${words.strength}: ${words.number} ${words.counts}`;
  $("report-sentence").textContent = words.sentence;
  renderMeta(record);
  renderPictures(record, index);
  $("report-doubt").textContent = doubtTitle(reply.faces[index]);
  $("report-reasons").replaceChildren(
    ...doubts(reply, reply.faces[index]).map((sentence) => element("li", sentence)),
  );
  renderFigures(reply);
  $("report-models").tBodies[0].replaceChildren(
    ...Object.values(reply.models).map((model) =>
      row([
        [modelName(model.name)],
        [model.version],
        [model.thresholds.real.toFixed(2), "figure"],
        [model.thresholds.fake.toFixed(2), "figure"],
        [model.weights_sha256, "hash"],
      ]),
    ),
  );
  document.title = `${words.headline}: ${record.name}, ${config.texts.product}`;
}
