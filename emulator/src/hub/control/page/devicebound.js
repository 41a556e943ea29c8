// Cloud-to-device messages: sent, waiting, and what became of them.

import { button, el, field, select, table } from "./dom.js";
import { code, form, pairs } from "./form.js";
import { time } from "./format.js";
import { ask, device } from "./hub.js";

/** The messages for one device. */
export function devicebound(id) {
  const body = code({ placeholder: "any text" });
  const properties = code({ rows: 2, placeholder: "name=value" });
  const input = (attributes = {}) => el("input", { autocomplete: "off", spellcheck: "false", ...attributes });
  const messageId = input();
  const contentType = input({ placeholder: "application/json" });
  const ttl = input({ type: "number", min: 1, max: 172800, placeholder: "3600", inputmode: "numeric" });
  const ack = select([["", "none"], ["positive", "positive"], ["negative", "negative"], ["full", "full"]]);
  const place = el("div");
  const read = async () => show(place, await ask("GET", device(id, "/messages")));
  const send = async () => {
    const message = { body: body.value, properties: pairs(properties.value) };
    if (messageId.value) message.messageId = messageId.value;
    if (contentType.value) message.contentType = contentType.value;
    if (ttl.value) message.ttl = Number(ttl.value);
    if (ack.value) message.ack = ack.value;
    const { sequence } = await ask("POST", device(id, "/messages"), message);
    await read();
    return `Sent as number ${sequence}`;
  };
  const fields = [
    field("Body", body),
    field("Application properties, one a line", properties),
    el("div", { class: "pair" }, field("Message id", messageId), field("Content type", contentType)),
    el("div", { class: "pair" }, field("Lives for, seconds", ttl), field("Feedback", ack)),
  ];
  const purge = button("Throw away what waits", async () => {
    await ask("DELETE", device(id, "/messages"));
    await read();
  });
  const node = el("div", { class: "columns" },
    el("section", { class: "card" }, el("h2", {}, "Send to the device"), form("Send", fields, send)),
    el("section", { class: "card" }, el("div", { class: "bar" }, el("h2", {}, "Sent"), el("span", { class: "gap" }), purge), place));
  return { node, title: "Cloud to device", refresh: read };
}

function show(place, { waiting, settled }) {
  const text = JSON.stringify([waiting, settled]);
  if (place.before === text) return;
  place.before = text;
  const rows = [
    ...waiting.map((message) => [
      `${message.sequence}`, message.messageId,
      message.locked ? `with the device, delivery ${message.deliveries}` : "waits", time(message.enqueued)]),
    ...settled.map((message) => [`${message.sequence}`, message.messageId, message.outcome, time(message.at)]),
  ].sort((a, b) => Number(b[0]) - Number(a[0]));
  place.replaceChildren(rows.length
    ? table("Messages for the device, newest first", ["#", "Message id", "Outcome", "At (UTC)"], rows)
    : el("p", { class: "quiet" }, "Nothing yet. A message waits for the device for an hour, and is taken over MQTT or HTTPS."));
}
