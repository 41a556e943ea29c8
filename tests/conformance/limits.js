// azure-iot-device over HTTPS at the hub's limits.
'use strict';

const { Client } = require('azure-iot-device');
const { Http } = require('azure-iot-device-http');
const { device, send, sendRefused, use } = require('./device');
const { ask, stats } = require('./control');
const { run } = require('./report');

const https = { sdk: 'azure-iot-device-http', transport: 'HTTPS' };

/** Limits of the hub, for a time. */
async function limits(asked, work) {
  await ask('PUT', '/limits', asked);
  try {
    return await use(Client.fromConnectionString(device, Http), work);
  } finally {
    await ask('PUT', '/limits', {});
  }
}

async function main() {
  // The SDK has no name for 429 over HTTPS.
  await run({ operation: 'sendEvent above the rate is refused', ...https }, (record) =>
    limits({ throttles: { send: '1/min' } }, async (client) => {
      await send(record, client, '{}');
      await sendRefused(record, client, 'Error');
    }));

  await run({ operation: 'sendEvent above the day\'s quota: IotHubQuotaExceededError', ...https }, async (record) => {
    const { units_today: used } = await stats();
    await limits({ unitsPerDay: used + 1 }, async (client) => {
      await send(record, client, '{}');
      await sendRefused(record, client, 'IotHubQuotaExceededError');
    });
  });
}

main();
