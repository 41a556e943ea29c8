// Direct methods: a question to a connected device, and its answer.

import { el, field, keyed } from "./dom.js";
import { code, form, json } from "./form.js";
import { value } from "./format.js";
import { ask, device } from "./hub.js";
import { changed } from "./state.js";

/** What was called since the page was opened, by device, newest first. */
const calls = new Map();

/** Calls methods of one device. */
export function methods(id) {
  const name = el("input", { required: true, maxlength: "100", autocomplete: "off", spellcheck: "false", placeholder: "reboot" });
  const payload = code({ placeholder: '{"in": 5}' });
  const within = number(30, 5, 300);
  const connect = number(0, 0, 300);
  const list = el("ol", { class: "rows calls", "aria-label": "Calls, newest first" });
  const send = async () => {
    if (name.value.trim() === "") throw new Error("Which method?");
    const body = {
      methodName: name.value.trim(),
      payload: json(payload.value, "The payload", null),
      responseTimeoutInSeconds: Number(within.value),
      connectTimeoutInSeconds: Number(connect.value),
    };
    const began = performance.now();
    const call = { number: (calls.get(id)?.[0]?.number ?? 0) + 1, name: body.methodName, at: new Date() };
    calls.set(id, [call, ...(calls.get(id) ?? [])].slice(0, 50));
    changed();
    try {
      call.answer = await ask("POST", device(id, "/methods"), body);
      return `The device answered ${call.answer.status}`;
    } catch (error) {
      call.error = error.message;
      throw error;
    } finally {
      call.ms = Math.round(performance.now() - began);
      changed();
    }
  };
  const fields = [
    field("Method", name),
    field("Payload, JSON", payload, "Empty sends null"),
    el("div", { class: "pair" },
      field("Seconds for the answer", within), field("Seconds to wait for the device", connect)),
  ];
  const node = el("div", { class: "columns" },
    el("section", { class: "card" }, el("h2", {}, "Call a direct method"), form("Call", fields, send)),
    el("section", { class: "card" }, el("h2", {}, "Answers"), el("p", { class: "quiet" }), list));
  const update = () => {
    const all = calls.get(id) ?? [];
    list.previousElementSibling.textContent = all.length ? "" : "What is called from this page, and what the device says";
    keyed(list, all, (call) => `${call.number} ${call.ms}`, answered);
  };
  return { node, update, title: "Direct method" };
}

function answered(call) {
  const outcome = call.error ?? (call.answer ? `status ${call.answer.status}` : "waiting…");
  const kind = call.error ? "off" : call.answer?.status < 300 ? "on" : "";
  return el("li", {},
    el("div", { class: "bar" }, el("strong", {}, call.name), el("span", { class: `chip ${kind}` }, outcome),
      call.ms === undefined ? null : el("span", { class: "quiet" }, `${call.ms} ms`)),
    call.answer ? value(call.answer.payload) : null);
}

const number = (value, min, max) => el("input", { type: "number", value, min, max, inputmode: "numeric" });
