// What the scripts of azure-iot-device share, whatever they send over: messages, and what has to arrive of them.
//
//   HUB_DEVICE   connection string of a device
'use strict';

const { Message } = require('azure-iot-device');
const { ConnectionString, NoRetry, SharedAccessSignature } = require('azure-iot-common');
const { mark, refused, shown } = require('./report');

const device = process.env.HUB_DEVICE;
const parts = ConnectionString.parse(device);

/** A message, and what has to arrive of it. */
function message(body, { properties = {}, ...system } = {}) {
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(body);
  const message = new Message(bytes);
  const all = { ...properties, mark: mark() };
  for (const [name, value] of Object.entries(all)) message.properties.add(name, value);
  Object.assign(message, system);
  const expected = {
    mark: all.mark,
    id: system.messageId ?? null,
    contentType: system.contentType ?? null,
    contentEncoding: system.contentEncoding ?? null,
    properties: all,
    ...shown(bytes),
  };
  return { message, expected };
}

/** Opens a client, lets `work` use it, closes it whatever happens. */
async function use(client, work) {
  client.setRetryPolicy(new NoRetry());
  try {
    await client.open();
    return await work(client);
  } finally {
    await client.close().catch(() => {});
  }
}

/** Sends one message and records it. */
async function send(record, client, body, more) {
  const { message: one, expected } = message(body, more);
  await client.sendEvent(one);
  record.sent.push(expected);
}

/** Sends one message that must be refused under this name. */
async function sendRefused(record, client, name, body = '{}') {
  const { message: one, expected } = message(body);
  record.never.push(expected.mark);
  await refused(name, () => client.sendEvent(one));
}

/** A token of the device, made by the SDK. */
function sign(key, expires) {
  const resource = encodeURIComponent(`${parts.HostName}/devices/${parts.DeviceId}`);
  return SharedAccessSignature.create(resource, null, key, expires).toString();
}

module.exports = { device, message, parts, send, sendRefused, sign, use };
