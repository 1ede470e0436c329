// Results kept in this browser (IndexedDB), newest first; in memory where that is not allowed.

import { release } from "./preview.js";

const DATABASE = "results";
const STORE = "results";
const MOST_KEPT = 30;

function settled(request) {
  return new Promise((resolve, reject) => {
    request.addEventListener("success", () => resolve(request.result));
    request.addEventListener("error", () => reject(request.error));
  });
}

function finished(transaction) {
  return new Promise((resolve, reject) => {
    transaction.addEventListener("complete", () => resolve());
    transaction.addEventListener("error", () => reject(transaction.error));
    transaction.addEventListener("abort", () => reject(transaction.error));
  });
}

async function open() {
  const request = indexedDB.open(DATABASE, 1);
  request.addEventListener("upgradeneeded", () => {
    request.result.createObjectStore(STORE, { keyPath: "id" });
  });
  return settled(request);
}

/** A record: {id, name, bytes, time, reply, photo, thumb}. */
export class History {
  records = [];
  /** Whether results outlive the page. */
  kept = false;
  #database = null;

  async load() {
    try {
      this.#database = await open();
      const all = await settled(this.#store("readonly").getAll());
      this.records = all.sort((a, b) => b.time - a.time);
      this.kept = true;
    } catch {
      this.#database = null;
    }
  }

  find(id) {
    return this.records.find((record) => record.id === id);
  }

  /** Add a result; `keep` false holds it for this page only. */
  async add(record, keep) {
    this.records.unshift(record);
    const dropped = this.records.splice(MOST_KEPT);
    for (const old of dropped) release(old.photo, old.thumb);
    await this.#write((store) => {
      if (keep) store.put(record);
      for (const old of dropped) store.delete(old.id);
    });
  }

  async clear() {
    for (const record of this.records) release(record.photo, record.thumb);
    this.records = [];
    await this.forget();
  }

  /** Empty the browser's storage but leave what this page shows. */
  async forget() {
    await this.#write((store) => store.clear());
  }

  /** Store all that this page shows. */
  async store() {
    await this.#write((store) => this.records.forEach((record) => store.put(record)));
  }

  #store(mode) {
    return this.#database.transaction(STORE, mode).objectStore(STORE);
  }

  async #write(change) {
    if (!this.#database) return;
    try {
      const store = this.#store("readwrite");
      change(store);
      await finished(store.transaction);
    } catch {
      this.kept = false; // full or forbidden: the results stay for this page
    }
  }
}
