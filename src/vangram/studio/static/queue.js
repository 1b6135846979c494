// The queue: what runs and what waits, in its order.

import { on, tell } from "./bus.js";
import { button, el, iconButton, unique } from "./dom.js";
import { giveUp } from "./growing.js";
import * as all from "./jobs.js";
import { duration, kindName } from "./say.js";
import { selected } from "./stage.js";

export function queueList() {
  const id = unique("queue");
  const list = el("ol", {});
  const hold = button("", () => all.hold(!all.held), { kind: "small plain" });
  const node = el("section", { class: "queue", "aria-labelledby": id }, el("div", { class: "row spread heading" }, el("h2", { id }, "Queue"), hold), list);
  let rows = new Map();

  function draw() {
    const jobs = all.queue();
    node.hidden = !jobs.length && !all.held;
    hold.replaceChildren(all.held ? "Go on with the queue" : "Hold the queue");
    const focused = document.activeElement?.closest?.(".queue li") ? [document.activeElement.closest("li").dataset.id, document.activeElement.dataset.act] : null;
    rows = new Map(jobs.map((job, index) => [job.id, row(job, index, jobs)]));
    list.replaceChildren(...[...rows.values()].map((each) => each.node));
    if (focused) rows.get(focused[0])?.node.querySelector(`[data-act="${focused[1]}"]`)?.focus();
  }

  on("jobs", draw);
  on("selected", draw);
  on("progress", (job) => rows.get(job.id)?.update());
  draw();
  return node;
}

function row(job, index, jobs) {
  const picture = job.request.content ?? job.request.styles?.[0];
  const said = el("span", { class: "tiny quiet number" });
  const bar = el("span", { class: "bit", "aria-hidden": "true" }, el("span", {}));
  const waiting = jobs.filter((each) => each.state === "queued");
  const place = waiting.indexOf(job);
  const move = (to) => all.ask(job, "move", to);
  const node = el("li", { class: "row", "data-id": job.id },
    el("button", { type: "button", class: "plain job", "data-act": "show", "aria-current": selected.job === job.id ? "true" : null, onclick: () => tell("select", { job: job.id }) },
      picture ? el("img", { src: `/api/v1/pictures/${picture}/thumbnail`, alt: "" }) : null,
      el("span", { class: "names" }, el("span", { class: "small cut" }, kindName(job.kind)), said, bar)),
    job.state === "queued" && waiting.length > 1 && place > 0 && iconButton("first", "Run next", () => move({ to: "first" }), { kind: "plain small", "data-act": "first" }),
    job.state === "queued" && place < waiting.length - 1 && iconButton("down", "Later", () => move(waiting[place + 2] ? { before: waiting[place + 2].id } : { to: "last" }), { kind: "plain small", "data-act": "later" }),
    iconButton("close", "Give up", () => giveUp(job), { kind: "plain small", "data-act": "cancel" }));
  const update = () => {
    const done = job.progress?.done ?? 0;
    const left = job.progress?.seconds_left;
    said.textContent = job.state === "running" ? `${Math.round(100 * done)} %${left ? ` · ${duration(left)} left` : ""}`
      : job.state === "paused" ? "paused" : place === 0 ? "next" : `${place + 1} in line`;
    bar.firstChild.style.width = `${100 * done}%`;
    bar.hidden = job.state === "queued" && !done;
  };
  update();
  return { node, update };
}
