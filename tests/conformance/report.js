// Runs operations one after the other and reports each as one line of JSON on standard output:
//
//   {"operation", "sdk", "transport", "took_ms", "error" (null: it did what it should),
//    "gap" (why it cannot work yet, else null), "declined" (why the hub does not offer it, else null),
//    "sent": [message], "never": ["mark"]}
//
// A message is {"mark", "id", "contentType", "contentEncoding", "properties", "body" (or "bodyBase64" where that is
// not UTF-8), "system" (more of its system properties, if any)}: what the hub has to show of it afterwards. Each one carries its mark as the application property
// `mark`, so that it is found again.
'use strict';

const crypto = require('crypto');

/** How long an operation may take before it counts as failed, milliseconds. */
const PATIENCE = 20000;

/** Version of an installed SDK, with its name. */
function version(sdk) {
  return `${sdk} ${require(`${sdk}/package.json`).version}`;
}

/** A mark that no other message has. */
function mark() {
  return crypto.randomBytes(8).toString('hex');
}

/** A body as the hub's feed shows it. */
function shown(bytes) {
  const text = bytes.toString('utf8');
  return Buffer.from(text).equals(bytes) ? { body: text } : { bodyBase64: bytes.toString('base64') };
}

/**
 * Runs one operation.
 *
 * `work` gets `{sent, never}` to put messages into that must, and marks that must never, arrive. With `gap`, the
 * operation is expected to fail for that reason; should it work, the line says so and the gap is to be removed. With
 * `declined`, the hub is known not to offer the operation, and `work` checks that it says so.
 */
async function run({ operation, sdk, transport, gap = null, declined = null }, work) {
  const record = { sent: [], never: [] };
  const began = process.hrtime.bigint();
  let error = null;
  let timer;
  try {
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`nothing after ${PATIENCE / 1000} s`)), PATIENCE);
    });
    await Promise.race([work(record), late]);
  } catch (e) {
    error = `${e.name}: ${e.message}`;
  } finally {
    clearTimeout(timer);
  }
  const took = Number((process.hrtime.bigint() - began) / 1000000n);
  const line = { operation, sdk: version(sdk), transport, took_ms: took, error, gap, declined, ...record };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** Passes when `work` fails with an error of this name, as the SDK calls it. */
async function refused(name, work) {
  try {
    await work();
  } catch (e) {
    if (e.name === name) return;
    throw new Error(`refused as ${e.name} (${e.message}), not as ${name}`);
  }
  throw new Error(`accepted; expected ${name}`);
}

module.exports = { mark, refused, run, shown };
