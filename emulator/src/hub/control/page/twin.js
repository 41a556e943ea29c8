// A device's twin: what it says it is, what it is to be, and tags.

import { el, field, say } from "./dom.js";
import { code, form, json } from "./form.js";
import { value } from "./format.js";
import { ask, device } from "./hub.js";

/** The twin of one device. */
export function twin(id) {
  const reported = part("Reported by the device");
  const desired = part("Desired");
  const tags = part("Tags");
  const show = (whole) => {
    reported.show(whole.properties.reported);
    desired.show(whole.properties.desired);
    tags.show(whole.tags ?? {});
  };
  const change = (name, label, example, told) => {
    const text = code({ placeholder: example });
    const send = async () => {
      const patch = json(text.value, "The change", undefined);
      if (patch === undefined) throw new Error("Say what to change: a JSON object, merged into what is there");
      show(await ask("PATCH", device(id, "/twin"), { [name]: patch }));
      return told;
    };
    return form(label, field(`Change, merged; null removes a member`, text), send, { "data-change": name });
  };
  desired.node.append(change("desired", "Change desired", '{"interval": 60}', "Changed; a connected device is told"));
  tags.node.append(change("tags", "Change tags", '{"site": "cellar"}', "Changed"));
  const node = el("div", { class: "columns three" }, reported.node, desired.node, tags.node);
  return { node, title: "Twin", refresh: async () => show(await ask("GET", device(id, "/twin"))) };
}

function part(name) {
  const version = el("span", { class: "chip" });
  const place = el("div");
  const node = el("section", { class: "card" }, el("div", { class: "bar" }, el("h2", {}, name), version), place);
  let before = null;
  const show = ({ $version, $metadata, ...members }) => {
    version.hidden = $version === undefined;
    say(version, `version ${$version}`);
    const text = JSON.stringify(members);
    if (text === before) return;
    before = text;
    const none = Object.keys(members).length === 0;
    place.replaceChildren(none ? el("p", { class: "quiet" }, "Nothing yet") : value(members));
  };
  return { node, show };
}
