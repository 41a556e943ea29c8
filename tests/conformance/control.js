// The hub's control API, for what the device SDKs only see the other end of.
//
//   HUB_CONTROL  URL of the hub's control API
'use strict';

const { parts } = require('./device');

async function ask(method, path, body) {
  const answer = await fetch(`${process.env.HUB_CONTROL}${path}`, {
    method,
    headers: { 'Content-Type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : null;
}

/** A path below the device's own. */
const own = (rest) => `/devices/${encodeURIComponent(parts.DeviceId)}/${rest}`;

/** Counters. */
const stats = () => ask('GET', '/stats');

/** Sends a message to the device; gives its sequence number. */
const toDevice = async (message) => (await ask('POST', own('messages'), message)).sequence;

/** Merges into the device's twin; gives the twin. */
const changeTwin = (change) => ask('PATCH', own('twin'), change);

/** The device's twin. */
const twin = () => ask('GET', own('twin'));

/** Calls a direct method of the device; gives its status and payload. */
const call = (methodName, payload) => ask('POST', own('methods'), { methodName, payload, connectTimeoutInSeconds: 5 });

/** What waits for the device. */
const waiting = async () => (await ask('GET', own('messages'))).waiting;

/** Throws away what waits for the device. */
const purge = () => ask('DELETE', own('messages'));

/** Waits until a message has become something, and fails if it is something else than expected. */
async function settled(sequence, expected) {
  for (let tries = 0; tries < 200; tries += 1) {
    const { settled } = await ask('GET', own('messages'));
    const found = settled.find((one) => one.sequence === sequence);
    if (found && found.outcome !== expected) throw new Error(`${found.outcome}, not ${expected}`);
    if (found) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`message ${sequence} was not settled`);
}

/** Fails unless what came is what was sent. */
function same(message, sent) {
  const came = {
    body: message.getData().toString(),
    messageId: message.messageId,
    correlationId: message.correlationId,
    // Over HTTPS the SDK leaves the header's prefix on.
    properties: Object.fromEntries(message.properties.propertyList.map(({ key, value }) =>
      [key.toLowerCase().replace(/^iothub-app-/, ''), value])),
  };
  const expected = {
    body: sent.body,
    messageId: sent.messageId,
    correlationId: sent.correlationId,
    properties: Object.fromEntries(Object.entries(sent.properties).map(([key, value]) => [key.toLowerCase(), value])),
  };
  for (const name of ['body', 'messageId', 'correlationId']) {
    if (came[name] !== expected[name]) throw new Error(`${name} was ${expected[name]}, came as ${came[name]}`);
  }
  for (const [key, value] of Object.entries(expected.properties)) {
    if (came.properties[key] !== value) throw new Error(`${key} was ${value}, came as ${came.properties[key]}`);
  }
}

/** A message that holds what messages hold. */
const sample = (more = {}) => ({
  body: '{"interval":"5m","name":"Zähler"}', messageId: 'c2d-1', correlationId: 'c-1',
  contentType: 'application/json', contentEncoding: 'utf-8', ack: 'full', properties: { Site: 'a1', b: '2' }, ...more,
});

/** The next message that comes to a client. */
const next = (client) => new Promise((resolve, reject) => {
  client.once('message', resolve);
  client.once('error', reject);
});

module.exports = { ask, call, changeTwin, next, own, purge, same, sample, settled, stats, toDevice, twin, waiting };
