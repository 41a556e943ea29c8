// azure-iot-device over MQTT, bare and inside WebSocket: the module client, without IoT Edge.
'use strict';

const { Client, ModuleClient } = require('azure-iot-device');
const { Http } = require('azure-iot-device-http');
const { Mqtt, MqttWs } = require('azure-iot-device-mqtt');
const { ConnectionString } = require('azure-iot-common');
const { ask, own } = require('./control');
const { device, message, parts, send, sendRefused, use } = require('./device');
const { mark, refused, run } = require('./report');

const moduleId = `node-${mark()}`;
/** A path of the control API below the module's own. */
const path = (rest) => own(`modules/${moduleId}/${rest}`);
const made = async (id) => (await ask('PUT', own(`modules/${id}`), {})).connectionString;

/** Sends one message of the module and notes that it names it. */
async function sendNamed(record, client, ...rest) {
  await send(record, client, ...rest);
  record.sent.at(-1).system = {
    'iothub-connection-device-id': parts.DeviceId, 'iothub-connection-module-id': moduleId,
  };
}

async function operations(transport, Protocol) {
  const mqtt = { sdk: 'azure-iot-device-mqtt', transport };
  const [text, second] = [await made(moduleId), await made(`${moduleId}-2`)];
  const open = (who, work) => use(ModuleClient.fromConnectionString(who, Protocol), work);

  await run({ operation: 'module: open, sendEvent', ...mqtt }, (record) =>
    open(text, (client) => sendNamed(record, client, '{}')));

  await run({ operation: 'module: sendEvent, JSON with id, type, encoding and properties', ...mqtt }, (record) =>
    open(text, (client) =>
      sendNamed(record, client, '{"site_id":"Zähler 1"}', {
        messageId: 'home.k3.1:0', contentType: 'application/json', contentEncoding: 'utf-8',
        properties: { site_id: 'a1', odd: 'Zähler / &=%20?#+' },
      })));

  await run({ operation: 'module: sendOutputEvent, which arrives as telemetry', ...mqtt }, (record) =>
    open(text, async (client) => {
      for (const more of [{}, { messageId: 'out-1', properties: { odd: 'a/b' } }]) {
        const { message: one, expected } = message('{}', more);
        await client.sendOutputEvent('out', one);
        record.sent.push(expected);
      }
    }));

  await run({ operation: 'module: two and their device side by side', ...mqtt }, (record) =>
    open(text, (one) => open(second, async (other) => {
      await use(Client.fromConnectionString(device, Protocol), (client) => send(record, client, '{"device":1}'));
      await sendNamed(record, one, '{"module":1}');
      await send(record, other, '{"module":2}');
    })));

  await run({ operation: "module: a newer connection takes the older one's place", ...mqtt }, (record) =>
    open(text, async (older) => {
      const gone = new Promise((resolve) => older.on('disconnect', resolve));
      await open(text, async (newer) => {
        await gone;
        await sendNamed(record, newer, '{"newer":1}');
      });
    }));

  await run({ operation: "module: open with a wrong key, or the device's, is refused", ...mqtt }, async () => {
    const key = ConnectionString.parse(text).SharedAccessKey;
    for (const wrong of [Buffer.alloc(32, 7).toString('base64'), parts.SharedAccessKey]) {
      await refused('UnauthorizedError', () => open(text.replace(key, wrong), () => {}));
    }
  });

  await run({ operation: 'module: open as an unknown module is refused', ...mqtt }, () =>
    refused('UnauthorizedError', () => open(text.replace(moduleId, 'nobody'), () => {})));

  await run({ operation: 'module: getTwin, reported.update', ...mqtt }, () =>
    open(text, async (client) => {
      const mine = await client.getTwin();
      const state = { mark: mark(), nested: { a: 1, list: [1, 'zwei'] } };
      await new Promise((resolve, reject) =>
        mine.properties.reported.update(state, (e) => (e ? reject(e) : resolve())));
      const { properties } = await ask('GET', path('twin'));
      for (const [name, value] of Object.entries(state)) {
        if (JSON.stringify(properties.reported[name]) !== JSON.stringify(value)) {
          throw new Error(`${name} is ${JSON.stringify(properties.reported[name])}`);
        }
      }
    }));

  await run({ operation: "module: on 'properties.desired'", ...mqtt }, () =>
    open(text, async (client) => {
      const mine = await client.getTwin();
      const interval = Date.now();
      const told = new Promise((resolve) =>
        mine.on('properties.desired', (delta) => delta.interval === interval && resolve(delta)));
      // The subscription goes out with the listener, and a change is told to who has subscribed.
      await new Promise((resolve) => setTimeout(resolve, 200));
      const changed = await ask('PATCH', path('twin'), { desired: { interval, gone: null } });
      const delta = await told;
      if (delta.$version !== changed.properties.desired.$version) throw new Error(JSON.stringify(delta));
    }));

  await run({ operation: 'module: onMethod', ...mqtt }, () =>
    open(text, async (client) => {
      client.onMethod('reboot', (request, response) =>
        response.send(207, { echo: request.payload, name: request.methodName }, () => {}));
      const asked = { methodName: 'reboot', payload: { in: [1, 'Zähler'] }, connectTimeoutInSeconds: 5 };
      const answered = await ask('POST', path('methods'), asked);
      const payload = JSON.stringify({ echo: asked.payload, name: 'reboot' });
      if (answered.status !== 207 || JSON.stringify(answered.payload) !== payload) {
        throw new Error(JSON.stringify(answered));
      }
    }));

  const inputs = 'input messages come from an IoT Edge hub; a hub closes the connection';
  await run({ operation: "module: on 'inputMessage'", ...mqtt, declined: inputs }, () =>
    open(text, async (client) => {
      const gone = new Promise((resolve) => {
        client.on('disconnect', resolve);
        client.on('error', resolve);
      });
      client.on('inputMessage', () => {});
      await gone;
      const told = (await ask('GET', '/closed')).at(-1);
      if (!told.reason.includes("inputs are an IoT Edge hub's")) throw new Error(JSON.stringify(told));
    }));

  // The SDK asks its gateway, which here is the hub itself.
  const invoke = 'modules call methods through an IoT Edge hub; to a hub the SDK sends no api-version, and it wants a policy';
  await run({ operation: 'module: invokeMethod', ...mqtt, declined: invoke }, () =>
    open(`${text};GatewayHostName=${parts.HostName}`, (client) => {
      const call = { methodName: 'reboot', responseTimeoutInSeconds: 5, connectTimeoutInSeconds: 5 };
      return refused('ArgumentError', () => client.invokeMethod(parts.DeviceId, call));
    }));
}

async function main() {
  await operations('MQTT', Mqtt);
  await operations('MQTT-WS', MqttWs);
  const https = { sdk: 'azure-iot-device-http', transport: 'HTTPS' };
  const declined = 'over HTTPS the SDK has the paths of devices alone, which a module\'s token does not cover';
  const text = await made(moduleId);
  await run({ operation: 'module: sendEvent', ...https, declined }, (record) =>
    use(ModuleClient.fromConnectionString(text, Http), (client) => sendRefused(record, client, 'UnauthorizedError')));
}

main().then(() => process.exit(0));
