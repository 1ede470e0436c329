// Why a result may be wrong: the server's reasons, and the known error rates.

import config from "./config.js";
import { modelName, notice, percent } from "./format.js";

function unique(reasons) {
  return [...new Map(reasons.map((reason) => [reason.code, reason])).values()];
}

/** Error rates, and whose: of the combined verdict if it was measured with these versions. */
function knownRates(face, reply) {
  const { combined, errorRates } = config;
  const same = ([name, version]) => reply.models[name]?.version === version;
  if (combined && Object.entries(combined.versions).every(same)) {
    return { rates: combined.rates, subject: notice("this_detector") };
  }
  const { name, version } = reply.models[face.decided_by];
  return { rates: errorRates[`${name}-${version}`] ?? {}, subject: modelName(name) };
}

/** The known error rate that matters for this verdict, as a sentence, or null. */
function errorRate(face, reply) {
  const key = { fake: "false_alarms", real: "misses" }[face.verdict];
  const { rates, subject } = knownRates(face, reply);
  if (rates[key] === undefined) return null;
  return notice(key, { subject, share: percent(rates[key]) });
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
