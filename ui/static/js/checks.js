// What can be said about a file before it is sent, by the server's own limits.

import config from "./config.js";
import { Failure } from "./failures.js";
import { size } from "./format.js";

const HEAD_BYTES = 32;

const SIGNATURES = [
  ["JPEG", (b) => b[0] === 0xff && b[1] === 0xd8 && b[2] === 0xff],
  ["PNG", (b) => starts(b, "\x89PNG")],
  ["GIF", (b) => starts(b, "GIF8")],
  ["WEBP", (b) => starts(b, "RIFF") && starts(b, "WEBP", 8)],
  ["BMP", (b) => starts(b, "BM")],
  ["TIFF", (b) => starts(b, "II*\0") || starts(b, "MM\0*")],
  ["AVIF", (b) => starts(b, "ftypavif", 4) || starts(b, "ftypavis", 4)],
  ["HEIC", (b) => /^ftyp(hei|hev|mif1|msf1)/.test(text(b, 4, 12))],
  ["PDF", (b) => starts(b, "%PDF")],
  ["SVG", (b) => /^\s*<(\?xml|svg|!DOCTYPE svg)/i.test(text(b, 0, HEAD_BYTES))],
  ["MP4", (b) => starts(b, "ftyp", 4)],
];

function text(bytes, from, to) {
  return String.fromCharCode(...bytes.subarray(from, to));
}

function starts(bytes, word, at = 0) {
  return text(bytes, at, at + word.length) === word;
}

/** The name of the format that the first bytes show, or null. */
export function recognise(bytes) {
  return SIGNATURES.find(([, matches]) => matches(bytes))?.[0] ?? null;
}

function checkFormat(bytes) {
  const { formats, formats_text: accepted } = config.limits;
  const found = recognise(bytes);
  if (formats.includes(found)) return;
  const signed = SIGNATURES.map(([name]) => name);
  if (!found && formats.some((name) => !signed.includes(name))) return;
  throw new Failure("format", {
    found: found ? `This is a ${found} file.` : "This does not look like a picture.",
    formats: accepted,
  });
}

/** Throw a Failure where the server would refuse the file for its size or format. */
export async function checkFile(file) {
  if (file.size === 0) throw new Failure("empty");
  if (file.size > config.limits.bytes) {
    throw new Failure("too_large", { size: size(file.size), limit: size(config.limits.bytes) });
  }
  let head;
  try {
    head = new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer());
  } catch {
    throw new Failure("unreadable");
  }
  checkFormat(head);
}

/** Throw a Failure where the server would refuse a picture of these dimensions. */
export function checkDimensions(width, height) {
  const { pixels, side, aspect } = config.limits;
  if (width * height > pixels) {
    throw new Failure("pixels", { width, height, limit: pixels / 1e6 });
  }
  if (Math.min(width, height) < side) throw new Failure("small", { width, height, limit: side });
  if (Math.max(width, height) > aspect * Math.min(width, height)) {
    throw new Failure("shape", { width, height });
  }
}
