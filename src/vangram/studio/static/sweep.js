// A sweep: pictures over one or two settings at a small size, of which one is taken.

import { get, post, postOnce } from "./api.js";
import { open } from "./ask.js";
import { tell } from "./bus.js";
import { button, el, icon } from "./dom.js";
import { parse, write } from "./fields.js";
import * as form from "./form.js";
import { actionsOf, headline } from "./growing.js";
import { jobs, takeJob } from "./jobs.js";
import { makeWay } from "./presets.js";
import { complain, duration, notice, sentence, short, words } from "./say.js";
import { look } from "./viewer.js";

const TIMES = [0.25, 1, 4]; // of a number, to begin with

// What can be varied: name -> schema.
function schemas() {
  const { presets, strength, schema } = form.told;
  const settings = Object.fromEntries(form.properties("sweep").filter(([name]) => !["size", "blend"].includes(name)));
  return { preset: { enum: Object.keys(presets), default: "balanced" }, strength: { type: "number", ...strength }, ...settings, size: schema.properties.size };
}

// Values to begin with, around the present one.
function proposal(name, schema) {
  if (schema.enum) return schema.enum.filter((each) => each !== "picture").join(", ");
  if (schema.type === "boolean") return "no, yes";
  if (name === "strength") return "0.5, 1, 2";
  const now = form.value(name);
  if (typeof now !== "number") return write(schema, now);
  const inRange = (value) => value >= (schema.minimum ?? -Infinity) && value <= (schema.maximum ?? Infinity);
  const near = now === 0 ? [0, 1, 2] : TIMES.map((times) => (schema.type === "integer" ? Math.round(times * now) : Number((times * now).toPrecision(3))));
  return near.filter(inRange).join(", ");
}

export function planSweep() {
  const all = schemas();
  const line = el("p", { class: "small number", role: "status" });
  const rows = [0, 1].map((index) => vary(index, all, plan));
  const side = el("input", { id: "sweep-size", inputmode: "numeric", value: form.told.kinds.sweep.defaults.size, onchange: plan });
  const start = button("Run the sweep", begin, { kind: "primary", sign: "play" });
  const dialog = open("Sweep", "choice", el("div", { class: "body" },
    el("p", { class: "quiet small" }, "The same two pictures with other settings, small and side by side. One of them can be taken for the next run."),
    rows.map((each) => each.node), el("div", { class: "vary" }, el("label", { for: "sweep-size", class: "small" }, "Size (px)"), side), line), el("footer", {}, start));
  let asked = 0;
  let waiting = new AbortController();

  function body() {
    const made = form.body("sweep");
    const vary = Object.fromEntries(rows.map((each) => each.read()).filter(Boolean));
    for (const name of Object.keys(vary)) delete made.settings[name];
    if ("preset" in vary) delete made.preset;
    if ("strength" in vary || "style_weight" in vary) delete made.strength;
    if ("strength" in vary) delete made.settings.style_weight;
    return { ...made, vary, settings: { ...made.settings, size: Number(side.value) } };
  }

  async function plan() {
    const mine = (asked += 1);
    waiting.abort();
    waiting = new AbortController();
    line.classList.remove("bad");
    line.textContent = "Estimating …";
    try {
      const found = await post("/plan", body(), {}, waiting.signal);
      if (mine === asked) line.textContent = `${found.pictures} pictures · at most ${duration(found.seconds)}`;
    } catch (error) {
      if (mine !== asked) return;
      line.textContent = sentence(error.message);
      line.classList.add("bad");
    }
  }

  async function begin() {
    asked += 1;
    waiting.abort();
    start.disabled = true;
    line.classList.remove("bad");
    line.textContent = "Starting …";
    try {
      makeWay();
      const job = await postOnce("/jobs", body());
      dialog.close();
      takeJob(job);
      tell("select", { job: job.id });
    } catch (error) {
      line.textContent = sentence(error.message);
      line.classList.add("bad");
      start.disabled = false;
    }
  }
  plan();
}

// One setting that is varied: which, and its values.
function vary(index, all, changed) {
  const nothing = index ? [el("option", { value: "" }, "nothing else")] : [];
  const choice = el("select", { id: `vary-${index}`, onchange: () => { propose(); changed(); } }, nothing, Object.keys(all).map((name) => el("option", { value: name }, words(name))));
  const values = el("input", { id: `values-${index}`, autocomplete: "off", spellcheck: "false", onchange: changed });
  const propose = () => {
    values.disabled = !choice.value;
    values.value = choice.value ? proposal(choice.value, all[choice.value]) : "";
  };
  choice.value = index ? "" : "strength";
  propose();
  const node = el("div", { class: "vary" }, el("label", { class: "small", for: choice.id }, index ? "and" : "Vary"), choice,
    el("label", { class: "unseen", for: values.id }, index ? "Its values" : "Values"), values);
  const read = () => {
    if (!choice.value) return null;
    const parts = values.value.split(values.value.includes(";") ? ";" : ",").map((part) => part.trim()).filter(Boolean);
    return [choice.value, parts.map((part) => parse(all[choice.value], part))];
  };
  return { node, read };
}

// The pictures of a sweep, the last setting's values across.
export function grid(id) {
  const table = el("div", { class: "cells" });
  const head = el("p", { class: "state" });
  const detail = el("p", { class: "small quiet number" });
  const bar = el("div", { class: "progress", role: "progressbar", "aria-label": "Progress", "aria-valuemin": 0, "aria-valuemax": 100 }, el("div", {}));
  const actions = el("div", { class: "row wrap actions" });
  const node = el("div", { class: "view sweep" }, el("div", { class: "frame" }, table), el("div", { class: "under" }, bar, el("div", { class: "facts" }, el("div", { class: "said" }, head, detail), actions)));
  const cells = jobs.get(id).cells.map((cell) => cellOf(id, cell));
  const across = Object.values(jobs.get(id).request.vary).at(-1).length;
  table.style.setProperty("--columns", across);
  const { width, height } = jobs.get(id).plan.size;
  table.style.setProperty("--ratio", `${width} / ${height}`);
  table.append(...cells.map((each) => each.node));
  let acted = null;

  function update() {
    const job = jobs.get(id);
    if (!job) return;
    for (const cell of job.cells) cells[cell.number].show(cell);
    const { progress } = job;
    const done = job.state === "finished" ? 1 : (progress?.done ?? 0);
    bar.firstChild.style.width = `${100 * done}%`;
    bar.setAttribute("aria-valuenow", Math.round(100 * done));
    head.textContent = headline(job);
    head.classList.toggle("bad", job.state === "failed");
    detail.textContent = `${job.cells.filter((cell) => cell.url).length} of ${job.cells.length} pictures`;
    if (acted === `${job.state} ${job.asked}`) return;
    acted = `${job.state} ${job.asked}`;
    const saves = job.state !== "finished" ? [] : [
      el("a", { class: "button plain", href: `/api/v1/jobs/${id}/page`, download: "" }, icon("save"), "Save as a page")];
    actions.replaceChildren(...saves, ...actionsOf(job));
  }
  update();
  return { node, update };
}

function cellOf(id, cell) {
  const said = Object.entries(cell.values).map(([name, value]) => `${words(name).toLowerCase()} ${short(value)}`).join(", ");
  const picture = el("button", { type: "button", class: "picture", "aria-label": `Look at ${said} closely`, disabled: true });
  const take = button("Take this one", () => takeCell(id, cell.number), { kind: "small", disabled: true, "aria-label": `Take this one: ${said}` });
  const node = el("figure", {}, picture, el("figcaption", { class: "row spread" }, el("span", { class: "tiny cut", title: said }, said), take));
  const show = ({ url }) => {
    if (!url || !picture.disabled) return;
    const image = el("img", { src: url, alt: said });
    image.onload = () => { picture.onclick = () => look({ url, name: said, width: image.naturalWidth, height: image.naturalHeight }); };
    picture.replaceChildren(image);
    picture.disabled = take.disabled = false;
  };
  return { node, show };
}

// A cell's settings for the next run, at the size that is set there.
async function takeCell(id, number) {
  const job = jobs.get(id);
  const { settings } = job.cells[number];
  const size = form.value("size");
  const named = async (given) => (given ? get(`/pictures/${given}`).catch(() => null) : null);
  const { content, styles = [], mask, keep, start, style_masks: masks = [] } = job.request;
  const several = async (ids) => (await Promise.all(ids.map(named))).filter(Boolean);
  try {
    const found = { content: await named(content), mask: await named(mask), keep: await named(keep), start: await named(start), style_masks: await several(masks), styles: await several(styles) };
    form.change({ ...found, kind: "stylize", preset: "balanced", strength: null });
    form.form.changed = {};
    for (const [name, value] of Object.entries({ ...settings, size })) {
      if (name in form.told.schema.properties && JSON.stringify(value) !== JSON.stringify(form.standard(name))) form.form.changed[name] = value;
    }
    tell("form", { all: true });
    notice("Taken. Run makes it at your size.");
  } catch (error) {
    complain(error);
  }
}
