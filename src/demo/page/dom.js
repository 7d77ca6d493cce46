// Small things that several files need.

/** A copy of the only element in the template `id`. */
export function clone(id) {
  return document.importNode(document.getElementById(id).content, true).firstElementChild;
}

/** `3.4 ms`, `12 ms`. */
export function milliseconds(value) {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}
