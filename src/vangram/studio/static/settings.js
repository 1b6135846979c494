// "More": every setting that has no control of its own above, in the recipe's groups.

import { get } from "./api.js";
import { on } from "./bus.js";
import { el, iconButton, button } from "./dom.js";
import { field } from "./fields.js";
import * as form from "./form.js";
import { sentence, words } from "./say.js";

const LONGEST = 12; // letters of a default in words that a narrow field shows
const ELSEWHERE = new Set(["size", "blend"]); // above, and among the paintings

export function more() {
  const count = el("span", { class: "count" });
  const networks = el("datalist", { id: "networks" });
  const groups = el("div", { class: "groups" });
  const clear = button("Reset everything", form.clear, { sign: "reset", kind: "plain small" });
  const node = el("details", { class: "more", id: "more" }, el("summary", {}, "More", count), groups, clear, networks);
  let rows = [];
  let built = null;

  function build() {
    const shown = form.properties().filter(([name]) => !ELSEWHERE.has(name));
    built = shown.map(([name]) => name).join();
    rows = [];
    groups.replaceChildren(...form.told.groups.map((group) => {
      const own = shown.filter(([, schema]) => schema.group === group).map(([name, schema]) => row(name, schema));
      rows.push(...own);
      return own.length ? el("fieldset", {}, el("legend", {}, group), own.map((each) => each.node)) : "";
    }));
  }

  function refresh() {
    if (built !== form.properties().map(([name]) => name).filter((name) => !ELSEWHERE.has(name)).join()) build();
    for (const each of rows) each.refresh();
    const changed = rows.filter((each) => form.isChanged(each.name)).length;
    count.textContent = changed ? `${changed} changed` : "";
    clear.hidden = !changed;
  }

  build();
  refresh();
  on("form", refresh);
  on("refused", (message) => { for (const each of rows) each.refuse(message); });
  get("/networks").then((found) => {
    networks.append(...found.networks.filter((each) => each.here).map((each) => el("option", { value: each.name })));
  }).catch(() => {}); // the names are only proposed
  return node;
}

// Help, with what stands between backticks as code.
const help = (text) => text.split("`").map((part, index) => (index % 2 ? el("code", {}, part) : part));

// One setting: label, control, help, reset.
function row(name, schema) {
  const id = `setting-${name}`;
  const error = el("p", { class: "bad tiny", id: `${id}-error`, hidden: true });
  const control = field(name, schema, {
    id, describedby: `${id}-help ${id}-error`, list: name === "network" ? "networks" : null,
    onvalue: (value) => form.set(name, value),
    onerror: (message) => refuse(message && `${name} ${message}`),
  });
  const input = control.input ?? control.node;
  const back = iconButton("reset", `Reset ${words(name)}`, () => { form.reset(name); refresh(true); input.focus(); }, { kind: "plain small" });
  const unit = schema.unit && schema.unit !== "bytes" ? ` (${schema.unit})` : "";
  const wide = schema.type === "object" || schema.type === "array" || schema.anyOf?.[0].type === "array" || schema.unset?.length > LONGEST;
  const node = el("div", { class: `setting ${wide ? "wide" : ""}` },
    el("label", { for: id }, words(name) + unit), back, control.node,
    el("p", { class: "quiet tiny", id: `${id}-help` }, help(schema.description)), error);

  function refuse(message) {
    const mine = message?.startsWith(`${name} `);
    error.hidden = !mine;
    error.textContent = mine ? sentence(message) : "";
    if (mine) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  }

  function refresh(anyway = false) {
    if (anyway) input.blur();
    control.show(form.value(name));
    back.hidden = !form.isChanged(name);
    node.classList.toggle("changed", form.isChanged(name));
  }

  if (name === "init") { // from a picture only where one is given
    const option = [...input.options].find((each) => each.value === "picture");
    on("form", () => { option.hidden = option.disabled = !form.form.start; });
    option.hidden = option.disabled = !form.form.start;
  }
  return { name, node, refresh, refuse };
}
