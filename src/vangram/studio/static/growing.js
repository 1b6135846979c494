// A job that is not at its end: the picture as it grows, how far it is, and what can be done.

import { get } from "./api.js";
import { choose } from "./ask.js";
import { curve } from "./curve.js";
import { button, el } from "./dom.js";
import { ask, follow, forget, jobs, lossesOf, queue } from "./jobs.js";
import { complain, dimensions, duration, sentence, short } from "./say.js";
import { look } from "./viewer.js";

const ASKED = { pause: "Pausing after this step …", stop: "Stopping after this step …", cancel: "Giving up …", leave: "Waiting …" };

export function growing(id) {
  const picture = el("button", { type: "button", class: "picture", title: "Look at it closely", onclick: () => lookAt(id) });
  const frame = el("div", { class: "frame" }, picture);
  const bar = el("div", { class: "progress", role: "progressbar", "aria-label": "Progress", "aria-valuemin": 0, "aria-valuemax": 100 }, el("div", {}));
  const head = el("p", { class: "state" });
  const detail = el("p", { class: "small quiet number" });
  const graph = curve();
  const loss = el("p", { class: "tiny quiet number" });
  const actions = el("div", { class: "row wrap actions" });
  const notes = el("ul", { class: "small notes" });
  const node = el("div", { class: "view growing" }, frame, el("div", { class: "under" }, bar,
    el("div", { class: "facts" }, el("div", { class: "said" }, head, detail), el("div", { class: "graph" }, graph.node, loss), actions), notes));
  let shown = -1;
  let acted = null;

  // Swap the picture once the new one is decoded, so that nothing flickers.
  async function draw(job) {
    const number = job.progress?.preview ?? 0;
    if (number === shown) return;
    shown = number;
    const source = number ? preview(job).url : await before(job);
    if (!source || shown !== number) return;
    const image = el("img", { src: source, alt: number ? "The picture as it grows" : "", class: number ? "" : "waiting" });
    try {
      await image.decode();
      if (shown === number) picture.replaceChildren(image);
    } catch { /* a preview that was just replaced: the next one comes */ }
  }

  function update() {
    const job = jobs.get(id);
    if (!job) return;
    draw(job);
    const { progress } = job;
    const percent = Math.round(100 * (progress?.done ?? 0));
    bar.firstChild.style.width = `${100 * (progress?.done ?? 0)}%`;
    bar.setAttribute("aria-valuenow", percent);
    bar.setAttribute("aria-valuetext", `${percent} %`);
    head.textContent = headline(job);
    head.classList.toggle("bad", job.state === "failed");
    detail.replaceChildren(...place(job));
    const known = lossesOf(id);
    graph.show(known);
    loss.textContent = known.length > 1 ? `loss ${short(known.at(-1)[2])}` : "";
    notes.replaceChildren(...job.notes.map((note) => el("li", {}, sentence(note))));
    const now = [job.state, job.asked].join();
    if (now === acted) return;
    acted = now;
    const focused = document.activeElement?.dataset?.act;
    actions.replaceChildren(...actionsOf(job));
    if (focused) (actions.querySelector(`[data-act="${focused}"]:enabled`) ?? actions.querySelector("button:enabled"))?.focus();
  }

  follow(id).then(update).catch(complain);
  update();
  return { node, update };
}

function lookAt(id) {
  const first = preview(jobs.get(id), true);
  let shown = first.url;
  look(first, (job) => {
    const now = preview(job, true);
    if (job.id !== id || now.url === shown) return null;
    shown = now.url;
    return now;
  });
}

function preview(job, full = false) {
  const size = job.progress ?? job.plan.size;
  return { url: `/api/v1/jobs/${job.id}/preview?n=${job.progress?.preview ?? 0}${full ? "&full=1" : ""}`, width: size.width, height: size.height, name: "The picture as it grows" };
}

const before = (job) => {
  const id = job.request.content ?? job.request.styles?.[0];
  return id ? get(`/pictures/${id}`).then((picture) => picture.thumbnail).catch(() => null) : null;
};

export function headline(job) {
  if (job.asked) return ASKED[job.asked] ?? "Waiting …";
  if (job.state === "failed") return sentence(job.error ?? "It failed");
  if (job.state === "cancelled") return "Given up";
  if (job.state === "paused") return "Paused";
  if (job.state === "finished") return "Finished";
  if (job.state === "stopped") return "Stopped early";
  if (job.state === "queued") {
    const before = queue().findIndex((each) => each.id === job.id);
    return before > 0 ? `Waits for ${before === 1 ? "one other" : `${before} others`}` : "Begins in a moment";
  }
  const left = job.progress?.seconds_left;
  if (left !== null && left !== undefined) return `About ${duration(left)} left`;
  return job.progress?.step ? "Measuring how long it takes …" : "Starting …";
}

// Where a run is, in parts that do not break.
function place({ progress, plan }) {
  if (!progress?.step) return plan.size ? [dimensions(plan.size)] : [];
  const level = progress.levels > 1 ? `level ${progress.level} of ${progress.levels}` : null;
  const parts = [`step ${progress.step} of ${progress.steps}`, level, dimensions(progress)].filter(Boolean);
  return parts.flatMap((part, index) => [index ? " · " : "", el("span", {}, part)]);
}

export function actionsOf(job) {
  const act = (what, text, sign, kind = "") => button(text, () => ask(job, what), { sign, kind, disabled: Boolean(job.asked), "data-act": what });
  const cancel = button("Give up", () => giveUp(job), { sign: "close", kind: "plain", disabled: job.asked === "cancel", "data-act": "cancel" });
  switch (job.state) {
    case "running": return [act("pause", "Pause", "pause"), act("stop", "Stop and keep", "stop"), cancel];
    case "queued": return [act("pause", "Set aside", "pause"), cancel];
    case "paused": return [act("resume", "Go on", "play", "primary"), act("stop", "Stop and keep", "stop"), cancel];
    case "stopped": return [act("resume", "Go on", "play")];
    case "failed": return [act("resume", "Try again", "play", "primary"), button("Dismiss", () => forget(job), { sign: "close", kind: "plain" })];
    default: return [button("Dismiss", () => forget(job), { sign: "close", kind: "plain" })];
  }
}

// What has been computed is thrown away only when that is confirmed.
export async function giveUp(job) {
  if (!job.progress) return ask(job, "cancel");
  const answer = await choose("Give this picture up?", el("p", {}, "Nothing of it is kept. “Stop and keep” leaves the picture as it is now."), [
    ["stop", "Stop and keep"], ["cancel", "Give up"], ["", "Go on"]]);
  if (answer) await ask(job, answer);
}
