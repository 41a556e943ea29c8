// azure-iot-provisioning-device over HTTPS: a device of an enrolment group finds its hub, and sends there.
//
//   DPS_HOST, DPS_ID_SCOPE, DPS_GROUP_KEY   the service, its scope and the key of its enrolment group
'use strict';

const crypto = require('crypto');

const { Client, Message } = require('azure-iot-device');
const { Http: DeviceHttp } = require('azure-iot-device-http');
const { NoRetry } = require('azure-iot-common');
const { Http } = require('azure-iot-provisioning-device-http');
const { ProvisioningDeviceClient } = require('azure-iot-provisioning-device');
const { SymmetricKeySecurityClient } = require('azure-iot-security-symmetric-key');
const { mark, refused, run, shown } = require('./report');

const host = process.env.DPS_HOST;
const scope = process.env.DPS_ID_SCOPE;
const provisioning = { sdk: 'azure-iot-provisioning-device-http', transport: 'HTTPS' };
const id = `conformance-dps-${mark()}`;

/** The key of one device of the group, as Microsoft documents its derivation. */
function derive(group, registration) {
  return crypto.createHmac('sha256', Buffer.from(group, 'base64')).update(registration).digest('base64');
}

function register(registration, key, idScope = scope) {
  const security = new SymmetricKeySecurityClient(registration, key);
  return ProvisioningDeviceClient.create(host, idScope, new Http(), security).register();
}

async function main() {
  const key = derive(process.env.DPS_GROUP_KEY, id);
  let assigned;

  await run({ operation: 'register with a key of the group', ...provisioning }, async () => {
    assigned = await register(id, key);
    if (assigned.deviceId !== id) throw new Error(`registered ${id}, got device ${assigned.deviceId}`);
  });

  await run({ operation: 'sendEvent to the hub that was assigned', ...provisioning }, async (record) => {
    if (!assigned) throw new Error('nothing was assigned');
    const text = `HostName=${assigned.assignedHub};DeviceId=${assigned.deviceId};SharedAccessKey=${key}`;
    const client = Client.fromConnectionString(text, DeviceHttp);
    client.setRetryPolicy(new NoRetry());
    const body = Buffer.from('{"provisioned":true}');
    const message = new Message(body);
    const properties = { mark: mark() };
    message.properties.add('mark', properties.mark);
    message.messageId = 'dps-1';
    message.contentType = 'application/json';
    await client.open();
    try {
      await client.sendEvent(message);
    } finally {
      await client.close().catch(() => {});
    }
    record.sent.push({
      mark: properties.mark, id: 'dps-1', contentType: 'application/json', contentEncoding: null,
      properties, ...shown(body),
    });
  });

  await run({ operation: 'register again gives the same device', ...provisioning }, async () => {
    const again = await register(id, key);
    if (again.deviceId !== id || again.assignedHub !== assigned.assignedHub) {
      throw new Error(`${again.deviceId} at ${again.assignedHub}`);
    }
  });

  await run({ operation: 'register with a wrong key is refused', ...provisioning }, () =>
    refused('UnauthorizedError', () => register(id, derive(Buffer.alloc(32, 7).toString('base64'), id))));

  await run({ operation: 'register at an unknown scope is refused', ...provisioning }, async () => {
    // The SDK has no error class for this one.
    const failed = await register(id, key, '0ne00NOBODY').then(() => 'accepted', (e) => e.message);
    if (failed !== 'Not found') throw new Error(failed);
  });
}

main().then(() => process.exit(0));
