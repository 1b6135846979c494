// The middle of the page: nothing yet, a job, or a picture of the history.

import { get } from "./api.js";
import { on, tell } from "./bus.js";
import { growing } from "./growing.js";
import { ended, jobs } from "./jobs.js";
import { finished } from "./picture.js";
import { complain } from "./say.js";
import { grid } from "./sweep.js";
import { welcome } from "./welcome.js";

export let selected = {}; // { job } or { picture }, by id
let view = { key: null };
let stage = null;
let item = null; // the picture of the history that is shown

export const shownItem = () => item;
export const shownJob = () => jobs.get(selected.job) ?? (item?.job && jobs.get(item.job)) ?? null;

export function begin() {
  stage = document.getElementById("stage");
  const [, kind, id] = /^#(job|picture)\/(\w+)$/.exec(location.hash) ?? [];
  if (kind) selected = { [kind]: id };
  on("select", select);
  on("jobs", jobsChanged);
  on("progress", (job) => job.id === selected.job && view.update?.());
  on("history", historyChanged);
  draw();
}

function select(to) {
  selected = to;
  item = null;
  const [[kind, id] = []] = Object.entries(to);
  history.replaceState(null, "", kind ? `#${kind}/${id}` : location.pathname);
  tell("selected", selected);
  draw();
  if (kind && innerWidth <= 720) scrollTo({ top: 0 });
}

function jobsChanged({ removed, all }) {
  if (all && !selected.job && !selected.picture) {
    const running = [...jobs.values()].find((job) => job.state === "running" && !job.draft);
    if (running) return select({ job: running.id });
  }
  if (selected.job && (removed === selected.job || (all && !jobs.has(selected.job)))) return select({});
  if (selected.job || item?.job) draw();
}

function historyChanged({ removed, changed }) {
  if (item && removed.includes(item.id)) return select({});
  if (item && changed.includes(item.id)) show(item.id);
}

function put(key, made) {
  if (view.key === key) return view.update?.();
  view = { key, ...made() };
  stage.replaceChildren(view.node);
  stage.classList.toggle("bare", key === "welcome");
}

function draw() {
  const job = jobs.get(selected.job);
  if (job?.result?.history && job.kind !== "sweep") {
    if (item?.job !== job.id) show(job.result.history);
    else put(pictureKey(), () => finished(item));
  } else if (job?.cells) put(`sweep ${job.id}`, () => grid(job.id));
  else if (job) put(`job ${job.id}`, () => growing(job.id));
  else if (selected.picture) {
    const its = item?.id === selected.picture ? jobs.get(item.job) : null;
    if (its && !ended(its)) select({ job: its.id }); // a picture that was stopped goes on
    else if (item?.id === selected.picture) put(pictureKey(), () => finished(item));
    else show(selected.picture);
  } else if (!selected.job) put("welcome", welcome);
}

// What the view of a picture is made of; it is made anew when that changes.
const pictureKey = () => `picture ${item.thumbnail} ${jobs.get(item.job)?.state} ${jobs.get(item.job)?.asked}`;

async function show(id) {
  const wanted = selected;
  try {
    const found = await get(`/history/${id}`);
    if (wanted !== selected) return;
    item = { ...found, job: found.job ?? selected.job };
    put(pictureKey(), () => finished(item));
    tell("shown", item);
  } catch (error) {
    if (wanted !== selected) return;
    complain(error);
    if (selected.picture) select({});
  }
}
