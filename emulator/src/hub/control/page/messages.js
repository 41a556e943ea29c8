// Messages as they arrive, newest first.

import { button, copy, el, keyed, say } from "./dom.js";
import { bytes, count, dump, isJson, line, size, time, tree } from "./format.js";
import { device } from "./hub.js";
import { KEPT, state } from "./state.js";

/** How many are on show at once. */
const SHOWN = 200;

/** The messages of all devices, or of one. */
export function messageView(id) {
  const list = el("ol", { class: "rows messages", "aria-label": "Messages, newest first" });
  const empty = el("div", { class: "empty" });
  const note = el("span", { class: "quiet" });
  const filter = el("input", {
    type: "search", placeholder: "Filter", "aria-label": "Filter messages by device, property or body", autocomplete: "off",
  });
  const chart = bars();
  let held = null;
  const update = () => {
    const wanted = filter.value.toLowerCase();
    const source = held ?? state.messages;
    const fit = source.filter((message) => (id === undefined || message.device === id) && matches(message, wanted));
    keyed(list, fit.slice(0, SHOWN), (message) => message.number, (message) => row(message, id === undefined));
    list.hidden = fit.length === 0;
    empty.hidden = fit.length > 0;
    if (fit.length === 0) explain(empty, id, source.length > 0 && wanted !== "");
    const waiting = held ? state.messages.findIndex((message) => message.number === (held[0]?.number ?? 0)) : 0;
    const behind = waiting < 0 ? state.messages.length : waiting;
    say(note, held ? `${count(behind)} since` : fit.length > SHOWN ? `the last ${SHOWN}` : "");
    chart.update();
  };
  const pause = button("Pause", () => {
    held = held ? null : state.messages;
    pause.textContent = held ? "Go on" : "Pause";
    pause.setAttribute("aria-pressed", String(held !== null));
    update();
  }, { "aria-pressed": "false" });
  filter.addEventListener("input", update);
  const title = id === undefined ? el("h1", {}, "Messages") : null;
  const node = el("div", {},
    el("div", { class: "bar" }, title, filter, pause, note, id === undefined ? chart.node : null), list, empty);
  return { node, update, title: "Messages" };
}

function matches(message, wanted) {
  if (wanted === "") return true;
  const text = [sender(message), message.messageId, JSON.stringify(message.properties), message.body];
  return text.some((part) => part?.toLowerCase().includes(wanted));
}

/** Who sent it: a device, or a module of one. */
const sender = ({ device, module }) => (module ? `${device}/${module}` : device);

function row(message, all) {
  // In a device's own list, its modules alone are named.
  const named = all || message.module;
  const properties = Object.entries(message.properties).map(([name, value]) => `${name}=${value}`).join(" ");
  const summary = el("summary", {},
    el("span", { class: "n" }, String(message.number)),
    time(message.at),
    named ? el("span", { class: "id", title: sender(message) }, sender(message)) : null,
    el("span", { class: "size" }, `${bytes(size(message))} · ${count(message.units)}\u00a0u`),
    el("code", { class: "preview" }, line(message)),
    el("span", { class: "properties" }, properties));
  // What is folded out is made only then: most messages are never looked at.
  const details = el("details", {}, summary);
  details.addEventListener("toggle", () => {
    if (details.open && details.childElementCount === 1) details.append(whole(message, all));
  });
  return el("li", { class: named ? "named" : "" }, details);
}

function whole(message, named) {
  const text = message.body;
  const body = text === undefined ? dump(message.bodyBase64) : isJson(text) ? tree(text) : el("pre", { tabindex: "0" }, text);
  return el("div", { class: "whole" },
    facts("System properties", message.system),
    facts("Application properties", message.properties),
    el("div", { class: "send" }, copy("Copy body", () => text ?? message.bodyBase64),
      named ? el("a", { href: `#${device(message.device)}` }, "Device") : null,
      text === undefined ? el("span", { class: "quiet" }, "not UTF-8; copied as base64") : null),
    body);
}

function facts(name, values) {
  const all = Object.entries(values);
  if (all.length === 0) return null;
  return el("dl", { class: "facts", "aria-label": name }, all.map(([key, value]) => [el("dt", {}, key), el("dd", {}, value)]));
}

function explain(place, id, filtered) {
  if (filtered) return place.replaceChildren(el("p", {}, `None of the last ${KEPT} messages matches the filter.`));
  const hub = state.hub;
  if (place.made) return undefined;
  place.made = hub !== null;
  const where = id === undefined ? "Nothing has arrived yet." : "Nothing of this device is among the last messages.";
  const how = hub && [
    el("p", {}, "Give a device its connection string (Identity), let it trust the hub’s certificate, and point it here:"),
    el("dl", { class: "facts" },
      hub.mqtt ? [el("dt", {}, "MQTT"), el("dd", {}, hub.mqtt)] : null,
      el("dt", {}, "HTTPS"), el("dd", {}, hub.https),
      hub.ca ? [el("dt", {}, "Certificate"), el("dd", {}, hub.ca)] : null),
  ];
  return place.replaceChildren(el("p", { class: "lead" }, where), ...(how ?? []));
}

/** Messages a second over the last minute. */
function bars() {
  const ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg");
  svg.setAttribute("viewBox", "0 0 180 24");
  svg.setAttribute("class", "bars");
  svg.setAttribute("aria-hidden", "true");
  const rects = state.rate.map((_, at) => {
    const rect = document.createElementNS(ns, "rect");
    rect.setAttribute("x", String(at * 3));
    rect.setAttribute("width", "2");
    return rect;
  });
  svg.append(...rects);
  const text = el("span", { class: "quiet" });
  const update = () => {
    const most = Math.max(4, ...state.rate);
    state.rate.forEach((n, at) => {
      const height = n === 0 ? 1 : Math.max(2, (n / most) * 24);
      rects[at].setAttribute("height", height.toFixed(1));
      rects[at].setAttribute("y", (24 - height).toFixed(1));
    });
    say(text, `${count(state.rate.reduce((a, b) => a + b, 0))} in the last minute`);
  };
  return { node: el("span", { class: "rate" }, svg, text), update };
}
