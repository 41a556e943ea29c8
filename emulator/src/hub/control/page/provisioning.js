// The Device Provisioning Service: enrolments, and who has registered.

import { el, table } from "./dom.js";
import { count, time } from "./format.js";
import { ask, device } from "./hub.js";

/** Enrolments and registrations. */
export function provisioning() {
  const place = el("div");
  let before = null;
  const refresh = async () => {
    const dps = await ask("GET", "/dps").catch((error) => ({ error: error.message, status: error.status }));
    const text = JSON.stringify(dps);
    if (text === before) return;
    before = text;
    place.replaceChildren(...(dps.error ? [nothing(dps)] : parts(dps)));
  };
  return { node: el("div", {}, el("h1", {}, "Provisioning"), place), refresh, title: "Provisioning" };
}

const nothing = ({ status, error }) => el("p", { class: "empty" }, status === 404 ? "This hub has no provisioning service." : error);

function parts({ idScope, groups = [], individuals = [], registrations = [] }) {
  return [
    el("dl", { class: "facts" }, el("dt", {}, "Id scope"), el("dd", {}, idScope)),
    el("h2", {}, "Enrolments"),
    groups.length + individuals.length
      ? table("Enrolments", ["Enrolment", "Kind", "State", "Proof", "More"], [
          ...groups.map((group) => [group.id, "group", able(group), group.attestation, others(group)]),
          ...individuals.map((own) => [own.registrationId, "individual", able(own), own.attestation, others(own)]),
        ])
      : el("p", { class: "quiet" }, "None"),
    el("h2", {}, `Registrations${registrations.length ? ` (${count(registrations.length)})` : ""}`),
    registrations.length
      ? table("Registrations", ["Registration", "Device", "Status", "Through", "Asked", "Updated (UTC)", "Payload"],
          registrations.map((one) => [
            one.registrationId,
            one.deviceId ? el("a", { href: `#${device(one.deviceId)}` }, one.deviceId) : null,
            one.status, one.group ?? "own enrolment", `${count(one.requests)}×`, time(one.updated),
            one.payload === null || one.payload === undefined ? null : el("code", {}, JSON.stringify(one.payload)),
          ]))
      : el("p", { class: "quiet" }, "No device has registered yet."),
  ];
}

const able = ({ enabled }) => (enabled ? "enabled" : "disabled");

/** What else is told of an enrolment, whatever it is. */
function others({ id, registrationId, enabled, attestation, ...rest }) {
  const told = Object.entries(rest).filter(([, value]) => value !== null && value !== undefined);
  if (told.length === 0) return null;
  return told.map(([name, value]) => `${name}: ${typeof value === "object" ? JSON.stringify(value) : value}`).join(", ");
}
