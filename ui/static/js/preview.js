// Small upright copies of a picture for the screen; the file itself is sent as it is.

import { checkDimensions } from "./checks.js";
import config from "./config.js";
import { Failure } from "./failures.js";

const PREVIEW_SIDE = 2048;
const THUMB_SIDE = 160;

/** Draw a decoded picture on a plain ground, at most `side` pixels long, and encode it. */
async function scaled(image, width, height, side) {
  const scale = Math.min(1, side / Math.max(width, height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.fillStyle = config.limits.background; // what the server judges behind transparency
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.9));
}

/** Decode a file the way the browser shows it, first frame and upright; null if it cannot. */
async function decode(file) {
  const url = URL.createObjectURL(file);
  const image = new Image();
  image.src = url;
  try {
    await image.decode();
    return image;
  } catch {
    return null;
  } finally {
    URL.revokeObjectURL(url);
  }
}

/**
 * Make what the page shows of a file.
 * @returns {Promise<{photo: Blob, thumb: Blob} | null>} null where the browser cannot show it;
 *   rejects with a Failure where its dimensions are outside the server's limits
 */
export async function preview(file) {
  const image = await decode(file);
  if (!image) return null;
  const { naturalWidth: width, naturalHeight: height } = image;
  checkDimensions(width, height);
  try {
    return {
      photo: await scaled(image, width, height, PREVIEW_SIDE),
      thumb: await scaled(image, width, height, THUMB_SIDE),
    };
  } catch (error) {
    if (error instanceof Failure) throw error;
    return null;
  }
}

const urls = new WeakMap();

/** An address for a blob, the same for the same blob. */
export function addressOf(blob) {
  if (!urls.has(blob)) urls.set(blob, URL.createObjectURL(blob));
  return urls.get(blob);
}

/** Give the memory of blobs back. */
export function release(...blobs) {
  for (const blob of blobs) {
    if (blob && urls.has(blob)) {
      URL.revokeObjectURL(urls.get(blob));
      urls.delete(blob);
    }
  }
}
