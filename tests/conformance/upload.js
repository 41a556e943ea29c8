// File upload with azure-iot-device, whatever the device speaks otherwise. report.js says what it prints.
//
//   HUB_DEVICE   connection string of a device
'use strict';

const crypto = require('crypto');
const { Readable } = require('stream');

const { Client } = require('azure-iot-device');
const { Http } = require('azure-iot-device-http');
const { BlockBlobClient } = require('@azure/storage-blob');
const { ask, own } = require('./control');
const { parts } = require('./device');
const { mark, run } = require('./report');

const over = { sdk: 'azure-iot-device', transport: 'HTTPS' };

/** What the hub has of an upload. */
async function had(blobName) {
  const all = await ask('GET', own('files'));
  return all.find((one) => one.blobName === blobName);
}

async function main() {
  const client = Client.fromConnectionString(process.env.HUB_DEVICE, Http);

  await run({ operation: 'getBlobSharedAccessSignature, upload (@azure/storage-blob), notifyBlobUploadStatus', ...over }, async () => {
    const name = `${mark()}/a b.txt`;
    const info = await client.getBlobSharedAccessSignature(name);
    const url = `https://${info.hostName}/${info.containerName}/${encodeURIComponent(info.blobName)}${info.sasToken}`;
    const written = await new BlockBlobClient(url).upload('Zähler', Buffer.byteLength('Zähler'));
    await client.notifyBlobUploadStatus(info.correlationId, true, written._response.status, 'Created');
    const { bytes, told } = await had(info.blobName);
    if (bytes !== 7 || !told.isSuccess || told.statusCode !== 201) throw new Error(JSON.stringify({ bytes, told }));
  });

  await run({ operation: 'uploadToBlob, in blocks', ...over }, async () => {
    const name = `${mark()}.bin`;
    // The SDK cuts at 4 MiB.
    const content = crypto.randomBytes(9 << 20);
    await client.uploadToBlob(name, Readable.from([content]), content.length);
    const { bytes, told } = await had(`${parts.DeviceId}/${name}`);
    if (bytes !== content.length || !told.isSuccess) throw new Error(JSON.stringify({ bytes, told }));
  });

  await run({ operation: 'notifyBlobUploadStatus with an unknown correlation id is refused', ...over }, async () => {
    // The SDK hands the answer on, without a class of its own.
    const failed = await client.notifyBlobUploadStatus('unknown', true, 200, 'OK').then(() => 'accepted', (e) => e.message);
    if (failed !== 'Bad Request') throw new Error(failed);
  });
}

main().then(() => process.exit(0));
