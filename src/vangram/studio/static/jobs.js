// The jobs, as the server has them: this page only looks at them, and attaches again after any cut.

import { get, post, remove } from "./api.js";
import { tell } from "./bus.js";
import { complain } from "./say.js";
import { listen } from "./stream.js";

const SECONDS_OF_GRACE = 1.5; // before a cut is told of
const ENDED = new Set(["finished", "stopped", "failed", "cancelled"]);

export const jobs = new Map(); // id -> job
export let held = false;
let order = [];
const losses = new Map(); // id -> [[level, step, loss]]
const gone = new Set(); // ids of removed jobs, which an answer that comes late would bring back

export const ended = (job) => ENDED.has(job.state);
export const isDraft = (job) => job.draft && job.kind === "sweep" && "preset" in (job.request.vary ?? {});

// Jobs that are running, wait or are paused, in the order of the queue.
export function queue() {
  const all = [...jobs.values()].filter((job) => !isDraft(job));
  const waiting = order.map((id) => jobs.get(id)).filter((job) => job?.state === "queued" && !isDraft(job));
  return [...all.filter((job) => job.state === "running"), ...waiting, ...all.filter((job) => job.state === "paused")];
}

// Jobs that have ended and are nowhere else: failures, and sweeps, whose pictures are not in the history.
export const leftOver = () => [...jobs.values()].filter((job) => !isDraft(job) && !job.result?.history
  && (job.state === "failed" || (job.kind === "sweep" && ["finished", "stopped"].includes(job.state))));

export function takeJob(job) {
  if (gone.has(job.id)) return;
  const before = jobs.get(job.id);
  // what is told of a change has the progress of then
  jobs.set(job.id, { ...before, ...job, progress: job.progress ?? before?.progress ?? null });
  tell("jobs", { changed: job.id });
}

export const lossesOf = (id) => losses.get(id) ?? [];

// All losses of a job from its beginning.
export async function follow(id) {
  const job = await get(`/jobs/${id}`);
  const late = lossesOf(id);
  losses.set(id, []);
  added(id, job.losses);
  added(id, late.filter(([level, step]) => after([level, step], job.losses.at(-1))));
  takeJob(job);
  return job;
}

const after = (a, b) => !b || a[0] > b[0] || (a[0] === b[0] && a[1] > b[1]);

function added(id, more) {
  const known = lossesOf(id);
  for (const loss of more) {
    while (known.length && !after(loss, known.at(-1))) known.pop(); // a run that went back to its checkpoint
    known.push(loss);
  }
  losses.set(id, known);
}

export async function ask(job, what, body = {}) {
  try {
    takeJob(await post(`/jobs/${job.id}/${what}`, body));
  } catch (error) {
    complain(error);
  }
}

export async function forget(job) {
  await remove(`/jobs/${job.id}`).catch(complain);
}

export const hold = (on) => post("/queue", { held: on }).catch(complain);

export function connect() {
  let grace = 0;
  let server = null;
  const heard = {
    hello(data) {
      clearTimeout(grace);
      grace = 0;
      tell("connected", { again: server !== null, restarted: server !== null && server !== data.server });
      server = data.server;
      held = data.held;
      jobs.clear();
      for (const job of data.jobs) jobs.set(job.id, job);
      order = data.jobs.filter((job) => job.state === "queued").map((job) => job.id);
      tell("jobs", { all: true });
    },
    job: takeJob,
    progress({ id, state, losses: more, ...progress }) {
      const job = jobs.get(id);
      if (!job) return;
      job.progress = progress;
      job.state = ended(job) ? job.state : state;
      added(id, more);
      tell("progress", job);
    },
    removed({ id }) {
      gone.add(id);
      jobs.delete(id);
      losses.delete(id);
      tell("jobs", { removed: id });
    },
    queue(data) {
      held = data.held;
      order = data.order;
      tell("jobs", { order: true });
    },
    history: (data) => tell("history", data),
    lost() { grace ||= setTimeout(() => tell("disconnected"), SECONDS_OF_GRACE * 1000); },
  };
  listen(({ kind, data }) => heard[kind](data));
}
