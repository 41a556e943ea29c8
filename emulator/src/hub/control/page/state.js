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

/** Takes messages for as long as the page is open. After a break it begins anew: the hub may be another one by then. */
export async function listen() {
  for (;;) {
    try {
      for await (const batch of messages(KEPT)) {
        if (!state.live) {
          state.messages = [];
          state.rate.fill(0);
        }
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

function take(batch) {
  const now = Date.now();
  for (const message of batch) {
    const ago = Math.max(0, Math.floor((now - Date.parse(message.at)) / 1000));
    if (ago < state.rate.length) state.rate[state.rate.length - 1 - ago] += 1;
  }
  state.messages = [...batch.slice(-KEPT).reverse(), ...state.messages].slice(0, KEPT);
  changed();
}
