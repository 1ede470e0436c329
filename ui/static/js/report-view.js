// The printable report of one result.

import config from "./config.js";
import { $, copyOf, element, place, setIcon, showImage } from "./dom.js";
import { doubts } from "./doubts.js";
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

function row(cells) {
  const made = element("tr");
  made.append(
    ...cells.map(([text, className], column) => {
      const cell = element(column ? "td" : "th", text, className);
      if (!column) cell.scope = "row";
      return cell;
    }),
  );
  return made;
}

function figures(reply) {
  return reply.faces.flatMap((face, index) => {
    const { name, verdict } = faceLabel(face, index);
    return Object.entries(face.models).map(([model, judged]) => {
      const decides = model === face.decided_by ? ` (${notice("decides")})` : "";
      return row([
        [name],
        [(face.box ?? face.region).join(", ")],
        [verdict],
        [modelName(model) + decides],
        [probability(judged.probability_fake), "figure"],
      ]);
    });
  });
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
  $("report-reasons").replaceChildren(
    ...doubts(reply, reply.faces[index]).map((sentence) => element("li", sentence)),
  );
  $("report-figures").tBodies[0].replaceChildren(...figures(reply));
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
