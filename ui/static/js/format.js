// Numbers, sizes, times and sentences as people read them.

import config from "./config.js";

const MEBIBYTE = 1024 * 1024;

/** Fill the places {name} of a text with values. */
export function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (place, name) => values[name] ?? place);
}

/** A text of `notices`, filled. */
export function notice(key, values = {}) {
  return fill(config.texts.notices[key], values);
}

/** A probability with two decimals, which never claims certainty. */
export function probability(value) {
  if (value > 0.99) return "> 0.99";
  if (value < 0.01) return "< 0.01";
  return value.toFixed(2);
}

/** A share as a percentage a reader can grasp. */
export function percent(share) {
  const value = share * 100;
  return `${value < 1 && value > 0 ? "less than 1" : Math.round(value)} %`;
}

/** A number of bytes in kB or MB. */
export function size(bytes) {
  if (bytes < MEBIBYTE) return `${Math.max(1, Math.round(bytes / 1024))} kB`;
  return `${(bytes / MEBIBYTE).toFixed(1)} MB`;
}

/** The name of a model as a reader knows it. */
export function modelName(name) {
  return config.texts.modelNames[name] ?? name;
}

/** Words for how strong a verdict is. */
export function strength(verdict, confidence) {
  const { strengths, uncertainStrength } = config.texts;
  if (verdict === "uncertain") return uncertainStrength;
  return strengths.find((step) => confidence >= step.at_least).words;
}

/** The number that goes with a verdict: that of a real face for "real", else of a fake. */
function counted(judgement) {
  const fake = judgement.probability_fake;
  return judgement.verdict === "real" ? ["real", 1 - fake] : ["fake", fake];
}

/** The number of a judgement, and what it counts. */
export function strengthNumber(judgement) {
  const [side, value] = counted(judgement);
  return { number: probability(value), counts: config.texts.notices[`counts_${side}`] };
}

/** The same in two words. */
export function shortNumber(judgement) {
  const [side, value] = counted(judgement);
  return notice(`short_${side}`, { number: probability(value) });
}

const clock = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

const shortClock = new Intl.DateTimeFormat(undefined, {
  month: "short",
  day: "numeric",
  hour: "numeric",
  minute: "2-digit",
});

/** A recent time, without the year. */
export function shortTime(milliseconds) {
  return shortClock.format(new Date(milliseconds));
}

/** A time in the reader's own manner. */
export function time(milliseconds) {
  return clock.format(new Date(milliseconds));
}
