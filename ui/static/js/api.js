// The one call to the server: send a file, follow its progress, get the reply or a Failure.

import config from "./config.js";
import { size } from "./format.js";
import { Failure } from "./failures.js";

/** Server kinds that are not refusals of the picture itself, by HTTP status. */
function kindOf(status) {
  if (status === 429 || status === 503) return "busy";
  if (status === 413) return "too_large";
  if (status >= 500 || status === 408) return "server";
  return "refused";
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Turn what came back into the reply, or throw the Failure that it means. */
export function readAnswer(status, text, file) {
  const answer = parse(text);
  if (status === 200 && answer && Array.isArray(answer.faces) && answer.verdict) return answer;
  // A workflow answers 200 even where it refuses a picture; the true status is in the body.
  const code = Number(answer?.code ?? (status === 200 ? 0 : status));
  const server = { status: code || status, type: answer?.type, message: answer?.message };
  if (!code) throw new Failure("garbled", {}, { status });
  const values = { size: size(file.size), limit: size(config.limits.bytes) };
  const kind = kindOf(code);
  if (kind === "refused" && !server.message) throw new Failure("server", {}, server);
  throw new Failure(kind, values, server);
}

/**
 * Send a file to be judged.
 * @param {Blob & {name: string}} file
 * @param {{onProgress: (share: number) => void, signal: AbortSignal}} options
 *   `onProgress` gets the share sent in [0, 1]; aborting `signal` cancels
 * @returns {Promise<object>} the reply; rejects with a Failure
 */
export function detect(file, { onProgress, signal }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    let idle;
    const fail = (kind) => {
      clearTimeout(idle);
      reject(new Failure(kind));
    };
    // Counts from the last sign of life, so that a slow line is no time-out.
    const waitOn = () => {
      clearTimeout(idle);
      idle = setTimeout(() => {
        fail("timeout");
        request.abort();
      }, config.timeoutSeconds * 1000);
    };
    request.upload.addEventListener("progress", (event) => {
      waitOn();
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    });
    request.upload.addEventListener("load", () => onProgress(1));
    request.addEventListener("progress", waitOn);
    request.addEventListener("error", () => fail("network"));
    request.addEventListener("abort", () => fail("cancelled"));
    request.addEventListener("load", () => {
      clearTimeout(idle);
      try {
        resolve(readAnswer(request.status, request.responseText, file));
      } catch (failure) {
        reject(failure);
      }
    });
    if (signal.aborted) return fail("cancelled");
    signal.addEventListener("abort", () => request.abort(), { once: true });
    const form = new FormData();
    form.append("data", file, file.name);
    request.open("POST", config.endpoint);
    request.setRequestHeader("Accept", "application/json");
    waitOn();
    request.send(form);
  });
}
