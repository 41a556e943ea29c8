// azure-iot-provisioning-service: enrolments are written, and a device registers by one of them. report.js says what it prints.
//
//   DPS_SERVICE            connection string of the service's owner
//   DPS_HOST, DPS_ID_SCOPE the service and its scope
'use strict';

const crypto = require('crypto');

const { ProvisioningServiceClient } = require('azure-iot-provisioning-service');
const { Http } = require('azure-iot-provisioning-device-http');
const { ProvisioningDeviceClient } = require('azure-iot-provisioning-device');
const { SymmetricKeySecurityClient } = require('azure-iot-security-symmetric-key');
const { ask } = require('./control');
const { mark, run } = require('./report');

const over = { sdk: 'azure-iot-provisioning-service', transport: 'HTTPS' };
const id = `own-${mark()}`;
const group = `group-${mark()}`;
const key = () => crypto.randomBytes(32).toString('base64');

function equal(found, expected) {
  if (JSON.stringify(found) !== JSON.stringify(expected)) {
    throw new Error(`${JSON.stringify(found)}, not ${JSON.stringify(expected)}`);
  }
}

/** Passes when `work` fails with this status. */
async function status(code, work) {
  const failed = await work().then(() => 'accepted', (e) => (e.response ? e.response.statusCode : e));
  if (failed !== code) throw new Error(`${failed}, not ${code}`);
}

/** All items of a query, in pages. */
async function all(query) {
  const found = [];
  do {
    found.push(...(await query.next(query.continuationToken)).responseBody);
  } while (query.hasMoreResults);
  return found;
}

const register = (registration, secret) => ProvisioningDeviceClient.create(
  process.env.DPS_HOST, process.env.DPS_ID_SCOPE, new Http(), new SymmetricKeySecurityClient(registration, secret)).register();

async function main() {
  const client = ProvisioningServiceClient.fromConnectionString(process.env.DPS_SERVICE);
  const [primaryKey, secondaryKey] = [key(), key()];

  await run({ operation: 'createOrUpdateIndividualEnrollment, getIndividualEnrollment', ...over }, async () => {
    await client.createOrUpdateIndividualEnrollment({
      registrationId: id, deviceId: `${id}-device`, provisioningStatus: 'enabled',
      attestation: { type: 'symmetricKey', symmetricKey: { primaryKey, secondaryKey } },
      initialTwin: { tags: { site: 'a1' }, properties: { desired: { interval: 60 } } },
      reprovisionPolicy: { updateHubAssignment: true, migrateDeviceData: true },
    });
    const { responseBody: read } = await client.getIndividualEnrollment(id);
    equal([read.registrationId, read.deviceId, read.initialTwin.tags], [id, `${id}-device`, { site: 'a1' }]);
  });

  await run({ operation: 'getIndividualEnrollmentAttestationMechanism', ...over }, async () => {
    const { responseBody } = await client.getIndividualEnrollmentAttestationMechanism(id);
    equal(responseBody.symmetricKey, { primaryKey, secondaryKey });
  });

  await run({ operation: 'the device registers, getDeviceRegistrationState', ...over }, async () => {
    const assigned = await register(id, primaryKey);
    equal(assigned.deviceId, `${id}-device`);
    const { responseBody: state } = await client.getDeviceRegistrationState(id);
    equal([state.status, state.substatus, state.deviceId], ['assigned', 'initialAssignment', `${id}-device`]);
    const twin = await ask('GET', `/devices/${id}-device/twin`);
    equal([twin.tags.site, twin.properties.desired.interval], ['a1', 60]);
  });

  await run({ operation: 'an update needs the ETag; a disabled enrolment refuses', ...over }, async () => {
    const { responseBody: read } = await client.getIndividualEnrollment(id);
    const changed = { ...read, provisioningStatus: 'disabled' };
    await status(409, () => client.createOrUpdateIndividualEnrollment({ ...changed, etag: undefined }));
    await client.createOrUpdateIndividualEnrollment(changed);
    await status(412, () => client.createOrUpdateIndividualEnrollment(changed));
    const failed = await register(id, primaryKey).then(() => 'accepted', (e) => e.name);
    equal(failed, 'UnauthorizedError');
  });

  await run({ operation: 'createOrUpdateEnrollmentGroup, getEnrollmentGroup, …AttestationMechanism', ...over }, async () => {
    await client.createOrUpdateEnrollmentGroup({
      enrollmentGroupId: group, provisioningStatus: 'enabled',
      attestation: { type: 'symmetricKey', symmetricKey: { primaryKey, secondaryKey } },
    });
    equal((await client.getEnrollmentGroup(group)).responseBody.enrollmentGroupId, group);
    equal((await client.getEnrollmentGroupAttestationMechanism(group)).responseBody.symmetricKey.primaryKey, primaryKey);
  });

  await run({ operation: 'createEnrollmentGroupDeviceRegistrationStateQuery', ...over }, async () => {
    const member = `member-${mark()}`;
    await register(member, crypto.createHmac('sha256', Buffer.from(primaryKey, 'base64')).update(member).digest('base64'));
    const query = client.createEnrollmentGroupDeviceRegistrationStateQuery({ query: 'SELECT *' }, group, 10);
    equal((await all(query)).map((one) => one.registrationId), [member]);
    await client.deleteDeviceRegistrationState(member);
    await status(404, () => client.getDeviceRegistrationState(member));
  });

  await run({ operation: 'runBulkEnrollmentOperation, createIndividualEnrollmentQuery in pages', ...over }, async () => {
    const ids = [1, 2, 3].map((number) => `bulk-${number}-${id}`);
    const enrollments = ids.map((registrationId) => ({ registrationId, attestation: { type: 'symmetricKey' } }));
    // It takes a callback alone.
    const bulk = (mode) => new Promise((resolve, reject) =>
      client.runBulkEnrollmentOperation({ mode, enrollments }, (e, result) => (e ? reject(e) : resolve(result))));
    equal((await bulk('create')).isSuccessful, true);
    const found = await all(client.createIndividualEnrollmentQuery({ query: 'SELECT * FROM enrollments' }, 2));
    equal(found.map((one) => one.registrationId).filter((one) => ids.includes(one)), ids);
    equal((await bulk('delete')).isSuccessful, true);
  });

  await run({ operation: 'createEnrollmentGroupQuery', ...over }, async () => {
    const found = await all(client.createEnrollmentGroupQuery({ query: 'SELECT * FROM enrollmentGroups' }, 1));
    if (!found.some((one) => one.enrollmentGroupId === group)) throw new Error(JSON.stringify(found));
  });

  await run({ operation: 'deleteIndividualEnrollment, deleteEnrollmentGroup', ...over }, async () => {
    await client.deleteIndividualEnrollment(id);
    await client.deleteEnrollmentGroup(group);
    await status(404, () => client.getIndividualEnrollment(id));
    await status(404, () => client.deleteEnrollmentGroup(group));
  });

  await run({ operation: 'a wrong key is refused', ...over }, async () => {
    const wrong = process.env.DPS_SERVICE.replace(/SharedAccessKey=.*/, `SharedAccessKey=${key()}`);
    await status(401, () => ProvisioningServiceClient.fromConnectionString(wrong).getEnrollmentGroup(group));
  });
}

main().then(() => process.exit(0));
