// Faults on demand: what is to go wrong next, and for whom.

import { button, el, field, select, table } from "./dom.js";
import { code, form, json } from "./form.js";
import { count } from "./format.js";
import { ask } from "./hub.js";
import { state } from "./state.js";

/** How often, for good. */
const ALWAYS = 4294967295;

const KINDS = [
  ["status", "answer with a status"],
  ["delay", "answer late"],
  ["reset", "reset the connection before anything is taken"],
  ["reset_mid_body", "reset it while the device still sends"],
  ["reset_after_accept", "take the message, then reset: the lost answer"],
  ["clock_skew", "let the hub’s clock be wrong"],
  ["json", "as JSON"],
];

/** The view for the whole hub. */
export function faults() {
  const place = el("div");
  let before = null;
  const refresh = async () => {
    const armed = await ask("GET", "/faults");
    const text = JSON.stringify(armed);
    if (text === before) return;
    before = text;
    place.replaceChildren(armed.length ? listed(armed) : el("p", { class: "quiet" }, "None"));
  };
  const clear = button("Take all back", async () => {
    await ask("DELETE", "/faults");
    await refresh();
  });
  const node = el("div", {}, el("h1", {}, "Faults on demand"),
    el("div", { class: "columns" },
      el("section", { class: "card" }, el("h2", {}, "Let something go wrong"), faultForm(undefined, refresh)),
      el("section", { class: "card" },
        el("div", { class: "bar" }, el("h2", {}, "Armed"), el("span", { class: "gap" }), clear), place)));
  return { node, refresh, title: "Faults" };
}

/** Arms a fault; for one device, if `id` names it. */
export function faultForm(id, armed = () => {}) {
  const what = select(KINDS);
  const number = (value, min, max) => el("input", { type: "number", value, min, max, inputmode: "numeric" });
  const status = number(503, 200, 599);
  const after = number("", 0, 3600);
  const delay = number(2000, 0, 600000);
  const skew = number(-600, -31536000, 31536000);
  const raw = code({ rows: 3, placeholder: '{"delay":250}' });
  const times = number(1, 1, ALWAYS - 1);
  const always = el("input", { type: "checkbox" });
  const whose = el("input", { autocomplete: "off", spellcheck: "false", placeholder: "any device", list: "known-devices" });
  const known = el("datalist", { id: "known-devices" });
  const details = {
    status: el("div", { class: "pair" }, field("Status", status), field("Retry-After, seconds (optional)", after)),
    delay: field("Milliseconds", delay),
    clock_skew: field("Seconds ahead; below 0, behind", skew),
    json: field("The fault as JSON", raw),
  };
  const built = {
    status: () => ({ status: { code: Number(status.value), retry_after: after.value === "" ? null : Number(after.value) } }),
    delay: () => ({ delay: Number(delay.value) }),
    clock_skew: () => ({ clock_skew: Number(skew.value) }),
    json: () => json(raw.value, "The fault", null),
  };
  const choose = () => {
    for (const [kind, node] of Object.entries(details)) node.hidden = kind !== what.value;
  };
  what.addEventListener("change", choose);
  always.addEventListener("change", () => (times.disabled = always.checked));
  whose.addEventListener("focus", () =>
    known.replaceChildren(...[...state.devices.keys()].slice(0, 200).map((value) => el("option", { value }))));
  choose();
  const send = async () => {
    const order = { fault: built[what.value]?.() ?? what.value, times: always.checked ? ALWAYS : Number(times.value) };
    const device = id ?? whose.value.trim();
    if (device) order.device = device;
    await ask("POST", "/faults", order);
    await armed();
    return "Armed";
  };
  return form("Arm", [
    field("What goes wrong", what),
    Object.values(details),
    el("div", { class: "pair" }, field("For so many requests", times), el("label", { class: "check" }, always, " until taken back")),
    id === undefined ? [field("Device", whose), known] : null,
  ], send);
}

const listed = (armed) => table("Armed faults, in the order they are met", ["Fault", "Device", "Left"],
  armed.map((one) => [el("code", {}, JSON.stringify(one.fault)), one.device ?? "any", one.times === ALWAYS ? "for good" : count(one.times)]));
