// What is asked for: the pictures given and what differs from the defaults. Kept over a reload.

import { get } from "./api.js";
import { on, tell } from "./bus.js";

const KEPT = "vangram-form";
const FRESH = {
  kind: "stylize", content: null, styles: [], mask: null, style_masks: [], keep: null, start: null, feather: 0,
  preset: "balanced", strength: null, changed: {}, previews: true,
};

export const form = structuredClone(FRESH);
export let told = null; // GET /settings
export let server = null; // GET /

const ids = (value) => (Array.isArray(value) ? value.map((each) => each.id) : (value?.id ?? null));
const INPUTS = ["content", "styles", "mask", "style_masks", "keep", "start"];

export async function load() {
  [told, server] = await Promise.all([get("/settings"), get("")]);
  let kept = {};
  try {
    kept = JSON.parse(localStorage.getItem(KEPT)) ?? {};
  } catch { /* nothing kept, or no storage */ }
  Object.assign(form, Object.fromEntries(Object.entries(kept).filter(([name]) => name in FRESH)));
  await adopt(kept);
  on("form", keep);
}

function keep() {
  const plain = { ...form };
  for (const name of INPUTS) plain[name] = ids(form[name]);
  try {
    localStorage.setItem(KEPT, JSON.stringify(plain));
  } catch { /* no storage: nothing is kept */ }
}

// Take pictures by their ids; those that are gone are left out. The answer is whether all are there.
async function adopt(inputs) {
  let all = true;
  const found = (id) => get(`/pictures/${id}`).catch(() => { all = false; return null; });
  for (const name of INPUTS) {
    const value = inputs[name] ?? FRESH[name];
    if (Array.isArray(value)) form[name] = (await Promise.all(value.map(found))).filter(Boolean);
    else form[name] = value ? await found(value) : null;
  }
  return all;
}

export function change(changes) {
  Object.assign(form, changes);
  if ("styles" in changes) {
    delete form.changed.blend;
    delete form.changed.each_style_layers;
  }
  tell("form", changes);
}

// Settings

export const given = (kind = form.kind) => told.kinds[kind].given;
export const takes = (input, kind = form.kind) => given(kind).includes(input);
const both = (kind = form.kind) => takes("content", kind) && takes("style", kind);

// Settings of the present kind, [name, schema], in their order.
export function properties(kind = form.kind) {
  const here = (need) => takes(need, kind) && (need !== "styles" || form.styles.length > 1);
  return Object.entries(told.schema.properties).filter(([, each]) => (each.needs ?? []).every(here));
}

export function standard(name, kind = form.kind) {
  const preset = both(kind) ? told.presets[form.preset] ?? {} : {};
  return preset[name] ?? told.kinds[kind].defaults[name] ?? told.schema.properties[name].default;
}

export const isChanged = (name) => name in form.changed;
export const value = (name) => (isChanged(name) ? form.changed[name] : standard(name));

export function set(name, to) {
  const same = JSON.stringify(to) === JSON.stringify(standard(name));
  if (same) delete form.changed[name];
  else form.changed[name] = to;
  tell("form", { changed: name });
}

export function reset(name) {
  delete form.changed[name];
  tell("form", { changed: name });
}

// The body of a job, as the interface takes it.
export function body(kind = form.kind) {
  const shown = new Set(properties(kind).map(([name]) => name));
  const asked = { kind, settings: {} };
  for (const [name, to] of Object.entries(form.changed)) if (shown.has(name)) asked.settings[name] = to;
  if (takes("content", kind)) Object.assign(asked, { content: ids(form.content), keep: ids(form.keep) });
  if (takes("style", kind)) asked.styles = ids(form.styles);
  if (both(kind)) {
    Object.assign(asked, { mask: ids(form.mask), style_masks: ids(form.style_masks), start: ids(form.start), preset: form.preset });
    if (form.strength !== null && !("style_weight" in form.changed)) asked.strength = form.strength;
  }
  return asked;
}

// What is still to be given; null where all is there.
export function missing() {
  if (takes("content") && !form.content) return "Add a photograph to begin";
  if (takes("style") && !form.styles.length) return "Add a painting to begin";
  return null;
}

// Take the settings of a picture that was made; names of inputs that are not here.
export async function take(recipe, { seed = true } = {}) {
  const changed = { ...recipe.changed };
  if (!seed) delete changed.seed;
  const inputs = {};
  const gone = [];
  for (const name of INPUTS) {
    const each = recipe.inputs[name] ?? (Array.isArray(FRESH[name]) ? [] : null);
    for (const one of [each].flat()) if (one && !one.picture) gone.push(one.name);
    inputs[name] = Array.isArray(each) ? each.map((one) => one.picture).filter(Boolean) : (each?.picture ?? null);
  }
  const before = { content: form.content, styles: form.styles };
  Object.assign(form, { kind: recipe.kind, preset: "balanced", strength: null });
  await adopt(inputs);
  // what is not here is better replaced by hand than lost
  form.content ??= recipe.inputs.content ? before.content : null;
  if (form.styles.length < (recipe.inputs.styles ?? []).length) {
    form.styles = before.styles;
    delete changed.blend;
  }
  if (!form.start && changed.init === "picture") delete changed.init;
  form.changed = changed;
  tell("form", { all: true });
  return gone;
}

export function clear() {
  const { content, styles, kind, previews } = form;
  Object.assign(form, structuredClone(FRESH), { content, styles, kind, previews });
  tell("form", { all: true });
}
