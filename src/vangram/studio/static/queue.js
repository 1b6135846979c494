// The queue: what runs and what waits, in its order.

import { on, tell } from "./bus.js";
import { arrange, button, el, iconButton, unique } from "./dom.js";
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
    const jobs = [...all.queue(), ...all.leftOver()];
    node.hidden = !jobs.length && !all.held;
    hold.replaceChildren(all.held ? "Go on with the queue" : "Hold the queue");
    const waiting = jobs.filter((job) => job.state === "queued");
    const focused = document.activeElement?.closest?.(".queue li") ? [document.activeElement.closest("li").dataset.id, document.activeElement.dataset.act] : null;
    const before = rows;
    // a row that is as it was stays, so that a press on it is not lost
    rows = new Map(jobs.map((job) => {
      const place = waiting.indexOf(job);
      const key = [job.state, selected.job === job.id, place, waiting[place + 2]?.id, waiting.length].join();
      const known = before.get(job.id);
      return [job.id, known?.key === key ? known : { key, ...row(job.id, waiting, place) }];
    }));
    arrange(list, [...rows.values()].map((each) => each.node));
    for (const each of rows.values()) each.update();
    if (focused) rows.get(focused[0])?.node.querySelector(`[data-act="${focused[1]}"]`)?.focus();
  }

  on("jobs", draw);
  on("selected", draw);
  on("progress", (job) => rows.get(job.id)?.update());
  draw();
  return node;
}

function row(id, waiting, place) {
  const job = () => all.jobs.get(id);
  const { state, kind, request } = job();
  const picture = request.content ?? request.styles?.[0];
  const said = el("span", { class: "tiny quiet number" });
  const bar = el("span", { class: "bit", "aria-hidden": "true" }, el("span", {}));
  const move = (to) => all.ask(job(), "move", to);
  const node = el("li", { class: "row", "data-id": id, "data-state": state },
    el("button", { type: "button", class: "plain job", "data-act": "show", "aria-current": selected.job === id ? "true" : null, onclick: () => tell("select", { job: id }) },
      picture ? el("img", { src: `/api/v1/pictures/${picture}/thumbnail`, alt: "" }) : null,
      el("span", { class: "names" }, el("span", { class: "small cut" }, kindName(kind)), said, bar)),
    state === "queued" && waiting.length > 1 && place > 0 && iconButton("first", "Run next", () => move({ to: "first" }), { kind: "plain small", "data-act": "first" }),
    state === "queued" && place < waiting.length - 1 && iconButton("down", "Later", () => move(waiting[place + 2] ? { before: waiting[place + 2].id } : { to: "last" }), { kind: "plain small", "data-act": "later" }),
    all.ended(job()) ? iconButton("close", "Dismiss", () => all.forget(job()), { kind: "plain small", "data-act": "cancel" })
      : iconButton("close", "Give up", () => giveUp(job()), { kind: "plain small", "data-act": "cancel" }));
  const update = () => {
    const { progress } = job();
    const done = progress?.done ?? 0;
    const left = progress?.seconds_left;
    said.textContent = state === "running" ? `${Math.round(100 * done)} %${left ? ` · ${duration(left)} left` : ""}`
      : state !== "queued" ? state : place === 0 ? "next" : `${place + 1} in line`;
    bar.firstChild.style.width = `${100 * done}%`;
    bar.hidden = all.ended(job()) || (state === "queued" && !done);
  };
  return { node, update };
}
