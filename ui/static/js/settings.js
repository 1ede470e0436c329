// Choices remembered in this browser; where storage is forbidden they hold for the page only.

/** The remembered value, or null. */
export function read(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

/** Remember a value; null forgets it. */
export function write(name, value) {
  try {
    if (value === null) localStorage.removeItem(name);
    else localStorage.setItem(name, value);
  } catch {
    // Nothing to be done, and nothing lost but the memory of it.
  }
}
