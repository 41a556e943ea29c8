// Starts the page: what is on show follows from the part of the address behind `#`.
//
// `state` knows the hub and `hub` asks it; `side` is the list of devices, `views` what the main part may show;
// `dom`, `form` and `format` make elements.

import { el, keyed, say } from "./dom.js";
import { count } from "./format.js";
import { side } from "./side.js";
import { changed, listen, poll, state, tick, watch } from "./state.js";
import { closed } from "./closed.js";
import { devicePage } from "./device.js";
import { faults } from "./faults.js";
import { messageView } from "./messages.js";
import { provisioning } from "./provisioning.js";

const VIEWS = [
  ["messages", "Messages", () => messageView()],
  ["devices", "Devices", () => ({ node: el("div"), title: "Devices" })],
  ["provisioning", "Provisioning", provisioning],
  ["closed", "Closed connections", closed],
  ["faults", "Faults", faults],
];

const main = document.getElementById("main");
let view = { node: null };
let shown = null;

/** Shows what the address names. */
async function route() {
  const hash = location.hash;
  if (hash !== "" && !hash.startsWith("#/")) return;
  const [name = "messages", id, tab = "messages"] = hash.slice(2).split("/").filter((part) => part !== "");
  document.body.dataset.view = id === undefined ? name : "device";
  let made;
  if (name === "devices" && id !== undefined) made = devicePage(decodeURIComponent(id), tab);
  else made = (VIEWS.find(([known]) => known === name) ?? VIEWS[0])[2]();
  view = made;
  main.replaceChildren(view.node);
  document.title = `${view.title} – Local IoT Hub`;
  for (const link of document.querySelectorAll("#views a")) {
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  // Whoever uses the keyboard goes on in what was opened; at the start and between a device's tabs the focus stays.
  if (shown !== null && shown !== `${name}/${id}`) main.focus({ preventScroll: true });
  shown = `${name}/${id}`;
  window.scrollTo(0, 0);
  // On a narrow screen the current tab may lie beyond the edge.
  for (const bar of document.querySelectorAll("nav")) {
    const link = bar.querySelector("[aria-current]");
    if (link) bar.scrollLeft = link.offsetLeft - bar.clientWidth / 3;
  }
  changed();
  await besides();
}

/** What the view on show needs from the hub besides devices and counters. */
async function besides() {
  const asked = view;
  try {
    await asked.refresh?.();
  } catch (error) {
    // A device that is gone has its own words on the page.
    if (error.status !== 404) state.trouble ??= error.message;
  }
  changed();
}

const figures = document.getElementById("figures");
const live = document.getElementById("live");

function head() {
  const { hub, stats, devices } = state;
  say(document.getElementById("host"), hub?.hostName ?? "");
  const lit = [...devices.values()].filter((device) => device.connected).length;
  const refused = Object.values(stats?.refused ?? {}).reduce((sum, n) => sum + n, 0);
  const shown = stats
    ? [
        ["connected", `${count(lit)} of ${count(devices.size)}`],
        ["messages", count(stats.messages)],
        ["units", count(stats.units)],
        ["refused", count(refused)],
        ["faults met", count(stats.faults)],
      ]
    : [];
  keyed(
    figures,
    shown,
    ([name]) => name,
    ([name]) => el("div", {}, el("dt", {}, name), el("dd")),
    (element, [, value]) => say(element.lastElementChild, value),
  );
  const well = state.live && !state.trouble;
  live.className = well ? "live on" : "live off";
  say(live, well ? "live" : state.trouble ?? "connecting…");
}

document.getElementById("views").append(
  ...VIEWS.map(([name, text]) => el("a", { href: `#/${name}`, "data-view": name }, text)),
);
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
const list = side();
watch(() => {
  head();
  list.update();
  view.update?.();
});
window.addEventListener("hashchange", route);
document.addEventListener("visibilitychange", changed);
route();
poll(besides);
listen();
setInterval(tick, 1000);
