// Headless Chromium on the hub's page, and what a page must never do: ask elsewhere, complain, run a device's words.
'use strict';

const path = require('path');
const { chromium } = require('playwright-core');

const home = process.env.HUB_CONTROL;
const pictures = process.env.PICTURES;

const sizes = { desktop: { width: 1360, height: 850 }, phone: { width: 390, height: 844 } };

/** Opens the page; gives it with `faults`, the list of what it must not do. */
async function open() {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync'],
  });
  const page = await browser.newPage({ viewport: sizes.desktop });
  // A busy machine is no fault of the page.
  page.setDefaultTimeout(30000);
  const faults = [];
  page.on('pageerror', (error) => faults.push(`a script failed: ${error.message}`));
  page.on('console', (message) => {
    // A call that the hub refuses is logged by the browser itself; it is part of the test.
    const refused = message.text().startsWith('Failed to load resource');
    if (['error', 'warning'].includes(message.type()) && !refused) faults.push(`the console says: ${message.text()}`);
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(`${home}/`)) faults.push(`the page asks ${request.url()}`);
  });
  page.on('dialog', (dialog) => {
    faults.push(`a device's words were run: ${dialog.message()}`);
    dialog.dismiss();
  });
  await page.goto(`${home}/`);
  return { browser, page, faults };
}

/** A picture of what is on show: wide and narrow, light and dark. */
async function picture(page, name) {
  for (const [size, viewport] of Object.entries(sizes)) {
    await page.setViewportSize(viewport);
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await page.screenshot({ path: path.join(pictures, `${name}-${size}-${colorScheme}.png`) });
      const wider = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      if (wider > 0) throw new Error(`${name} is ${wider} pixels wider than a ${size}`);
    }
  }
  await page.setViewportSize(sizes.desktop);
}

/** What has no name for who does not see it. */
function unnamed(page) {
  return page.evaluate(() =>
    [...document.querySelectorAll('input, select, textarea, button, a')]
      .filter((element) => element.checkVisibility())
      .filter((element) => !(element.labels?.length || element.getAttribute('aria-label') || element.textContent.trim()))
      .map((element) => element.outerHTML.slice(0, 120)));
}

module.exports = { home, open, picture, unnamed };
