// Devices that prove themselves by certificate, with azure-iot-device and azure-iot-provisioning-device. report.js says what it prints.
//
//   HUB_DEVICE           connection string of a device: names the hub
//   HUB_CERTIFICATES     where ID.pem and ID.key are: by-thumbprint and dps-own (each signed by itself), by-authority and
//                        dps-member (signed by the hub's authority)
//   HUB_CA               PEM file of that authority
//   DPS_HOST, DPS_ID_SCOPE
'use strict';

const crypto = require('crypto');
const fs = require('fs');
const path = require('path');

const { Client, Message } = require('azure-iot-device');
const { Http } = require('azure-iot-device-http');
const { Mqtt, MqttWs } = require('azure-iot-device-mqtt');
const { NoRetry } = require('azure-iot-common');
const provisioning = {
  http: require('azure-iot-provisioning-device-http'),
  mqtt: require('azure-iot-provisioning-device-mqtt'),
};
const { ProvisioningDeviceClient } = require('azure-iot-provisioning-device');
const { X509Security } = require('azure-iot-security-x509');
const { ask } = require('./control');
const { parts } = require('./device');
const { mark, run, shown } = require('./report');

/** Certificate and key of a device. */
function certificate(id) {
  const read = (kind) => fs.readFileSync(path.join(process.env.HUB_CERTIFICATES, `${id}.${kind}`), 'ascii');
  return { cert: read('pem'), key: read('key') };
}

/** Sends one message as `id`, by the certificate of `holder`. */
async function send(record, Transport, id, holder = id, hub = parts.HostName) {
  const client = Client.fromConnectionString(`HostName=${hub};DeviceId=${id};x509=true`, Transport);
  client.setRetryPolicy(new NoRetry());
  // Not waited for: over HTTPS the SDK takes a certificate at once and never calls back.
  client.setOptions(certificate(holder));
  const body = Buffer.from('{"certified":true}');
  const message = new Message(body);
  const properties = { mark: mark() };
  message.properties.add('mark', properties.mark);
  try {
    await client.open();
    await client.sendEvent(message);
  } finally {
    await client.close().catch(() => {});
  }
  record.sent.push({ mark: properties.mark, id: null, contentType: null, contentEncoding: null, properties, ...shown(body) });
}

function register(transport, id) {
  const security = new X509Security(id, certificate(id));
  return ProvisioningDeviceClient.create(process.env.DPS_HOST, process.env.DPS_ID_SCOPE, transport, security).register();
}

async function main() {
  const { cert } = certificate('by-thumbprint');
  const thumbprint = new crypto.X509Certificate(cert).fingerprint256.replace(/:/g, '');
  await ask('PUT', '/devices/by-thumbprint', { primary_thumbprint: thumbprint });
  await ask('PUT', '/devices/by-authority', { authentication: 'certificateAuthority' });
  const enrolment = (kind, pem) => ({ type: 'x509', x509: { [kind]: { primary: { certificate: pem } } } });
  await ask('PUT', '/enrollments/dps-own', {
    registrationId: 'dps-own', attestation: enrolment('clientCertificates', certificate('dps-own').cert) });
  await ask('PUT', '/enrollmentGroups/certified', {
    enrollmentGroupId: 'certified',
    attestation: enrolment('signingCertificates', fs.readFileSync(process.env.HUB_CA, 'ascii')) });

  for (const [transport, Transport, sdk] of [
    ['MQTT', Mqtt, 'azure-iot-device-mqtt'], ['MQTT-WS', MqttWs, 'azure-iot-device-mqtt'], ['HTTPS', Http, 'azure-iot-device-http'],
  ]) {
    const over = { sdk, transport };
    await run({ operation: 'sendEvent by certificate, known by its thumbprint', ...over }, (record) =>
      send(record, Transport, 'by-thumbprint'));
    await run({ operation: 'sendEvent by certificate, signed by an authority', ...over }, (record) =>
      send(record, Transport, 'by-authority'));
    await run({ operation: "another device's certificate is refused", ...over }, async () => {
      const failed = await send({ sent: [] }, Transport, 'by-authority', 'by-thumbprint').then(() => 'accepted', (e) => e.name);
      if (failed !== 'UnauthorizedError') throw new Error(failed);
    });
  }

  for (const [transport, make, Transport, sdk] of [
    ['MQTT', () => new provisioning.mqtt.Mqtt(), Mqtt, 'mqtt'],
    ['MQTT-WS', () => new provisioning.mqtt.MqttWs(), MqttWs, 'mqtt'],
    ['HTTPS', () => new provisioning.http.Http(), Http, 'http'],
  ]) {
    for (const [id, what] of [['dps-own', 'by its own enrolment'], ['dps-member', 'by a group']]) {
      const over = { sdk: `azure-iot-provisioning-device-${sdk}`, transport };
      await run({ operation: `register by certificate, ${what}, sendEvent`, ...over }, async (record) => {
        const assigned = await register(make(), id);
        await send(record, Transport, assigned.deviceId, id, assigned.assignedHub);
      });
    }
  }
}

main().then(() => process.exit(0));
