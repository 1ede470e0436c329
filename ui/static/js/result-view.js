// The answer of one picture: verdict, reasons, models, faces, facts.

import { renderBars } from "./bars.js";
import config from "./config.js";
import { $, copyOf, element, setIcon } from "./dom.js";
import { doubts, doubtTitle } from "./doubts.js";
import { modelName, notice, shortNumber, size, strength, strengthNumber, time } from "./format.js";
import { faceLabel, renderPicture } from "./picture-view.js";

/** The index of the face whose verdict is that of the picture. */
export function mostSuspicious(reply) {
  const scores = reply.faces.map((face) => face.probability_fake);
  return scores.indexOf(Math.max(...scores));
}

/** Words and figures of a judgement, for the page, the report and the live region. */
export function summary(judgement) {
  const { headline, sentence } = config.texts.verdicts[judgement.verdict];
  return {
    headline,
    sentence,
    strength: strength(judgement.verdict, judgement.confidence),
    ...strengthNumber(judgement),
  };
}

function renderVerdict(record, index) {
  const { reply } = record;
  const words = summary(reply);
  const worst = mostSuspicious(reply);
  $("result-name").textContent = record.name;
  $("verdict-words").textContent = words.headline;
  setIcon($("verdict-icon"), reply.verdict);
  $("verdict-strength").textContent = words.strength;
  $("verdict-number").textContent = words.number;
  $("verdict-counts").textContent = words.counts;
  $("verdict-sentence").textContent = words.sentence;
  const several = reply.faces.length > 1;
  $("several-faces").hidden = !several;
  $("several-faces").textContent = several
    ? notice("several_faces", { count: reply.faces.length, n: worst + 1 })
    : "";
  const face = reply.faces[index];
  const titled = (title) =>
    several ? notice("of_face", { title, face: faceLabel(face, index).name }) : title;
  $("doubt-title").textContent = titled(doubtTitle(face));
  $("models-title").textContent = titled(notice("models"));
}

function renderFaces({ record, index, onChoose }) {
  const { faces } = record.reply;
  const buttons = faces.map((face, number) => {
    const button = copyOf("face-item");
    const { name, verdict } = faceLabel(face, number);
    setIcon(button.querySelector("use"), face.verdict);
    button.querySelector(".face-name").textContent = name;
    button.querySelector(".face-verdict").textContent =
      `${verdict}, ${shortNumber(face)}`;
    button.setAttribute("aria-pressed", String(number === index));
    button.addEventListener("click", () => onChoose(number));
    return button;
  });
  const focused = [...$("faces").children].indexOf(document.activeElement);
  $("faces").hidden = faces.length < 2;
  $("faces").replaceChildren(...buttons);
  buttons[focused]?.focus();
}

/** Pairs of name and value about the file and the models that judged it. */
export function facts(record) {
  const { image, models } = record.reply;
  return [
    ["Picture", `${image.width} × ${image.height} pixels, ${image.format}, ${size(record.bytes)}`],
    ["SHA-256 of the file", image.sha256],
    ["Judged", time(record.time)],
    ...Object.values(models).map((model) => [
      `${modelName(model.name)} ${model.version}`,
      model.weights_sha256,
    ]),
  ];
}

function renderFacts(record) {
  const rows = facts(record).flatMap(([name, value]) => [
    element("dt", name),
    element("dd", value, /^[0-9a-f]{64}$/.test(value) ? "hash" : ""),
  ]);
  $("facts").replaceChildren(...rows);
}

/** Show a result with face `index` chosen; `onChoose(index)` is called for another face. */
export function renderResult(view) {
  const { record, index } = view;
  const face = record.reply.faces[index];
  renderVerdict(record, index);
  renderPicture(view);
  renderFaces(view);
  $("reasons").replaceChildren(
    ...doubts(record.reply, face).map((sentence) => element("li", sentence)),
  );
  renderBars(record.reply, face);
  renderFacts(record);
}
