// azure-iothub over HTTPS: every operation of its REST clients.
//
//   HUB_OWNER   connection string of the policy iothubowner
//   HUB_DEVICE  connection string of a device
'use strict';

const { DigitalTwinClient, Client: ServiceClient, IoTHubTokenCredentials, JobClient, Registry } = require('azure-iothub');
const { Client } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');
const { device: deviceString, parts, use } = require('./device');
const { mark, refused, run } = require('./report');

const owner = process.env.HUB_OWNER;
const https = { sdk: 'azure-iothub', transport: 'HTTPS' };
const keys = {
  primaryKey: 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=',
  secondaryKey: 'HxwdHh8AAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRo=',
};

const offered = new Set();
// AMQP's; another script calls them.
const called = new Set(['open', 'close', 'send', 'getFeedbackReceiver', 'getFileNotificationReceiver', 'setRetryPolicy']);

/** Notes which of a client's operations are called. */
function watch(client) {
  const prototype = Object.getPrototypeOf(client);
  for (const name of Object.getOwnPropertyNames(prototype)) {
    if (name === 'constructor' || name.startsWith('_')) continue;
    offered.add(name);
    const operation = client[name];
    client[name] = (...rest) => {
      called.add(name);
      return operation.apply(client, rest);
    };
  }
  return client;
}

const registry = watch(Registry.fromConnectionString(owner));
const jobs = watch(JobClient.fromConnectionString(owner));
const service = watch(ServiceClient.fromConnectionString(owner));
const twins = watch(new DigitalTwinClient(new IoTHubTokenCredentials(owner)));

/** Fails unless the two are the same, as JSON. */
function expect(what, expected) {
  const [left, right] = [JSON.stringify(what), JSON.stringify(expected)];
  if (left !== right) throw new Error(`${left}, not ${right}`);
}

/** Fails unless the hub answers with this status; gives the body of the error. */
async function refusedWith(status, work) {
  try {
    await work();
  } catch (e) {
    const answered = e.response?.statusCode ?? e.response?.status ?? e.statusCode;
    if (answered === status) return String(e.responseBody ?? e.body ?? e.message);
    throw e;
  }
  throw new Error(`accepted; expected ${status}`);
}

/** Runs with a device of its own. */
async function withDevice(work, more = {}) {
  const deviceId = `node-rest-${mark()}`;
  await registry.create({ deviceId, authentication: { symmetricKey: keys }, ...more });
  try {
    return await work(deviceId);
  } finally {
    await registry.delete(deviceId);
  }
}

/** The job, once it has ended. */
async function ended(jobId) {
  for (let tries = 0; tries < 200; tries += 1) {
    const { jobStatus } = await jobs.getJob(jobId);
    if (jobStatus.endTime) return jobStatus;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`job ${jobId} does not end`);
}

async function all(query) {
  const pages = [];
  do {
    pages.push((await query.next()).result);
  } while (query.hasMoreResults);
  return pages;
}

/** What is not offered here: operation, call, reason. */
function declined() {
  const fleets = 'deployments to fleets and to IoT Edge are not emulated';
  const storage = 'there is no storage account to import from and to export to';
  const models = 'models are not resolved; the twin and direct methods hold the same';
  const one = { id: 'c', schemaVersion: '1.0', content: { deviceContent: {} }, targetCondition: '*', priority: 1, etag: '*' };
  return [
    ['addConfiguration', () => registry.addConfiguration(one), fleets],
    ['getConfiguration', () => registry.getConfiguration('c'), fleets],
    ['getConfigurations', () => registry.getConfigurations(), fleets],
    ['updateConfiguration', () => registry.updateConfiguration(one, true), fleets],
    ['removeConfiguration', () => registry.removeConfiguration('c'), fleets],
    ['applyConfigurationContentOnDevice', () => registry.applyConfigurationContentOnDevice('d', {}), fleets],
    ['importDevicesFromBlob', () => registry.importDevicesFromBlob('https://in', 'https://out'), storage],
    ['importDevicesFromBlobByIdentity', () => registry.importDevicesFromBlobByIdentity('https://in', 'https://out'), storage],
    ['exportDevicesToBlob', () => registry.exportDevicesToBlob('https://out', true), storage],
    ['exportDevicesToBlobByIdentity', () => registry.exportDevicesToBlobByIdentity('https://out', true), storage],
    ['listJobs', () => registry.listJobs(), storage],
    ['getJob', () => registry.getJob('j'), storage],
    ['cancelJob', () => registry.cancelJob('j'), storage],
    ['getDigitalTwin', () => twins.getDigitalTwin('d'), models],
    ['updateDigitalTwin', () => twins.updateDigitalTwin('d', [{ op: 'add', path: '/a', value: 1 }]), models],
    ['invokeCommand', () => twins.invokeCommand('d', 'reboot', '{}'), models],
    ['invokeComponentCommand', () => twins.invokeComponentCommand('d', 'c', 'reboot', '{}'), models],
  ];
}

async function main() {
  await run({ operation: 'create, get, delete a device with thumbprints and one of an authority', ...https }, async () => {
    const [own, signed] = [`node-own-${mark()}`, `node-signed-${mark()}`];
    const x509Thumbprint = { primaryThumbprint: 'A'.repeat(40), secondaryThumbprint: 'B'.repeat(64) };
    await registry.create({ deviceId: own, authentication: { x509Thumbprint } });
    await registry.create({ deviceId: signed, authentication: { type: 'certificateAuthority' } });
    const { authentication } = (await registry.get(own)).responseBody;
    expect([authentication.type, authentication.x509Thumbprint], ['selfSigned', x509Thumbprint]);
    expect((await registry.get(signed)).responseBody.authentication.type, 'certificateAuthority');
    await registry.delete(own);
    await registry.delete(signed);
  });

  await run({ operation: 'create, get, update, delete', ...https }, async () => {
    const deviceId = `node-rest-${mark()}`;
    const made = (await registry.create({ deviceId, status: 'disabled', authentication: { symmetricKey: keys } })).responseBody;
    expect([made.deviceId, made.status, made.connectionState, made.authentication.type], [deviceId, 'disabled', 'Disconnected', 'sas']);
    const got = (await registry.get(deviceId)).responseBody;
    expect([got.etag, got.generationId, got.authentication.symmetricKey], [made.etag, made.generationId, keys]);
    const updated = (await registry.update({ deviceId, status: 'enabled' })).responseBody;
    expect([updated.status, updated.authentication.symmetricKey, updated.etag === made.etag], ['enabled', keys, false]);
    await registry.delete(deviceId);
    await refused('DeviceNotFoundError', () => registry.get(deviceId));
  });

  await run({ operation: 'create, keys are made', ...https }, async () => {
    const deviceId = `node-rest-${mark()}`;
    const { symmetricKey } = (await registry.create({ deviceId })).responseBody.authentication;
    await registry.delete(deviceId);
    if (!symmetricKey.primaryKey || symmetricKey.primaryKey === symmetricKey.secondaryKey) throw new Error('no keys were made');
  });

  await run({ operation: 'create of a known device is refused', ...https }, () =>
    withDevice((deviceId) => refused('DeviceAlreadyExistsError', () => registry.create({ deviceId }))));

  await run({ operation: 'list', ...https }, () =>
    withDevice(async (deviceId) => {
      const ids = (await registry.list()).responseBody.map((one) => one.deviceId);
      if (!ids.includes(deviceId)) throw new Error(`${deviceId} is not among ${ids}`);
    }));

  await run({ operation: 'addDevices, updateDevices, removeDevices', ...https }, async () => {
    const devices = [1, 2, 3].map(() => ({ deviceId: `node-bulk-${mark()}` }));
    expect((await registry.addDevices(devices)).responseBody.isSuccessful, true);
    const again = JSON.parse(await refusedWith(400, () => registry.addDevices(devices.slice(0, 1))));
    expect([again.isSuccessful, again.errors[0].errorCode], [false, 'DeviceAlreadyExists']);
    const disabled = devices.map((one) => ({ ...one, status: 'disabled' }));
    expect((await registry.updateDevices(disabled, true)).responseBody.isSuccessful, true);
    const { etag, status } = (await registry.get(devices[0].deviceId)).responseBody;
    expect(status, 'disabled');
    await refusedWith(400, () => registry.removeDevices([{ ...devices[0], etag: 'b2xk' }], false));
    expect((await registry.removeDevices([{ ...devices[0], etag }], false)).responseBody.isSuccessful, true);
    expect((await registry.removeDevices(devices.slice(1), true)).responseBody.isSuccessful, true);
  });

  await run({ operation: 'addModule, getModule, getModulesOnDevice, updateModule, removeModule', ...https }, () =>
    withDevice(async (deviceId) => {
      const made = (await registry.addModule({ deviceId, moduleId: 'm1', managedBy: 'iotEdge' })).responseBody;
      await registry.addModule({ deviceId, moduleId: 'm2' });
      expect((await registry.getModulesOnDevice(deviceId)).responseBody.map((one) => one.moduleId), ['m1', 'm2']);
      const updated = (await registry.updateModule({ ...made, managedBy: 'other' })).responseBody;
      expect([updated.managedBy, (await registry.getModule(deviceId, 'm1')).responseBody.etag], ['other', updated.etag]);
      // With a module and no callback, this SDK fails by itself.
      const removed = () => new Promise((resolve, reject) => {
        registry.removeModule(made, (e) => (e ? reject(e) : resolve()));
      });
      await refused('InvalidEtagError', removed);
      await refused('DeviceAlreadyExistsError', () => registry.addModule({ deviceId, moduleId: 'm1' }));
      await registry.removeModule(deviceId, 'm1');
      await refusedWith(404, () => registry.getModule(deviceId, 'm1'));
    }));

  await run({ operation: 'getRegistryStatistics', ...https }, async () => {
    const before = (await registry.getRegistryStatistics()).responseBody;
    await withDevice(async () => {
      const after = (await registry.getRegistryStatistics()).responseBody;
      expect(after.totalDeviceCount, before.totalDeviceCount + 1);
    });
  });

  await run({ operation: 'getTwin, updateTwin, Twin.get, Twin.update', ...https }, () =>
    withDevice(async (deviceId) => {
      const first = (await registry.getTwin(deviceId)).responseBody;
      expect([first.etag, first.version, first.tags], ['AAAAAAAAAAE=', 1, {}]);
      const patch = { tags: { site: 'a1' }, properties: { desired: { interval: 60 } } };
      const second = (await registry.updateTwin(deviceId, patch, first.etag)).responseBody;
      expect([second.tags, second.properties.desired.interval, second.properties.desired.$version], [{ site: 'a1' }, 60, 2]);
      await refused('InvalidEtagError', () => registry.updateTwin(deviceId, patch, first.etag));
      await second.update({ tags: { site: null, floor: 2 } });
      await second.get();
      expect(second.tags, { floor: 2 });
      await registry.updateTwin(deviceId, { tags: { floor: 3 } }, '*');
      await refused('ArgumentError', () => registry.updateTwin(deviceId, { properties: { desired: { 'a b': 1 } } }, '*'));
      expect((await registry.getTwin(deviceId)).responseBody.tags, { floor: 3 });
    }));

  await run({ operation: 'getModuleTwin, updateModuleTwin', ...https }, () =>
    withDevice(async (deviceId) => {
      await registry.addModule({ deviceId, moduleId: 'm' });
      const { etag } = (await registry.getModuleTwin(deviceId, 'm')).responseBody;
      const changed = await registry.updateModuleTwin(deviceId, 'm', { properties: { desired: { a: 1 } } }, etag);
      expect([changed.responseBody.moduleId, changed.responseBody.properties.desired.a], ['m', 1]);
    }));

  await run({ operation: 'createQuery: conditions, pages, groups', ...https }, async () => {
    const which = mark();
    const ids = [0, 1, 2, 3, 4].map((number) => `node-query-${which}-${number}`);
    await registry.addDevices(ids.map((deviceId, number) => ({ deviceId, tags: { which, number } })));
    try {
      const query = registry.createQuery(`SELECT * FROM devices WHERE tags.which = '${which}'`, 2);
      const pages = [];
      while (query.hasMoreResults) pages.push((await query.nextAsTwin()).result.map((twin) => twin.deviceId));
      expect(pages, [ids.slice(0, 2), ids.slice(2, 4), ids.slice(4)]);
      const some = registry.createQuery(`SELECT deviceId, tags.number AS number FROM devices
        WHERE STARTSWITH(deviceId, 'node-query-${which}') AND (tags.number IN [1] OR NOT tags.number < 4)`);
      expect(await all(some), [[{ deviceId: ids[1], number: 1 }, { deviceId: ids[4], number: 4 }]]);
      const groups = registry.createQuery(`SELECT status, COUNT() AS n FROM devices WHERE tags.which = '${which}' GROUP BY status`);
      expect(await all(groups), [[{ n: 5, status: 'enabled' }]]);
    } finally {
      await registry.removeDevices(ids.map((deviceId) => ({ deviceId })), true);
    }
  });

  await run({ operation: 'createQuery of modules', ...https }, () =>
    withDevice(async (deviceId) => {
      await registry.addModule({ deviceId, moduleId: 'm' });
      const query = registry.createQuery(`SELECT deviceId, moduleId FROM devices.modules WHERE deviceId = '${deviceId}'`);
      expect(await all(query), [[{ deviceId, moduleId: 'm' }]]);
    }));

  await run({ operation: 'createQuery, what is not understood is refused', ...https }, () =>
    refused('ArgumentError', () => registry.createQuery('SELECT * FROM devices ORDER BY deviceId').next()));

  await run({ operation: 'invokeDeviceMethod', ...https }, () =>
    use(Client.fromConnectionString(deviceString, Mqtt), async (client) => {
      client.onDeviceMethod('reboot', (request, response) => response.send(207, { echo: request.payload }, () => {}));
      const call = { methodName: 'reboot', payload: { in: ['Zähler'] }, connectTimeoutInSeconds: 5, responseTimeoutInSeconds: 10 };
      const { result } = await service.invokeDeviceMethod(parts.DeviceId, call);
      expect([result.status, result.payload], [207, { echo: { in: ['Zähler'] } }]);
    }));

  await run({ operation: 'invokeDeviceMethod, device not online: 404103', ...https }, () =>
    withDevice(async (deviceId) => {
      const body = await refusedWith(404, () => service.invokeDeviceMethod(deviceId, { methodName: 'reboot' }));
      expect(JSON.parse(JSON.parse(body).Message).errorCode, 404103);
    }));

  await run({ operation: 'invokeDeviceMethod of a module not online: 404103', ...https }, () =>
    withDevice(async (deviceId) => {
      await registry.addModule({ deviceId, moduleId: 'm' });
      const body = await refusedWith(404, () => service.invokeDeviceMethod(deviceId, 'm', { methodName: 'reboot' }));
      expect(JSON.parse(JSON.parse(body).Message).errorCode, 404103);
    }));

  await run({ operation: 'JobClient: scheduleTwinUpdate, getJob, createQuery, query of devices.jobs', ...https }, () =>
    withDevice(async (deviceId) => {
      const jobId = `node-job-${mark()}`;
      const patch = { etag: '*', tags: { by: jobId }, properties: { desired: { by: jobId } } };
      const made = (await jobs.scheduleTwinUpdate(jobId, `deviceId = '${deviceId}'`, patch, new Date(), 30)).jobStatus;
      expect([made.jobId, made.type], [jobId, 'scheduleUpdateTwin']);
      const done = await ended(jobId);
      expect([done.status, done.deviceJobStatistics.succeededCount], ['completed', 1]);
      expect((await registry.getTwin(deviceId)).responseBody.tags, { by: jobId });
      const found = (await all(jobs.createQuery('scheduleUpdateTwin', 'completed'))).flat();
      if (!found.some((one) => one.jobId === jobId)) throw new Error(`${jobId} is not among ${found.map((one) => one.jobId)}`);
      const rows = await all(registry.createQuery(`SELECT * FROM devices.jobs WHERE devices.jobs.jobId = '${jobId}'`));
      expect(rows.flat().map((row) => [row.deviceId, row.status]), [[deviceId, 'completed']]);
    }));

  await run({ operation: 'JobClient: scheduleDeviceMethod', ...https }, () =>
    use(Client.fromConnectionString(deviceString, Mqtt), async (client) => {
      client.onDeviceMethod('reboot', (request, response) => response.send(200, { echo: request.payload }, () => {}));
      await client.getTwin();
      const jobId = `node-job-${mark()}`;
      const call = { methodName: 'reboot', payload: 'now', responseTimeoutInSeconds: 10 };
      await jobs.scheduleDeviceMethod(jobId, `deviceId IN ['${parts.DeviceId}']`, call, new Date(), 30);
      expect((await ended(jobId)).deviceJobStatistics.succeededCount, 1);
      const rows = await all(registry.createQuery(`SELECT * FROM devices.jobs WHERE jobId = '${jobId}'`));
      expect(rows.flat()[0].outcome.deviceMethodResponse, { payload: { echo: 'now' }, status: 200 });
    }));

  await run({ operation: 'JobClient: cancelJob', ...https }, async () => {
    const jobId = `node-job-${mark()}`;
    const later = new Date(Date.now() + 3600000);
    await jobs.scheduleTwinUpdate(jobId, "deviceId = 'nobody'", { tags: {} }, later, 30);
    expect((await jobs.getJob(jobId)).jobStatus.status, 'scheduled');
    expect((await jobs.cancelJob(jobId)).jobStatus.status, 'cancelled');
    await refusedWith(404, () => jobs.getJob('no-such-job'));
    await refusedWith(400, () => jobs.scheduleTwinUpdate(`${jobId}-2`, 'deviceId LIKE x', { tags: {} }, later, 30));
  });

  await run({ operation: 'a wrong key is refused', ...https }, () => {
    const wrong = owner.replace(/SharedAccessKey=.*/, `SharedAccessKey=${keys.primaryKey}`);
    return refused('UnauthorizedError', () => Registry.fromConnectionString(wrong).list());
  });

  for (const [operation, call, reason] of declined()) {
    await run({ operation, ...https, declined: reason }, () => refusedWith(501, call));
  }

  await run({ operation: "every operation of the SDK's REST clients was called", ...https }, () => {
    const left = [...offered].filter((name) => !called.has(name));
    if (left.length) throw new Error(`the SDK offers ${left.join(', ')}, too`);
  });
}

main().then(() => process.exit(0));
