// azure-iothub over AMQP, bare and inside WebSocket: what a back end sends must come to a device as it was sent, and the
// back end must be told what became of it. Devices receive by MQTT and HTTPS.
//
//   HUB_OWNER    connection string of the policy iothubowner
'use strict';

const { Readable } = require('stream');

const { Client } = require('azure-iothub');
const { Amqp } = require('azure-iothub/dist/amqp');
const { AmqpWs } = require('azure-iothub/dist/amqp_ws');
const { Message, NoRetry } = require('azure-iot-common');
const { Client: Device } = require('azure-iot-device');
const { Http } = require('azure-iot-device-http');
const { Mqtt } = require('azure-iot-device-mqtt');
const { device, parts, use } = require('./device');
const { next, purge, same, sample, waiting } = require('./control');
const { mark, refused, run } = require('./report');

const owner = process.env.HUB_OWNER;

/** A message for the device, as the SDK has it. */
function message({ body, properties = {}, ...system }) {
  const one = new Message(Buffer.from(body));
  Object.assign(one, system);
  for (const [name, value] of Object.entries(properties)) one.properties.add(name, value);
  return one;
}

/** A receiver of feedback that gives the record of a message once it comes. */
async function feedback(client) {
  const link = await new Promise((resolve, reject) =>
    client.getFeedbackReceiver((error, receiver) => (error ? reject(error) : resolve(receiver))));
  const records = [];
  const waiters = [];
  link.on('message', (one) => {
    if (one.contentType !== 'application/vnd.microsoft.iothub.feedback.json') throw new Error(one.contentType);
    for (const record of JSON.parse(one.getData().toString())) records.push(record);
    for (const waiter of waiters.splice(0)) waiter();
  });
  return async (messageId, expected) => {
    for (;;) {
      const record = records.find((one) => one.originalMessageId === messageId);
      if (record) {
        if (record.statusCode !== expected || record.deviceId !== parts.DeviceId) {
          throw new Error(JSON.stringify(record));
        }
        return;
      }
      await new Promise((resolve) => waiters.push(resolve));
    }
  };
}

/** Passes when `work` is refused by the hub: the SDK wraps its own error into a bare one here. */
async function unauthorized(work) {
  try {
    await work();
  } catch (e) {
    if (e.amqpError && e.amqpError.name === 'UnauthorizedError') return;
    throw e;
  }
  throw new Error('accepted');
}

async function operations(transport, Transport) {
  const amqp = { sdk: 'azure-iothub', transport };
  const open = (work, text = owner) => use(Client.fromConnectionString(text, Transport), work);
  const receiving = (Protocol, work) => use(Device.fromConnectionString(device, Protocol), work);

  await run({ operation: 'open, close', ...amqp }, () => open(() => {}));

  await run({ operation: 'send, the device receives it', ...amqp }, () =>
    open((client) => receiving(Mqtt, async (meter) => {
      const coming = next(meter);
      const sent = sample({ messageId: mark(), properties: { Site: 'a1', odd: 'Zähler / &=%20?#+' } });
      await client.send(parts.DeviceId, message(sent));
      same(await coming, sent);
    })));

  await run({ operation: 'send, ids that are UUIDs', ...amqp }, () =>
    open((client) => receiving(Mqtt, async (meter) => {
      const coming = next(meter);
      const sent = sample({
        messageId: '123e4567-e89b-42d3-a456-426614174000', correlationId: '123e4567-e89b-42d3-a456-426614174001',
      });
      await client.send(parts.DeviceId, message(sent));
      same(await coming, sent);
    })));

  await run({ operation: 'send, 60 KB', ...amqp }, () =>
    open((client) => receiving(Mqtt, async (meter) => {
      const coming = next(meter);
      const sent = sample({ body: 'x'.repeat(60_000) });
      await client.send(parts.DeviceId, message(sent));
      same(await coming, sent);
    })));

  await run({ operation: 'getFeedbackReceiver, the device completes', ...amqp }, () =>
    open(async (client) => {
      const told = await feedback(client);
      await receiving(Mqtt, async (meter) => {
        const coming = next(meter);
        const sent = sample({ messageId: mark(), ack: 'full' });
        await client.send(parts.DeviceId, message(sent));
        await meter.complete(await coming);
        await told(sent.messageId, 'Success');
      });
    }));

  await run({ operation: 'getFeedbackReceiver, the device rejects', ...amqp }, () =>
    open(async (client) => {
      const told = await feedback(client);
      await receiving(Http, async (meter) => {
        const sent = sample({ messageId: mark(), ack: 'negative' });
        await client.send(parts.DeviceId, message(sent));
        await meter.reject(await next(meter));
        await told(sent.messageId, 'Rejected');
      });
    }));

  await run({ operation: 'getFeedbackReceiver, the message expires', ...amqp }, () =>
    open(async (client) => {
      const told = await feedback(client);
      const sent = sample({ messageId: mark(), ack: 'negative', expiryTimeUtc: Date.now() + 1000 });
      await client.send(parts.DeviceId, message(sent));
      await told(sent.messageId, 'Expired');
    }));

  await run({ operation: 'getFeedbackReceiver, the queue is purged', ...amqp }, () =>
    open(async (client) => {
      const told = await feedback(client);
      const sent = sample({ messageId: mark(), ack: 'full' });
      await client.send(parts.DeviceId, message(sent));
      await purge();
      await told(sent.messageId, 'Purged');
    }));

  await run({ operation: 'getFileNotificationReceiver, the device uploads a file', ...amqp }, () =>
    open(async (client) => {
      const link = await new Promise((resolve, reject) =>
        client.getFileNotificationReceiver((error, receiver) => (error ? reject(error) : resolve(receiver))));
      const name = `${mark()}.bin`;
      const told = new Promise((resolve) => link.on('message', (one) => {
        const notice = JSON.parse(one.getData().toString());
        if (notice.blobName === `${parts.DeviceId}/${name}`) resolve(notice);
      }));
      const meter = Device.fromConnectionString(device, Http);
      await meter.uploadToBlob(name, Readable.from([Buffer.alloc(1234)]), 1234);
      const notice = await told;
      if (notice.deviceId !== parts.DeviceId || notice.blobSizeInBytes !== 1234) throw new Error(JSON.stringify(notice));
    }));

  await run({ operation: 'send to an unknown device is refused', ...amqp }, () =>
    open((client) => refused('DeviceNotFoundError', () => client.send('nobody', message(sample())))));

  await run({ operation: 'send of 65 KB is refused', ...amqp }, () =>
    open((client) => refused('MessageTooLargeError', () =>
      client.send(parts.DeviceId, message(sample({ body: 'x'.repeat(66_000) }))))));

  await run({ operation: 'send to a full queue is refused, and another client is served', ...amqp }, () =>
    open(async (client) => {
      await purge();
      for (let count = 0; count < 50; count += 1) await client.send(parts.DeviceId, message(sample()));
      await refused('DeviceMaximumQueueDepthExceededError', () => client.send(parts.DeviceId, message(sample())));
      if ((await waiting()).length !== 50) throw new Error(`${(await waiting()).length} wait`);
      await purge();
      await open((other) => other.send(parts.DeviceId, message(sample())));
      await purge();
    }));

  await run({ operation: 'open with a wrong key is refused', ...amqp }, () => {
    const wrong = Buffer.alloc(32, 7).toString('base64');
    const text = owner.replace(/SharedAccessKey=.*/, `SharedAccessKey=${wrong}`);
    return unauthorized(() => open(() => {}, text));
  });

  await run({ operation: 'open as an unknown policy is refused', ...amqp }, () =>
    unauthorized(() => open(() => {}, owner.replace('iothubowner', 'nobody'))));
}

async function main() {
  await operations('AMQP', Amqp);
  await operations('AMQP-WS', AmqpWs);
}

main().then(() => process.exit(0));
