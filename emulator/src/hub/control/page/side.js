// The list of devices, and how one is added.

import { button, el, field, keyed, say, unseen } from "./dom.js";
import { form } from "./form.js";
import { count } from "./format.js";
import { ask, device } from "./hub.js";
import { refresh, state } from "./state.js";

/** How many are listed at once. */
const LISTED = 200;

/** A device's standing in a word: `off` is disabled. */
export function standing(device) {
  if (!device.enabled) return ["off", "disabled"];
  return device.connected ? ["on", "connected"] : ["idle", "not connected"];
}

/** The part of the page beside the main one. */
export function side() {
  const list = document.getElementById("device-list");
  const note = document.getElementById("device-note");
  const filter = document.getElementById("filter");
  const update = () => {
    const wanted = filter.value.toLowerCase();
    const all = [...state.devices.values()].filter((device) => device.id.toLowerCase().includes(wanted));
    keyed(list, all.slice(0, LISTED), (device) => device.id, row, refreshed);
    const more = all.length - LISTED;
    say(note, told(all.length, more));
  };
  filter.addEventListener("input", update);
  document.getElementById("add").addEventListener("click", add);
  return { update };
}

function told(found, more) {
  if (more > 0) return `${count(more)} more; narrow the filter to see them`;
  if (found > 0 || !state.stats) return "";
  return state.devices.size > 0 ? "No device matches the filter" : "No devices yet: add one, or let one register itself";
}

function row({ id }) {
  const link = el("a", { href: `#${device(id)}`, title: id },
    el("span", { class: "dot" }), unseen(""), el("span", { class: "id" }, id), el("span", { class: "n" }));
  return el("li", {}, link);
}

function refreshed(element, item) {
  const link = element.firstElementChild;
  const [dot, words, , n] = link.children;
  const [kind, text] = standing(item);
  dot.className = `dot ${kind}`;
  say(words, `${text}: `);
  const taken = state.stats?.devices?.[item.id]?.messages ?? 0;
  say(n, taken ? count(taken) : "");
  const tab = location.hash.startsWith(`#${device(item.id)}/`) || location.hash === `#${device(item.id)}`;
  tab ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
}

function add() {
  const id = el("input", { required: true, maxlength: "128", autocomplete: "off", spellcheck: "false" });
  const key = el("input", { autocomplete: "off", spellcheck: "false", placeholder: "made at random" });
  const dialog = el("dialog", { "aria-labelledby": "add-title" });
  const send = async () => {
    const wanted = id.value.trim();
    if (wanted === "") throw new Error("A device needs an id");
    if (state.devices.has(wanted)) throw new Error(`${wanted} is there already`);
    await ask("PUT", device(wanted), key.value.trim() ? { primary_key: key.value.trim() } : {});
    await refresh();
    dialog.close();
    location.hash = `#${device(wanted)}/identity`;
  };
  const fields = [
    el("h2", { id: "add-title" }, "Add a device"),
    field("Device id", id, "1 to 128 letters, digits and - : . + % _ # * ? ! ( ) , = @ $ '"),
    field("Primary key (optional)", key, "Base64 of 16 to 64 bytes"),
  ];
  dialog.append(form("Add", fields, send), button("Cancel", () => dialog.close(), { class: "cancel" }));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
