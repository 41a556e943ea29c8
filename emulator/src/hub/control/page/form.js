// A form that sends something and says below what became of it.

import { el } from "./dom.js";

/**
 * A form. `send()` returns the words for success, or throws an error whose message is shown; meanwhile the button rests.
 */
export function form(label, fields, send, attributes = {}) {
  const submit = el("button", { type: "submit", class: "main" }, label);
  const result = el("output", { class: "result" });
  const tell = (kind, text) => {
    result.className = `result ${kind}`;
    result.textContent = text;
  };
  const submitted = async (event) => {
    event.preventDefault();
    if (submit.disabled) return;
    submit.disabled = true;
    tell("", "…");
    try {
      tell("good", (await send()) ?? "Done");
    } catch (error) {
      tell("bad", error.message);
    } finally {
      submit.disabled = false;
    }
  };
  return el("form", { novalidate: true, ...attributes, on: { submit: submitted } },
    fields, el("div", { class: "send" }, submit, result));
}

/** A text as JSON; empty is `empty`. Says what is wrong in words a person can act on. */
export function json(text, name, empty) {
  if (text.trim() === "") return empty;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${name} is not JSON: ${error.message}`);
  }
}

/** Lines of `name=value` as an object. */
export function pairs(text) {
  const properties = {};
  for (const line of text.split("\n").filter((line) => line.trim() !== "")) {
    const at = line.indexOf("=");
    if (at < 1) throw new Error(`“${line.trim()}” is not name=value`);
    properties[line.slice(0, at).trim()] = line.slice(at + 1).trim();
  }
  return properties;
}

/** A field for several lines of code. */
export const code = (attributes = {}) =>
  el("textarea", { rows: 5, spellcheck: "false", autocomplete: "off", autocapitalize: "off", ...attributes });

/** Asks before something that cannot be taken back; `true` if the person agrees. */
export function confirm(question, action) {
  return new Promise((resolve) => {
    const choose = (value) => el("button", { value, class: value ? "danger" : "" }, value || "Cancel");
    const dialog = el("dialog", { "aria-label": question },
      el("form", { method: "dialog" }, el("p", {}, question), el("div", { class: "send" }, choose(action), choose(""))));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === action);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
