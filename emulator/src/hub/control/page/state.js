// What is known of the hub. Read every two seconds; messages come by themselves.

import { ask, messages } from "./hub.js";

/** How many messages the page keeps. */
export const KEPT = 500;

const PAUSE_MS = 2000;

export const state = {
  /** Name, addresses, tier and limits; `null` until they are known. */
  hub: null,
  /** The devices by id, in order. */
  devices: new Map(),
  /** Counters of the hub and, below `devices`, of each device. */
  stats: null,
  /** The last messages, newest first. */
  messages: [],
  /** How many arrived in each of the last 60 seconds, oldest first. */
  rate: new Array(60).fill(0),
  /** Whether messages come in at this moment. */
  live: false,
  /** Why the last poll failed, in words; `null` if it did not. */
  trouble: null,
};

const changes = new EventTarget();
let scheduled = false;

/** Calls `handler` after each change, at most once a frame. */
export function watch(handler) {
  changes.addEventListener("change", handler);
}

/** Says that something has changed. */
export function changed() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    changes.dispatchEvent(new Event("change"));
  });
}

/** Reads devices and counters. */
export async function refresh() {
  try {
    const [devices, stats] = await Promise.all([ask("GET", "/devices"), ask("GET", "/stats")]);
    state.hub ??= await ask("GET", "/hub");
    state.devices = new Map(devices.map((device) => [device.id, device]));
    state.stats = stats;
    state.trouble = null;
  } catch (error) {
    state.trouble = error.message;
  }
  changed();
}

/** Reads for as long as the page is open; `besides` is what the view on show needs. */
export async function poll(besides) {
  for (;;) {
    const began = performance.now();
    if (!document.hidden) {
      await refresh();
      await besides();
    }
    // A hub with very many devices is not kept busy by who looks at it.
    const took = performance.now() - began;
    await new Promise((resolve) => setTimeout(resolve, Math.max(PAUSE_MS, 5 * took)));
  }
}

/** Takes messages for as long as the page is open; after a break it goes on where it was. */
export async function listen() {
  for (;;) {
    try {
      const last = state.messages[0]?.number ?? 0;
      for await (const batch of messages(last, KEPT)) {
        state.live = true;
        take(batch);
      }
    } catch {
      // The hub is gone, or was never there: told by `live`.
    }
    state.live = false;
    changed();
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

/** Lets the rate move on, every second. */
export function tick() {
  state.rate.push(0);
  state.rate.shift();
  changed();
}

let began = false;

function take(batch) {
  // What was kept before the page was opened did not arrive now.
  if (began) state.rate[state.rate.length - 1] += batch.length;
  if (batch.length) began = true;
  const newest = batch.slice(-KEPT).reverse();
  // A hub that was started anew counts from 1 again.
  if (newest.length && state.messages.length && newest[0].number <= state.messages[0].number) state.messages = [];
  state.messages = [...newest, ...state.messages].slice(0, KEPT);
  changed();
}
