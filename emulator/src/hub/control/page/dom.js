// Elements. Text stays text: nothing on this page reads HTML, and the server's policy forbids it besides.

/** An element with attributes and children; children may be nested, and `null` is left out. */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") {
      for (const [event, handler] of Object.entries(value)) element.addEventListener(event, handler);
    } else if (value === true) {
      element.setAttribute(name, "");
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, value);
    }
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

/** Text for screen readers alone. */
export const unseen = (text) => el("span", { class: "hidden" }, text);

/** Changes an element's text only if it is another, so that a selection survives. */
export function say(element, text) {
  if (element.textContent !== String(text)) element.textContent = text;
}

/**
 * Makes `parent` hold one element per item, in order. An element stays with its key, so that focus, selection and what
 * is folded out survive an update.
 */
export function keyed(parent, items, keyOf, make, update) {
  const known = (parent.known ??= new Map());
  const wanted = new Set();
  let before = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    wanted.add(key);
    let element = known.get(key);
    if (!element) known.set(key, (element = make(item)));
    update?.(element, item);
    if (element === before) before = before.nextElementSibling;
    else parent.insertBefore(element, before);
  }
  for (const [key, element] of known) {
    if (wanted.has(key)) continue;
    known.delete(key);
    element.remove();
  }
}

/** A button. */
export const button = (text, onclick, attributes = {}) =>
  el("button", { type: "button", ...attributes, on: { click: onclick } }, text);

/** A field with its label; `hint` stands below. */
export function field(label, input, hint) {
  input.id ||= `f${++fields}`;
  const note = hint ? el("small", { id: `${input.id}-hint` }, hint) : null;
  if (note) input.setAttribute("aria-describedby", note.id);
  return el("div", { class: "field" }, el("label", { for: input.id }, label), input, note);
}
let fields = 0;

/** A drop-down of `[value, text]` pairs. */
export const select = (options, attributes = {}) =>
  el("select", attributes, options.map(([value, text]) => el("option", { value }, text)));

/** A button that copies what `text()` gives. */
export function copy(label, text) {
  const element = button(label, async () => {
    try {
      await navigator.clipboard.writeText(text());
      element.textContent = "Copied";
    } catch {
      element.textContent = "Not allowed";
    }
    setTimeout(() => (element.textContent = label), 1500);
  });
  return element;
}

/** A table with a caption for screen readers; cells are texts or elements. */
export function table(caption, heads, rows) {
  const head = el("tr", {}, heads.map((text) => el("th", { scope: "col" }, text)));
  const body = rows.map((cells) =>
    el("tr", {}, cells.map((cell, at) => el("td", { "data-head": heads[at] }, cell ?? "–"))));
  return el("div", { class: "wide" },
    el("table", {}, el("caption", { class: "hidden" }, caption), el("thead", {}, head), el("tbody", {}, body)));
}
