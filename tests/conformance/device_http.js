// azure-iot-device over HTTPS: what a device sends must be in the hub's feed as it was sent.
//
//   HUB_DEVICE   connection string of a device
//   HUB_CONTROL  URL of the hub's control API
'use strict';

const { Client } = require('azure-iot-device');
const { Http } = require('azure-iot-device-http');
const { device, message, parts, send, sendRefused, sign, use } = require('./device');
const { next, purge, same, sample, settled, stats, toDevice } = require('./control');
const { run } = require('./report');

const https = { sdk: 'azure-iot-device-http', transport: 'HTTPS' };

const open = (text, work) => use(Client.fromConnectionString(text, Http), work);

/** A client that asks for messages each second. */
async function receiving(client) {
  const options = { http: { receivePolicy: { interval: 1 } } };
  await new Promise((resolve, reject) => client.setOptions(options, (e) => (e ? reject(e) : resolve())));
  return next(client);
}

async function main() {
  await run({ operation: 'sendEvent, JSON with id, type, encoding and properties', ...https }, (record) =>
    open(device, (client) =>
      send(record, client, '{"site_id":"Zähler 1","value":12.30}', {
        messageId: 'home.k3.1:0', correlationId: 'c-1',
        contentType: 'application/json', contentEncoding: 'utf-8',
        properties: { site_id: 'a1', odd: "!#$%&'*+-.^_`|~" },
      })));

  await run({ operation: 'sendEvent, all 256 values of a byte', ...https }, (record) =>
    open(device, (client) => send(record, client, Buffer.from(Array.from({ length: 256 }, (_, i) => i)))));

  await run({ operation: 'sendEvent, no body', ...https }, (record) =>
    open(device, (client) => send(record, client, '', { messageId: 'empty' })));

  await run({ operation: 'sendEvent, 250 KB', ...https }, (record) =>
    open(device, (client) => send(record, client, Buffer.alloc(250000, 'x'))));

  await run({ operation: 'sendEvent, 300 KB is refused', ...https }, (record) =>
    open(device, (client) =>
      sendRefused(record, client, 'MessageTooLargeError', Buffer.alloc(300000, 'x'))));

  await run({ operation: 'sendEvent, 50 at once over one client', ...https }, (record) =>
    open(device, async (client) => {
      const each = Array.from({ length: 50 }, (_, i) =>
        send(record, client, `{"n":${i}}`, { messageId: `many-${i}`, contentType: 'application/json' }));
      await Promise.all(each);
    }));

  // The SDK's batches carry application properties only: it leaves id, type and encoding out by itself.
  await run({ operation: 'sendEventBatch, 3 messages', ...https }, (record) =>
    open(device, async (client) => {
      const batch = ['{"n":1}', Buffer.from([0, 255, 128]), 'Zähler'].map((body, i) =>
        message(body, { properties: { Place: `p-${i}` } }));
      await client.sendEventBatch(batch.map((one) => one.message));
      record.sent.push(...batch.map((one) => one.expected));
    }));

  await run({ operation: 'sendEventBatch, 500 messages', ...https }, (record) =>
    open(device, async (client) => {
      const batch = Array.from({ length: 500 }, (_, i) => message(`{"n":${i}}`));
      await client.sendEventBatch(batch.map((one) => one.message));
      record.sent.push(...batch.map((one) => one.expected));
    }));

  await run({ operation: 'sendEvent with a ready-made token', ...https }, (record) => {
    const ends = Math.floor(Date.now() / 1000) + 600;
    const token = sign(parts.SharedAccessKey, ends);
    return use(Client.fromSharedAccessSignature(token, Http), (client) => send(record, client, '{"token":1}'));
  });

  await run({ operation: 'sendEvent with a token that has expired is refused', ...https }, (record) => {
    const ended = Math.floor(Date.now() / 1000) - 3600;
    const token = sign(parts.SharedAccessKey, ended);
    return use(Client.fromSharedAccessSignature(token, Http), (client) =>
      sendRefused(record, client, 'UnauthorizedError'));
  });

  await run({ operation: 'sendEvent with a wrong key is refused', ...https }, (record) => {
    const wrong = Buffer.alloc(32, 7).toString('base64');
    return open(device.replace(parts.SharedAccessKey, wrong), (client) =>
      sendRefused(record, client, 'UnauthorizedError'));
  });

  await run({ operation: 'sendEvent of an unknown device is refused', ...https }, (record) =>
    open(device.replace(parts.DeviceId, 'nobody'), (client) =>
      sendRefused(record, client, 'DeviceNotFoundError')));

  await run({ operation: 'receive, nothing waits', ...https }, () =>
    open(device, async (client) => {
      const before = await stats();
      const wrong = new Promise((_, reject) => {
        client.on('error', reject);
        client.on('message', () => reject(new Error('a message came out of nothing')));
      });
      wrong.catch(() => {});
      await new Promise((resolve, reject) =>
        client.setOptions({ http: { receivePolicy: { interval: 1 } } }, (e) => (e ? reject(e) : resolve())));
      const asked = async () => {
        for (;;) {
          const now = await stats();
          if (JSON.stringify(now.refused) !== JSON.stringify(before.refused)) {
            throw new Error(`refused: ${JSON.stringify(now.refused)}`);
          }
          if (now.requests >= before.requests + 2) return;
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
      };
      await Promise.race([asked(), wrong]);
    }));

  await run({ operation: 'receive, complete', ...https }, async () => {
    const sent = sample();
    const sequence = await toDevice(sent);
    await open(device, async (client) => {
      const message = await receiving(client);
      same(message, sent);
      await client.complete(message);
      await settled(sequence, 'Success');
    });
  });

  await run({ operation: 'receive, reject', ...https }, async () => {
    const sequence = await toDevice(sample());
    await open(device, async (client) => {
      await client.reject(await receiving(client));
      await settled(sequence, 'Rejected');
    });
  });

  await run({ operation: 'receive, abandon, receive again, complete', ...https }, async () => {
    const sequence = await toDevice(sample());
    await open(device, async (client) => {
      await client.abandon(await receiving(client));
      const again = await next(client);
      same(again, sample());
      await client.complete(again);
      await settled(sequence, 'Success');
    });
  });

  await run({ operation: 'complete without a lock is refused', ...https }, async () => {
    await toDevice(sample());
    await open(device, async (client) => {
      const message = await receiving(client);
      await client.complete(message);
      // The SDK has no error class for 412.
      const failed = await client.complete(message).then(() => 'accepted', (e) => e.message);
      if (failed !== 'Precondition Failed') throw new Error(failed);
    });
    await purge();
  });
}

main().then(() => process.exit(0));
