// Each model's probability of a fake on a line, with its decision thresholds marked.

import { $, copyOf } from "./dom.js";
import { modelName, notice, probability } from "./format.js";

function bar(name, judged, model, decides) {
  const row = copyOf("bar-item");
  const { fake, real } = model.thresholds;
  row.querySelector(".bar-name").textContent = `${modelName(name)} ${model.version}`;
  row.querySelector(".bar-value").textContent = probability(judged.probability_fake);
  const tag = row.querySelector(".tag");
  tag.hidden = !decides;
  tag.textContent = notice("decides");
  row.classList.toggle("decides", decides);
  row.querySelector(".zone-real").style.width = `${real * 100}%`;
  row.querySelector(".zone-fake").style.left = `${fake * 100}%`;
  row.querySelector(".dot").style.left = `${judged.probability_fake * 100}%`;
  row.querySelector(".bar-thresholds").textContent = notice("thresholds", {
    real: real.toFixed(2),
    fake: fake.toFixed(2),
  });
  return row;
}

/** Show the bars of one face. */
export function renderBars(reply, face) {
  const rows = Object.entries(face.models).map(([name, judged]) =>
    bar(name, judged, reply.models[name], name === face.decided_by),
  );
  $("bars").replaceChildren(...rows);
}
