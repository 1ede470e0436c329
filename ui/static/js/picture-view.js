// The picture with its faces boxed and the map of the chosen face over it.

import config from "./config.js";
import { $, choose, chosen, copyOf, place, showImage } from "./dom.js";
import { modelName, notice } from "./format.js";
import { addressOf } from "./preview.js";

/** [left, top, right, bottom] in pixels as [left, top, width, height] in percent of the picture. */
export function inPercent([left, top, right, bottom], { width, height }) {
  return [
    (left / width) * 100,
    (top / height) * 100,
    ((right - left) / width) * 100,
    ((bottom - top) / height) * 100,
  ];
}

/** Give a frame the shape of `view` (left, top, right, bottom) and let it show just that part. */
export function showPart(frame, canvas, [left, top, right, bottom], { width, height }) {
  const across = right - left;
  const down = bottom - top;
  frame.style.setProperty("--ratio", String(across / down));
  place(canvas, [
    (-left / across) * 100,
    (-top / down) * 100,
    (width / across) * 100,
    (height / down) * 100,
  ]);
}

/** Say of a face what its box or button stands for. */
export function faceLabel(face, index) {
  const name = face.box ? notice("face", { n: index + 1 }) : notice("whole_picture");
  return { name, verdict: config.texts.verdicts[face.verdict].headline };
}

function renderBoxes({ reply, index, onChoose }) {
  const boxes = reply.faces.flatMap((face, number) => {
    if (!face.box) return [];
    const box = copyOf("face-box");
    const { name, verdict } = faceLabel(face, number);
    place(box, inPercent(face.box, reply.image));
    box.querySelector(".box-number").textContent = String(number + 1);
    box.querySelector(".sr-only").textContent = `${name}: ${verdict}`;
    box.setAttribute("aria-pressed", String(number === index));
    box.addEventListener("click", () => onChoose(number));
    return [box];
  });
  const focused = [...$("boxes").children].indexOf(document.activeElement);
  $("boxes").replaceChildren(...boxes);
  boxes[focused]?.focus();
}

function renderMap(reply, face) {
  const { grad_cam: cam } = face;
  const map = $("map");
  const shown = cam.localised && chosen($("layer")) === "map";
  showImage(map, shown ? cam.overlay : null);
  place(map, inPercent(face.region, reply.image));
  map.style.opacity = String($("opacity").value / 100);
  $("map-row").hidden = !shown;
  for (const radio of $("layer").querySelectorAll("input")) radio.disabled = !cam.localised;
  $("map-caption").textContent = cam.localised
    ? notice("map_caption", { model: modelName(cam.model), label: cam.class })
    : notice("map_absent");
}

/** Show a result's picture with face `index` chosen. */
export function renderPicture({ record, index, onChoose }) {
  const { reply } = record;
  const face = reply.faces[index];
  showImage($("photo"), record.photo ? addressOf(record.photo) : null);
  $("photo").alt = record.name;
  $("no-preview").hidden = Boolean(record.photo);
  $("no-preview").textContent = notice("no_preview");
  $("zoom").disabled = !face.box;
  if (!face.box) choose($("zoom"), "whole");
  const zoomed = chosen($("zoom")) === "face";
  const whole = [0, 0, reply.image.width, reply.image.height];
  $("frame").classList.toggle("zoomed", zoomed);
  showPart($("frame"), $("canvas"), zoomed ? face.region : whole, reply.image);
  renderBoxes({ reply, index, onChoose });
  renderMap(reply, face);
}
