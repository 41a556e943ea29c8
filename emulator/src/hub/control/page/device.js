// One device: its tabs, and what is known of its identity.

import { button, copy, el, keyed, say } from "./dom.js";
import { confirm } from "./form.js";
import { count } from "./format.js";
import { ask, device } from "./hub.js";
import { devicebound } from "./devicebound.js";
import { faultForm } from "./faults.js";
import { messageView } from "./messages.js";
import { methods } from "./methods.js";
import { standing } from "./side.js";
import { refresh, state } from "./state.js";
import { twin } from "./twin.js";

const TABS = [
  ["messages", "Messages", messageView],
  ["twin", "Twin", twin],
  ["methods", "Direct method", methods],
  ["devicebound", "Cloud to device", devicebound],
  ["identity", "Identity", identity],
];

/** A device with one of its tabs. */
export function devicePage(id, tab) {
  const [name, text, make] = TABS.find(([known]) => known === tab) ?? TABS[0];
  const inside = make(id);
  const chip = el("span", { class: "chip" });
  const taken = el("span", { class: "quiet" });
  const able = button("", () => enable(id));
  const tabs = TABS.map(([key, label]) =>
    el("a", { href: `#${device(id, `/${key}`)}`, "aria-current": key === name ? "page" : null }, label));
  const node = el("div", {},
    el("div", { class: "bar head" }, el("h1", {}, id), chip, taken, el("span", { class: "gap" }), able,
      button("Remove…", () => remove(id), { class: "danger" })),
    el("nav", { class: "tabs", "aria-label": `Parts of ${id}` }, tabs),
    inside.node);
  const update = () => {
    const known = state.devices.get(id);
    const [kind, words] = known ? standing(known) : ["off", state.stats ? "not registered" : ""];
    chip.className = `chip ${kind}`;
    say(chip, words);
    const stats = state.stats?.devices?.[id];
    say(taken, stats ? `${count(stats.messages)} messages · ${count(stats.units)} units` : "");
    say(able, known?.enabled === false ? "Enable" : "Disable");
    able.disabled = !known;
    inside.update?.();
  };
  return { node, update, refresh: inside.refresh, title: `${text} of ${id}` };
}

async function enable(id) {
  const known = state.devices.get(id);
  await ask("PUT", device(id), { enabled: !known.enabled }).catch((error) => (state.trouble = error.message));
  await refresh();
}

async function remove(id) {
  if (!(await confirm(`Remove ${id}? Its twin, its waiting messages and its counters go with it.`, "Remove"))) return;
  await ask("DELETE", device(id)).catch((error) => (state.trouble = error.message));
  await refresh();
  location.hash = "#/messages";
}

/** Members that the page shows in a form of its own. */
const TOLD = new Set(["id", "enabled", "connected", "connectionString", "modules"]);

function identity(id) {
  const secret = el("input", { type: "password", readonly: true, "aria-label": "Connection string", class: "secret" });
  const show = button("Show", () => {
    const hidden = secret.type === "password";
    secret.type = hidden ? "text" : "password";
    show.textContent = hidden ? "Hide" : "Show";
  });
  const facts = el("dl", { class: "facts" });
  const modules = el("ul", { class: "rows", "aria-label": `Modules of ${id}` });
  const node = el("div", { class: "columns" },
    el("section", { class: "card" },
      el("h2", {}, "Connection string"),
      el("div", { class: "send" }, secret, show, copy("Copy", () => secret.value)),
      facts, modules),
    el("section", { class: "card" }, el("h2", {}, "Let something go wrong for this device"), faultForm(id)));
  let before = "";
  const update = () => {
    const known = state.devices.get(id) ?? {};
    if (secret.value !== (known.connectionString ?? "")) secret.value = known.connectionString ?? "";
    keyed(modules, known.modules ?? [], JSON.stringify, moduleRow);
    const stats = state.stats?.devices?.[id] ?? {};
    const others = Object.entries({ ...known, ...stats }).filter(([name]) => !TOLD.has(name));
    const text = JSON.stringify(others);
    if (text === before) return;
    before = text;
    facts.replaceChildren(...others.flatMap(([name, value]) => [
      el("dt", {}, name), el("dd", {}, listed(value)),
    ]));
  };
  return { node, update };
}

/** A value, or the members of one that are not nothing: `telemetry 3 · twins 1`. */
function listed(value) {
  if (value === null || typeof value !== "object") return String(value);
  const some = Object.entries(value).filter(([, part]) => part !== 0 && part !== null);
  return some.map(([name, part]) => `${name} ${typeof part === "object" ? JSON.stringify(part) : part}`).join(" · ") || "–";
}

function moduleRow(module) {
  const [kind, words] = module.connected ? ["on", "connected"] : ["idle", "not connected"];
  return el("li", {},
    el("div", { class: "bar" }, el("strong", {}, module.id), el("span", { class: `chip ${kind}` }, words),
      copy("Copy connection string", () => module.connectionString)));
}
