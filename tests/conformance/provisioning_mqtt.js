// azure-iot-provisioning-device over MQTT, bare and inside WebSocket: a device of an enrolment group finds its hub, and sends there.
//
//   DPS_HOST, DPS_ID_SCOPE, DPS_GROUP_KEY   the service, its scope and the key of its enrolment group
'use strict';

const crypto = require('crypto');

const { Client, Message } = require('azure-iot-device');
const { Mqtt: DeviceMqtt, MqttWs: DeviceMqttWs } = require('azure-iot-device-mqtt');
const { NoRetry } = require('azure-iot-common');
const { Mqtt, MqttWs } = require('azure-iot-provisioning-device-mqtt');
const { ProvisioningDeviceClient } = require('azure-iot-provisioning-device');
const { SymmetricKeySecurityClient } = require('azure-iot-security-symmetric-key');
const { mark, run, shown } = require('./report');

/** The key of one device of the group, as Microsoft documents its derivation. */
function derive(group, registration) {
  return crypto.createHmac('sha256', Buffer.from(group, 'base64')).update(registration).digest('base64');
}

function register(transport, id, key, scope = process.env.DPS_ID_SCOPE) {
  const security = new SymmetricKeySecurityClient(id, key);
  const client = ProvisioningDeviceClient.create(process.env.DPS_HOST, scope, transport, security);
  client.setProvisioningPayload({ modelId: 'dtmi:com:example:Meter;1' });
  return client.register();
}

/** Passes when `work` fails with CONNACK 5, for which the SDK has no error class. */
async function notAuthorized(work) {
  const failed = await work().then(() => 'accepted', (e) => e.message);
  if (failed !== 'Connection refused: Not authorized') throw new Error(failed);
}

async function operations(transport, Protocol, DeviceProtocol) {
  const provisioning = { sdk: 'azure-iot-provisioning-device-mqtt', transport };
  const id = `conformance-dps-${mark()}`;
  const key = derive(process.env.DPS_GROUP_KEY, id);
  let assigned;

  await run({ operation: 'register with a key of the group', ...provisioning }, async () => {
    assigned = await register(new Protocol(), id, key);
    if (assigned.deviceId !== id) throw new Error(`registered ${id}, got device ${assigned.deviceId}`);
  });

  await run({ operation: 'sendEvent to the hub that was assigned', ...provisioning }, async (record) => {
    if (!assigned) throw new Error('nothing was assigned');
    const text = `HostName=${assigned.assignedHub};DeviceId=${assigned.deviceId};SharedAccessKey=${key}`;
    const client = Client.fromConnectionString(text, DeviceProtocol);
    client.setRetryPolicy(new NoRetry());
    const body = Buffer.from('{"provisioned":true}');
    const message = new Message(body);
    const properties = { mark: mark() };
    message.properties.add('mark', properties.mark);
    await client.open();
    try {
      await client.sendEvent(message);
    } finally {
      await client.close().catch(() => {});
    }
    record.sent.push({
      mark: properties.mark, id: null, contentType: null, contentEncoding: null, properties, ...shown(body),
    });
  });

  await run({ operation: 'register with a wrong key is refused', ...provisioning }, () =>
    notAuthorized(() => register(new Protocol(), id, derive(Buffer.alloc(32, 7).toString('base64'), id))));

  await run({ operation: 'register at an unknown scope is refused', ...provisioning }, () =>
    notAuthorized(() => register(new Protocol(), id, key, '0ne00NOBODY')));
}

async function main() {
  await operations('MQTT', Mqtt, DeviceMqtt);
  await operations('MQTT-WS', MqttWs, DeviceMqttWs);
}

main().then(() => process.exit(0));
