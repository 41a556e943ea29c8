// The emulated hub's page in Chromium, and a device of Microsoft's SDK at the other end.
//
//   HUB_CONTROL  the page's address       HUB_DEVICE  connection string of a device     HUB_CA  the authority, PEM
//   CHROMIUM     the browser's program    PICTURES    where pictures go
'use strict';

const fs = require('fs');
const assert = require('assert/strict');
const { NoRetry } = require('azure-iot-common');
const { Client, Message, ModuleClient } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');
const { home, open, picture, unnamed } = require('./browser');

const text = process.env.HUB_DEVICE;
const id = /DeviceId=([^;]+)/.exec(text)[1];
/** What would run if the page took a device's words for HTML, or for an address. */
const hostile = `<img src=x onerror="alert('body')"><script>alert('body')</script>`;
const oddId = "x'%3Cb%3E#?=$@(odd)";

/** Does a step and says that it held. */
async function step(name, work) {
  const began = Date.now();
  await work();
  console.log(`  ${name} (${Date.now() - began} ms)`);
}

/** What one event brings, as a promise. */
const once = (emitter, event) => new Promise((resolve) => emitter.once(event, resolve));

async function main() {
  const { browser, page, faults } = await open();
  const device = Client.fromConnectionString(text, Mqtt);
  device.setRetryPolicy(new NoRetry());
  await device.setOptions({ ca: fs.readFileSync(process.env.HUB_CA, 'utf8') });
  const rows = page.locator('#device-list li');
  const main = page.locator('main');
  const tab = async (name, of = id) => {
    await page.locator('#device-list a').filter({ hasText: of }).first().click();
    await page.getByRole('navigation', { name: `Parts of ${of}` }).getByRole('link', { name }).click();
  };
  const view = (name) => page.getByRole('navigation', { name: 'Views' }).getByRole('link', { name }).click();
  const result = (label) => main.locator('form').filter({ has: page.getByRole('button', { name: label }) }).locator('output');

  await step('devices are listed, and an empty hub says what to do', async () => {
    await rows.filter({ hasText: id }).filter({ hasText: 'not connected' }).waitFor();
    await main.getByText('Nothing has arrived yet.').waitFor();
    await main.getByText('mqtts://').waitFor();
    await picture(page, 'empty');
  });

  await step('the first stop of the keyboard leads past the list', async () => {
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'skip');
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
  });

  await step('a device that connects is shown as connected', async () => {
    await device.open();
    await rows.filter({ hasText: id }).filter({ hasText: /^connected/ }).waitFor();
  });

  await step('a message appears as it arrives, and its words stay words', async () => {
    const message = new Message(JSON.stringify({ Wh: 12.30, note: hostile }));
    message.messageId = 'm-7';
    message.contentType = 'application/json';
    message.contentEncoding = 'utf-8';
    message.properties.add('site', hostile);
    await device.sendEvent(message);
    const row = page.getByRole('list', { name: 'Messages, newest first' }).locator('li').filter({ hasText: id });
    await row.locator('summary').click();
    await row.getByText(hostile.replaceAll('"', '\\"')).last().waitFor();
    assert.equal(await row.locator('.facts dd').getByText(hostile, { exact: true }).count(), 1);
    assert.equal(await main.locator('img, script').count(), 0);
    // Digits stay as they were sent: 12.3 is what the SDK's JSON made of 12.30.
    await row.locator('.json .number').getByText('12.3').waitFor();
    await device.sendEvent(new Message(Buffer.from([0, 255, 1, 254])));
    await main.getByText('base64 AP8B/g==').waitFor();
    await main.getByText('2 in the last minute').waitFor();
  });

  await step('a direct method is answered by the device', async () => {
    device.onDeviceMethod('read', (request, response) =>
      response.send(200, { got: request.payload, note: hostile }, () => {}));
    await tab('Direct method');
    await page.getByLabel('Method', { exact: true }).fill('read');
    await page.getByLabel('Payload, JSON').fill('{"register":');
    await page.getByRole('button', { name: 'Call' }).click();
    await result('Call').getByText('The payload is not JSON').waitFor();
    await page.getByLabel('Payload, JSON').fill('{"register": 42}');
    await page.getByRole('button', { name: 'Call' }).click();
    await result('Call').getByText('The device answered 200').waitFor();
    await main.locator('.calls').getByText('"register"').waitFor();
    await picture(page, 'method');
  });

  await step('a desired change reaches the device, and what it reports is shown', async () => {
    const twin = await new Promise((resolve, reject) => device.getTwin((e, twin) => (e ? reject(e) : resolve(twin))));
    await tab('Twin');
    // The SDK calls its listener with what is desired already, then with each change.
    const told = new Promise((resolve) => twin.on('properties.desired', (change) => change.interval && resolve(change)));
    await page.locator('[data-change="desired"] textarea').fill('{"interval": 60, "odd": "</script>"}');
    await page.getByRole('button', { name: 'Change desired' }).click();
    await result('Change desired').getByText('Changed').waitFor();
    assert.equal((await told).interval, 60);
    await new Promise((resolve, reject) =>
      twin.properties.reported.update({ firmware: '1.4.2', note: hostile }, (e) => (e ? reject(e) : resolve())));
    await main.locator('.json').getByText('"1.4.2"').waitFor();
    await page.locator('[data-change="tags"] textarea').fill('{"site": "cellar"}');
    await page.getByRole('button', { name: 'Change tags' }).click();
    await main.locator('.json').getByText('"cellar"').waitFor();
    await page.locator('[data-change="tags"] textarea').fill('7');
    await page.getByRole('button', { name: 'Change tags' }).click();
    await result('Change tags').getByText('tags is no JSON object').waitFor();
    await picture(page, 'twin');
  });

  await step('a cloud-to-device message arrives, and is shown as settled', async () => {
    const coming = once(device, 'message');
    await tab('Cloud to device');
    await page.getByLabel('Body').fill('Zähler\n2');
    await page.getByLabel('Application properties').fill('site=a1\nodd=b=c');
    await page.getByLabel('Message id').fill('m-1');
    await page.getByRole('button', { name: 'Send', exact: true }).click();
    await result('Send').getByText('Sent as number').waitFor();
    const message = await coming;
    assert.equal(message.getData().toString(), 'Zähler\n2');
    assert.equal(message.messageId, 'm-1');
    assert.equal(message.properties.getValue('odd'), 'b=c');
    await device.complete(message);
    await main.locator('tr').filter({ hasText: 'm-1' }).filter({ hasText: 'Success' }).waitFor();
    await picture(page, 'devicebound');
  });

  await step('a device is added, disabled and removed, however it is called', async () => {
    await page.getByRole('button', { name: 'Add…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Device id').fill('not an id');
    await dialog.getByRole('button', { name: 'Add' }).click();
    await dialog.getByText('a device id has').waitFor();
    await dialog.getByLabel('Device id').fill(oddId);
    await dialog.getByRole('button', { name: 'Add' }).click();
    await page.getByRole('heading', { name: oddId }).waitFor();
    await page.getByRole('button', { name: 'Show' }).click();
    assert.match(await page.getByLabel('Connection string').inputValue(), /^HostName=.*;SharedAccessKey=/);
    await page.getByRole('button', { name: 'Disable' }).click();
    await rows.filter({ hasText: oddId }).filter({ hasText: 'disabled' }).waitFor();
    await page.getByRole('button', { name: 'Enable' }).click();
    await rows.filter({ hasText: oddId }).filter({ hasText: 'not connected' }).waitFor();
    await tab('Twin', oddId);
    await main.getByText('Nothing yet').first().waitFor();
    await page.getByRole('button', { name: 'Remove…' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
    await rows.filter({ hasText: oddId }).waitFor({ state: 'detached' });
  });

  await step('a module is shown beside its device, and so are its messages', async () => {
    const path = `${home}/devices/${encodeURIComponent(id)}/modules/reader`;
    const request = { method: 'PUT', headers: { 'content-type': 'application/json' }, body: '{}' };
    const made = await (await fetch(path, request)).json();
    const module = ModuleClient.fromConnectionString(made.connectionString, Mqtt);
    module.setRetryPolicy(new NoRetry());
    await module.setOptions({ ca: fs.readFileSync(process.env.HUB_CA, 'utf8') });
    await module.open();
    await tab('Identity');
    await main.locator('li').filter({ hasText: 'reader' }).getByText('connected', { exact: true }).waitFor();
    await module.sendEvent(new Message('"of the module"'));
    await tab('Messages');
    await main.locator('summary').filter({ hasText: `${id}/reader` }).first().waitFor();
    await module.close();
    await tab('Identity');
    await main.locator('li').filter({ hasText: 'reader' }).getByText('not connected').waitFor();
    await fetch(path, { method: 'DELETE' });
    await main.locator('li').filter({ hasText: 'reader' }).waitFor({ state: 'detached' });
  });

  await step('a fault is armed and taken back', async () => {
    await view('Faults');
    await page.getByLabel('What goes wrong').selectOption('delay');
    await page.getByLabel('Milliseconds').fill('250');
    await page.getByLabel('Device', { exact: true }).fill('nobody');
    await page.getByRole('button', { name: 'Arm' }).click();
    await main.locator('tr').filter({ hasText: '{"delay":250}' }).filter({ hasText: 'nobody' }).waitFor();
    await picture(page, 'faults');
    await page.getByRole('button', { name: 'Take all back' }).click();
    await main.locator('tr').filter({ hasText: 'nobody' }).waitFor({ state: 'detached' });
  });

  await step('enrolments are shown', async () => {
    await view('Provisioning');
    await main.locator('tr').filter({ hasText: 'meters' }).filter({ hasText: 'enabled' }).waitFor();
    await picture(page, 'provisioning');
  });

  await step('a closed connection is shown with its reason', async () => {
    await tab('Identity');
    await page.getByRole('button', { name: 'Disable' }).click();
    await rows.filter({ hasText: id }).filter({ hasText: 'disabled' }).waitFor();
    await view('Closed connections');
    await main.locator('tr').filter({ hasText: id }).filter({ hasText: 'the device was disabled' }).waitFor();
    await picture(page, 'closed');
  });

  await step('every part has a name for who does not see it', async () => {
    for (const name of ['messages', 'twin', 'methods', 'devicebound', 'identity']) {
      await page.goto(`${home}/#/devices/${id}/${name}`);
      await main.getByRole('heading', { level: 1, name: id }).waitFor();
      assert.deepEqual(await unnamed(page), []);
    }
    await picture(page, 'identity');
    for (const name of ['faults', 'closed', 'provisioning', 'messages']) {
      await page.goto(`${home}/#/${name}`);
      await page.locator(`#views a[data-view="${name}"][aria-current="page"]`).waitFor();
      assert.deepEqual(await unnamed(page), []);
    }
    await main.locator('summary').first().click();
    await picture(page, 'messages');
  });

  assert.deepEqual(faults, []);
  await browser.close();
  await device.close().catch(() => {});
}

main().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
