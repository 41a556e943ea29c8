// azure-iot-device over MQTT, bare and inside WebSocket: what a device sends must be in the hub's feed as it was sent.
'use strict';

const { Client } = require('azure-iot-device');
const { Mqtt, MqttWs } = require('azure-iot-device-mqtt');
const { device, message, parts, send, sign, use } = require('./device');
const { call, changeTwin, next, same, sample, settled, toDevice, twin } = require('./control');
const { refused, run } = require('./report');

async function operations(transport, Protocol) {
  const mqtt = { sdk: 'azure-iot-device-mqtt', transport };
  const open = (text, work) => use(Client.fromConnectionString(text, Protocol), work);

  await run({ operation: 'open, close', ...mqtt }, () => open(device, () => {}));

  await run({ operation: 'sendEvent, body alone', ...mqtt }, (record) =>
    open(device, (client) => send(record, client, '{}')));

  await run({ operation: 'sendEvent, JSON with id, type, encoding and properties', ...mqtt }, (record) =>
    open(device, (client) =>
      send(record, client, '{"site_id":"Zähler 1","value":12.30}', {
        messageId: 'home.k3.1:0', correlationId: 'c-1',
        contentType: 'application/json', contentEncoding: 'utf-8',
        properties: { site_id: 'a1', obis: '1-0:1.8.0*255', odd: 'Zähler / &=%20?#+' },
      })));

  await run({ operation: 'sendEvent, all 256 values of a byte', ...mqtt }, (record) =>
    open(device, (client) => send(record, client, Buffer.from(Array.from({ length: 256 }, (_, i) => i)))));

  await run({ operation: 'sendEvent, 250 KB', ...mqtt }, (record) =>
    open(device, (client) => send(record, client, Buffer.alloc(250000, 'x'))));

  await run({ operation: 'sendEvent, 50 at once over one client', ...mqtt }, (record) =>
    open(device, async (client) => {
      const each = Array.from({ length: 50 }, (_, i) =>
        send(record, client, `{"n":${i}}`, { messageId: `many-${i}`, contentType: 'application/json' }));
      await Promise.all(each);
    }));

  // The SDK itself says no: over MQTT there are no batches.
  await run({ operation: 'sendEventBatch is refused by the SDK', ...mqtt }, (record) =>
    open(device, (client) => {
      const { message: one, expected } = message('{}');
      record.never.push(expected.mark);
      return refused('NotImplementedError', () => client.sendEventBatch([one]));
    }));

  await run({ operation: 'sendEvent, with a model id', ...mqtt }, async (record) => {
    const client = Client.fromConnectionString(device, Protocol);
    await client.setOptions({ modelId: 'dtmi:com:example:Meter;1' });
    await use(client, (client) => send(record, client, '{}'));
    record.sent[0].system = { 'dt-dataschema': 'dtmi:com:example:Meter;1' };
  });

  await run({ operation: 'sendEvent with a ready-made token', ...mqtt }, (record) => {
    const token = sign(parts.SharedAccessKey, Math.floor(Date.now() / 1000) + 600);
    return use(Client.fromSharedAccessSignature(token, Protocol), (client) => send(record, client, '{"token":1}'));
  });

  await run({ operation: 'open with a token that has expired is refused', ...mqtt }, () => {
    const token = sign(parts.SharedAccessKey, Math.floor(Date.now() / 1000) - 3600);
    return refused('UnauthorizedError', () => use(Client.fromSharedAccessSignature(token, Protocol), () => {}));
  });

  await run({ operation: 'open with a wrong key is refused', ...mqtt }, () => {
    const wrong = Buffer.alloc(32, 7).toString('base64');
    return refused('UnauthorizedError', () => open(device.replace(parts.SharedAccessKey, wrong), () => {}));
  });

  await run({ operation: 'open as an unknown device is refused', ...mqtt }, () =>
    refused('UnauthorizedError', () => open(device.replace(parts.DeviceId, 'nobody'), () => {})));

  await run({ operation: "a newer connection takes the older one's place", ...mqtt }, (record) =>
    open(device, async (older) => {
      const gone = new Promise((resolve) => older.on('disconnect', resolve));
      await open(device, async (newer) => {
        await gone;
        await send(record, newer, '{"newer":1}');
      });
    }));

  await run({ operation: 'receive, complete', ...mqtt }, () =>
    open(device, async (client) => {
      const coming = next(client);
      const sent = sample({ properties: { Site: 'a1', odd: 'Zähler / &=%20?#+' } });
      const sequence = await toDevice(sent);
      const message = await coming;
      same(message, sent);
      await client.complete(message);
      await settled(sequence, 'Success');
    }));

  await run({ operation: 'receive what was sent while away', ...mqtt }, async () => {
    const sequence = await toDevice(sample());
    await open(device, async (client) => {
      same(await next(client), sample());
      await settled(sequence, 'Success');
    });
  });

  // The SDK itself says no: over MQTT a message is completed by being received.
  await run({ operation: 'reject, abandon are refused by the SDK', ...mqtt }, () =>
    open(device, async (client) => {
      const coming = next(client);
      await toDevice(sample());
      const message = await coming;
      await refused('NotImplementedError', () => client.reject(message));
      await refused('NotImplementedError', () => client.abandon(message));
    }));

  await run({ operation: 'getTwin, reported.update', ...mqtt }, () =>
    open(device, async (client) => {
      const mine = await client.getTwin();
      const state = { mark: `${Date.now()}`, nested: { a: 1, list: [1, 'zwei'] } };
      await new Promise((resolve, reject) =>
        mine.properties.reported.update(state, (e) => (e ? reject(e) : resolve())));
      const { properties } = await twin();
      for (const [key, value] of Object.entries(state)) {
        if (JSON.stringify(properties.reported[key]) !== JSON.stringify(value)) {
          throw new Error(`${key} is ${JSON.stringify(properties.reported[key])}`);
        }
      }
    }));

  await run({ operation: 'reported.update beyond a limit is refused', ...mqtt }, () =>
    open(device, async (client) => {
      const mine = await client.getTwin();
      // The SDK hands on what the hub says, without a class of its own.
      const failed = await new Promise((resolve) =>
        mine.properties.reported.update({ large: 'x'.repeat(4097) }, (e) => resolve(e ? e.message : 'accepted')));
      if (!failed.includes('4097 bytes')) throw new Error(failed);
    }));

  await run({ operation: "on 'properties.desired'", ...mqtt }, () =>
    open(device, async (client) => {
      const mine = await client.getTwin();
      const interval = Date.now();
      const told = new Promise((resolve) =>
        mine.on('properties.desired', (delta) => delta.interval === interval && resolve(delta)));
      // The subscription goes out with the listener, and a change is told to who has subscribed.
      await new Promise((resolve) => setTimeout(resolve, 200));
      const changed = await changeTwin({ desired: { interval, gone: null } });
      const delta = await told;
      if (delta.$version !== changed.properties.desired.$version) throw new Error(JSON.stringify(delta));
    }));

  await run({ operation: 'onDeviceMethod', ...mqtt }, () =>
    open(device, async (client) => {
      client.onDeviceMethod('reboot', (request, response) =>
        response.send(207, { echo: request.payload, name: request.methodName }, () => {}));
      const answered = await call('reboot', { in: [1, 'Zähler'] });
      const payload = JSON.stringify({ echo: { in: [1, 'Zähler'] }, name: 'reboot' });
      if (answered.status !== 207 || JSON.stringify(answered.payload) !== payload) {
        throw new Error(JSON.stringify(answered));
      }
    }));
}

async function main() {
  await operations('MQTT', Mqtt);
  await operations('MQTT-WS', MqttWs);
}

main().then(() => process.exit(0));
