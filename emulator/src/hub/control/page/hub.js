// The control API, asked from the page it serves.

/** What the hub answered in place of what was wanted. */
export class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

/** One call; gives the answer's JSON, or `null` where there is none. */
export async function ask(method, path, body) {
  const request = { method, headers: { accept: "application/json" } };
  if (body !== undefined) {
    request.headers["content-type"] = "application/json";
    request.body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(path, request);
  } catch {
    throw new Refused(0, "The hub does not answer: it was stopped, or cannot be reached");
  }
  const text = await answer.text();
  if (!answer.ok) throw new Refused(answer.status, words(answer.status, text));
  return text === "" ? null : JSON.parse(text);
}

/** The path of a device. */
export const device = (id, rest = "") => `/devices/${encodeURIComponent(id)}${rest}`;

/** Messages as they arrive, in batches; of those that the hub has kept, the last `last` at most. The first batch is empty. */
export async function* messages(last) {
  const answer = await fetch(`/feed/stream?last=${last}`);
  if (!answer.ok) throw new Refused(answer.status, "The hub gives no feed");
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  yield [];
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    yield lines.filter((line) => line !== "").map((line) => JSON.parse(line));
  }
}

function words(status, text) {
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    return text.trim() || (status === 404 ? "There is no such thing (404)" : `The hub answered ${status}`);
  }
  const said = body.error ?? body.message ?? body.Message ?? text;
  return body.errorCode ? `${said} (${body.errorCode})` : String(said);
}
