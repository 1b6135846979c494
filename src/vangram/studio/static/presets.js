// Presets as small pictures of the user's own pair: a sweep at 128 px that gives way to every run.

import { post, postOnce } from "./api.js";
import { on } from "./bus.js";
import { el } from "./dom.js";
import * as form from "./form.js";
import { ask, ended, isDraft, jobs, queue, takeJob } from "./jobs.js";
import { words } from "./say.js";

const SIZE = 128;
const MILLISECONDS = 1500; // that a pair has to stay

const asked = new Set(); // pairs that were begun from here

const pair = () => (form.form.content && form.form.styles.length ? [form.form.content.id, ...form.form.styles.map((each) => each.id)].join() : null);
const pairOf = (job) => [job.request.content, ...job.request.styles].join();
const drafts = () => [...jobs.values()].filter((job) => isDraft(job) && job.state !== "cancelled");

export function presets() {
  const names = Object.keys(form.told.presets);
  const pictures = new Map();
  const switched = el("input", { type: "checkbox", id: "previews", onchange: () => { form.change({ previews: switched.checked }); if (!switched.checked) makeWay(); } });
  const choices = el("fieldset", {}, el("legend", {}, "Preset"), names.map((name) => {
    const image = el("img", { alt: "", hidden: true });
    pictures.set(name, image);
    return el("label", {}, el("input", { type: "radio", name: "preset", value: name, onchange: () => form.change({ preset: name }) }),
      el("span", { class: "tile", "aria-hidden": "true" }, image), el("span", { class: "tiny" }, words(name)));
  }));
  const node = el("div", { class: "presets" }, choices, el("label", { class: "tiny row", for: "previews" }, switched, "Try on my pictures"));

  function draw() {
    node.hidden = !(form.takes("content") && form.takes("style"));
    switched.checked = form.form.previews;
    for (const input of choices.querySelectorAll("input")) input.checked = input.value === form.form.preset;
    const job = drafts().find((each) => pairOf(each) === pair());
    for (const [name, image] of pictures) {
      const cell = job?.cells?.find((each) => each.values.preset === name);
      if (cell?.url && image.getAttribute("src") !== cell.url) image.src = cell.url;
      image.hidden = !cell?.url;
      image.closest("label").classList.toggle("working", ["running", "queued"].includes(job?.state) && !cell?.url);
    }
    node.classList.toggle("bare", !job || (!form.form.previews && !job.cells.some((cell) => cell.url)));
  }

  let timer = 0;
  const later = () => { clearTimeout(timer); timer = setTimeout(begin, MILLISECONDS); };

  // Make the pictures where they are missing and nothing else is being made.
  async function begin() {
    const now = pair();
    if (!now || node.hidden || !form.form.previews || queue().length) return;
    const there = drafts().find((job) => pairOf(job) === now);
    if (there?.state === "paused") await ask(there, "resume");
    if (there || asked.has(now)) return;
    asked.add(now);
    await Promise.all(drafts().filter((job) => !ended(job)).map((job) => ask(job, "cancel")));
    const { content, styles } = form.body("stylize");
    try {
      takeJob(await postOnce("/jobs", { kind: "sweep", content, styles, draft: true, settings: { size: SIZE }, vary: { preset: names } }));
    } catch { /* the run itself will say what is wrong */ }
  }

  draw();
  on("form", draw);
  on("estimated", later); // which is measured, and better while nothing else runs
  on("jobs", () => { draw(); if (timer) later(); });
  return node;
}

// Let a run have the machine.
export function makeWay() {
  for (const job of drafts()) if (job.state === "running" || job.state === "queued") post(`/jobs/${job.id}/pause`).catch(() => {});
}

