// Values as a person reads them.

import { el } from "./dom.js";

/** An instant, in UTC: the time, with the date before it if it is not today. */
export function time(iso) {
  const [day, clock] = iso.replace("Z", "").split("T");
  const short = clock.slice(0, 12);
  const today = new Date().toISOString().slice(0, 10);
  const text = day === today ? short : `${day} ${short}`;
  return el("time", { datetime: iso, title: iso }, text);
}

/** A count with thin spaces between thousands. */
export const count = (n) => Number(n ?? 0).toLocaleString("en").replaceAll(",", "\u2009");

/** A size. */
export function bytes(n) {
  if (n < 1024) return `${n}\u00a0B`;
  if (n < 1024 ** 2) return `${(n / 1024).toFixed(1)}\u00a0KB`;
  return `${(n / 1024 ** 2).toFixed(1)}\u00a0MB`;
}

/** Whether a text is a JSON document. */
export function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/** JSON text on several lines, its parts marked for the colours. Numbers keep their digits, whatever JavaScript would make of them. */
export function tree(text) {
  const pre = el("pre", { class: "json", tabindex: "0" });
  const tokens = text.match(TOKEN) ?? [];
  let depth = 0;
  const newline = () => pre.append(`\n${"  ".repeat(depth)}`);
  tokens.forEach((token, at) => {
    const next = tokens[at + 1];
    if (token === "{" || token === "[") {
      pre.append(token);
      depth += 1;
      if (next !== "}" && next !== "]") newline();
    } else if (token === "}" || token === "]") {
      depth -= 1;
      if (tokens[at - 1] !== "{" && tokens[at - 1] !== "[") newline();
      pre.append(token);
    } else if (token === ",") {
      pre.append(token);
      newline();
    } else if (token === ":") {
      pre.append(": ");
    } else {
      pre.append(el("span", { class: kind(token, next) }, token));
    }
  });
  return pre;
}

function kind(token, next) {
  if (!token.startsWith('"')) return "number";
  if (next !== ":") return "text";
  return token.startsWith('"$') ? "meta" : "key";
}

/** A value in the same way. */
export const value = (value) => tree(JSON.stringify(value ?? null));

/** A message's body on one line. */
export function line(message) {
  if (message.body === undefined) return `base64 ${message.bodyBase64}`.slice(0, 300);
  return message.body.slice(0, 300).replaceAll(/\s+/g, " ");
}

/** How many bytes a message's body has. */
export function size(message) {
  if (message.body !== undefined) return new TextEncoder().encode(message.body).length;
  return Math.floor((message.bodyBase64.replace(/=+$/, "").length * 3) / 4);
}

/** Bytes that are no text, as a hex dump. */
export function dump(base64) {
  const octets = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const lines = [];
  for (let at = 0; at < Math.min(octets.length, 4096); at += 16) {
    const row = [...octets.slice(at, at + 16)];
    const hex = row.map((b) => b.toString(16).padStart(2, "0")).join(" ");
    const text = row.map((b) => (b > 31 && b < 127 ? String.fromCharCode(b) : "·")).join("");
    lines.push(`${at.toString(16).padStart(6, "0")}  ${hex.padEnd(47)}  ${text}`);
  }
  if (octets.length > 4096) lines.push(`… ${octets.length - 4096} more bytes`);
  return el("pre", { tabindex: "0" }, lines.join("\n"));
}
