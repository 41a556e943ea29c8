// The Node device SDK over HTTPS: batches of a thousand messages with one reading each.
'use strict';

const { Client, Message } = require('azure-iot-device');
const { Http } = require('azure-iot-device-http');

const SIZE = 1000;

async function main() {
  const client = Client.fromConnectionString(process.env.BENCH_CONNECTION_STRING, Http);
  const batches = Number(process.env.BENCH_BATCHES);
  const began = process.hrtime.bigint();
  let stamp = Date.UTC(2026, 0, 1);
  for (let batch = 0; batch < batches; batch += 1) {
    const messages = [];
    for (let at = 0; at < SIZE; at += 1) {
      stamp += 1000;
      messages.push(new Message(JSON.stringify({ Timestamp: new Date(stamp).toISOString(), Channels: { ch0: 51000 + at } })));
    }
    await client.sendEventBatch(messages);
  }
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  console.log(JSON.stringify({ count: batches * SIZE, seconds }));
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
