// Why connections were closed, and what was refused: what the real hub never says.

import { el, keyed, say, table } from "./dom.js";
import { count, time } from "./format.js";
import { ask, device } from "./hub.js";
import { state } from "./state.js";

/** How many are on show at once. */
const SHOWN = 200;

/** The connections that the hub has closed. */
export function closed() {
  const refused = el("ul", { class: "chips", "aria-label": "Refused, by reason" });
  const filter = el("input", { type: "search", placeholder: "Filter", "aria-label": "Filter by client or reason", autocomplete: "off" });
  const place = el("div");
  let all = [];
  let before = null;
  const show = () => {
    const wanted = filter.value.toLowerCase();
    const fit = all.filter((one) => `${one.client} ${one.name} ${one.reason}`.toLowerCase().includes(wanted)).slice(0, SHOWN);
    const text = JSON.stringify(fit);
    if (text === before) return;
    before = text;
    place.replaceChildren(fit.length ? listed(fit) : el("p", { class: "empty" }, all.length
      ? "None matches the filter."
      : "None yet. When the hub ends a connection, the reason stands here in words a person can act on."));
  };
  filter.addEventListener("input", show);
  const update = () => {
    const reasons = Object.entries(state.stats?.refused ?? {});
    keyed(refused, reasons, ([name]) => name, ([name]) => el("li", {}, `${name} `, el("b")),
      (element, [, n]) => say(element.lastElementChild, count(n)));
    refused.hidden = reasons.length === 0;
  };
  const refresh = async () => {
    all = (await ask("GET", "/closed")).reverse();
    show();
  };
  const node = el("div", {},
    el("div", { class: "bar" }, el("h1", {}, "Closed connections"), filter),
    refused, place);
  return { node, update, refresh, title: "Closed connections" };
}

const listed = (fit) => table("Closed connections, newest first", ["At (UTC)", "Client", "Name", "Reason"],
  fit.map((one) => [time(one.at), client(one.client), one.name, one.reason]));

function client(id) {
  if (id === null) return "–";
  return state.devices.has(id) ? el("a", { href: `#${device(id)}` }, id) : id;
}
