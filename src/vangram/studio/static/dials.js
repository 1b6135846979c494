// The few controls that everybody uses: strength, presets, size.

import { on } from "./bus.js";
import { el, segments } from "./dom.js";
import { field } from "./fields.js";
import * as form from "./form.js";
import { kindName, sentence, short } from "./say.js";

const STEPS = 100; // of the dial, which is logarithmic

export function kinds() {
  const node = el("div", {});
  let shown = null;
  const draw = () => {
    if (shown === form.form.kind) return;
    shown = form.form.kind;
    const options = Object.keys(form.told.kinds).filter((kind) => kind !== "sweep").map((kind) => [kind, kindName(kind)]);
    node.replaceChildren(segments("kind", "What to make", options, shown, (kind) => { shown = kind; form.change({ kind }); }));
  };
  draw();
  on("form", draw);
  return node;
}

export function strength() {
  const { minimum, maximum, default: standard } = form.told.strength;
  const at = (value) => Math.round((STEPS * Math.log(value / minimum)) / Math.log(maximum / minimum));
  const value = (place) => Number((minimum * (maximum / minimum) ** (place / STEPS)).toPrecision(3));
  const dial = el("input", {
    type: "range", id: "strength", min: 0, max: STEPS,
    oninput: () => {
      delete form.form.changed.style_weight;
      const to = value(dial.value);
      form.change({ strength: to === standard ? null : to });
    },
    ondblclick: () => form.change({ strength: null }),
  });
  const said = el("output", { class: "number", for: "strength" });
  const node = el("div", { class: "dial" },
    el("div", { class: "row spread" }, el("label", { for: "strength" }, "Strength"), said),
    dial, el("div", { class: "row spread tiny quiet", "aria-hidden": "true" }, el("span", {}, "more photograph"), el("span", {}, "more painting")));
  const draw = () => {
    node.hidden = !(form.takes("content") && form.takes("style"));
    const own = form.isChanged("style_weight");
    const now = form.form.strength ?? standard;
    if (document.activeElement !== dial || form.form.strength === null) dial.value = at(now);
    said.textContent = own ? "set by style weight" : `${short(now)}×`;
    dial.setAttribute("aria-valuetext", said.textContent);
  };
  draw();
  on("form", draw);
  return node;
}

export function size() {
  const schema = form.told.schema.properties.size;
  const error = el("p", { class: "bad tiny", id: "size-error", hidden: true });
  const refuse = (message) => {
    error.hidden = !message;
    error.textContent = sentence(message ?? "");
    if (message) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  };
  const control = field("size", schema, {
    id: "size", describedby: "size-help size-error",
    onvalue: (to) => form.set("size", to),
    onerror: (message) => refuse(message && `size ${message}`),
  });
  const { input } = control;
  const sizes = [0.5, 1, 2, 4, 8].map((times) => times * schema.default);
  const choices = el("div", { class: "sizes", role: "group", "aria-label": "Usual sizes" }, sizes.map((each) =>
    el("button", { type: "button", class: "small number", value: each, onclick: () => { input.value = each; form.set("size", each); refuse(null); } }, String(each))));
  const node = el("div", { class: "dial" },
    el("div", { class: "row spread" }, el("label", { for: "size" }, "Size"), el("span", { class: "quiet tiny", id: "size-help" }, schema.description)),
    el("div", { class: "row" }, choices, el("div", { class: "unit" }, control.node, el("span", { class: "quiet tiny", "aria-hidden": "true" }, schema.unit))), error);
  const draw = () => {
    control.show(form.value("size"));
    for (const each of choices.children) each.setAttribute("aria-pressed", String(Number(each.value) === form.value("size")));
  };
  draw();
  on("form", draw);
  on("refused", (message) => refuse(message?.startsWith("size ") ? message : null));
  return node;
}
