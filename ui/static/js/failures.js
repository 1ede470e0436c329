// Everything that can go wrong with one picture, and what the page says about it.

import config from "./config.js";
import { fill } from "./format.js";

/** A reason why a picture was not judged; `kind` is a key of the texts' `failures`. */
export class Failure extends Error {
  /**
   * @param {string} kind which failure
   * @param {object} values for the places of its text
   * @param {{message?: string, type?: string, status?: number, retryAfter?: number}} server
   *   what the server said, where it said anything
   */
  constructor(kind, values = {}, server = {}) {
    super(kind);
    this.kind = kind;
    this.values = values;
    this.server = server;
  }

  get title() {
    return config.texts.failures[this.kind].title;
  }

  /** What happened and what to do; the server's own words where it refused the picture. */
  get text() {
    const own = fill(config.texts.failures[this.kind].text, this.values);
    return own || this.server.message || "";
  }

  /** Small print for whoever has to look into it. */
  get detail() {
    const { type, status, message } = this.server;
    const parts = [type, status ? `status ${status}` : "", this.text === message ? "" : message];
    return parts.filter(Boolean).join(", ");
  }

  get canRetry() {
    return config.texts.failures[this.kind].retry;
  }
}
