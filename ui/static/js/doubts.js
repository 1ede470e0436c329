// Why a result may be wrong: the server's reasons, and the error rates of the deciding model.

import config from "./config.js";
import { modelName, notice, percent } from "./format.js";

function unique(reasons) {
  return [...new Map(reasons.map((reason) => [reason.code, reason])).values()];
}

/** The known error rate that matters for this verdict, as a sentence, or null. */
function errorRate(face, reply) {
  const model = reply.models[face.decided_by];
  const rates = config.errorRates[`${model.name}-${model.version}`];
  const key = { fake: "false_alarms", real: "misses" }[face.verdict];
  if (!rates || !key || rates[key] === undefined) return null;
  return notice(key, { model: modelName(model.name), share: percent(rates[key]) });
}

/** Sentences on why the result for this face may be wrong; never empty. */
export function doubts(reply, face) {
  const own = unique([...face.reasons, ...reply.reasons]).map((reason) => reason.text);
  const sentences = own.length ? own : [notice("no_reasons")];
  const rate = errorRate(face, reply);
  return rate ? [...sentences, rate] : sentences;
}

/** The heading of those sentences. */
export function doubtTitle(face) {
  return notice(face.verdict === "uncertain" ? "doubt_uncertain" : "doubt");
}
