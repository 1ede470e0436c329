// Pictures on their way: each is checked, shown, sent and answered, one after the other.

import { detect } from "./api.js";
import { checkFile } from "./checks.js";
import { Failure } from "./failures.js";
import { preview } from "./preview.js";

let counter = 0;

/**
 * @typedef {object} Item
 * @property {string} id
 * @property {File} file
 * @property {"waiting"|"preparing"|"sending"|"judging"|"done"|"failed"} stage
 * @property {number} progress share sent, in [0, 1]
 * @property {{photo: Blob, thumb: Blob} | null} shown
 * @property {Failure | null} failure
 */

/** Tells `change` (detail: item) at every step and `done` (detail: {item, reply}). */
export class Queue extends EventTarget {
  /** @type {Item[]} */
  items = [];
  #running = false;

  /** Put files at the end; returns their items. */
  add(files) {
    const added = [...files].map((file) => ({
      id: `${Date.now()}-${(counter += 1)}`,
      file,
      stage: "waiting",
      progress: 0,
      shown: null,
      failure: null,
      abort: new AbortController(),
    }));
    this.items.push(...added);
    for (const item of added) {
      this.#tell("change", item);
      this.#checkEarly(item);
    }
    this.#run();
    return added;
  }

  /** Say at once, not when its turn comes, that a file cannot be sent. */
  async #checkEarly(item) {
    try {
      await checkFile(item.file);
    } catch (failure) {
      if (item.stage === "waiting") this.#fail(item, failure);
    }
  }

  find(id) {
    return this.items.find((item) => item.id === id);
  }

  cancel(item) {
    item.abort.abort();
    if (item.stage === "waiting") this.#fail(item, new Failure("cancelled"));
  }

  retry(item) {
    Object.assign(item, {
      stage: "waiting",
      progress: 0,
      failure: null,
      abort: new AbortController(),
    });
    this.#tell("change", item);
    this.#run();
  }

  remove(item) {
    item.abort.abort();
    this.items = this.items.filter((other) => other !== item);
    this.#tell("change", item);
  }

  get pending() {
    return this.items.filter((item) => !["done", "failed"].includes(item.stage));
  }

  async #run() {
    if (this.#running) return;
    this.#running = true;
    let item;
    while ((item = this.items.find((candidate) => candidate.stage === "waiting"))) {
      await this.#process(item);
    }
    this.#running = false;
  }

  async #process(item) {
    try {
      this.#step(item, "preparing");
      await checkFile(item.file);
      item.shown ??= await preview(item.file);
      if (item.abort.signal.aborted) throw new Failure("cancelled");
      this.#step(item, "sending");
      const reply = await detect(item.file, {
        signal: item.abort.signal,
        onProgress: (share) => {
          item.progress = share;
          this.#step(item, share < 1 ? "sending" : "judging");
        },
      });
      item.stage = "done";
      this.items = this.items.filter((other) => other !== item);
      this.#tell("done", { item, reply });
    } catch (error) {
      this.#fail(item, error instanceof Failure ? error : new Failure("garbled"));
      if (!(error instanceof Failure)) console.error(error);
    }
  }

  #step(item, stage) {
    item.stage = stage;
    this.#tell("change", item);
  }

  #fail(item, failure) {
    if (!this.items.includes(item)) return;
    item.failure = failure;
    this.#step(item, "failed");
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
