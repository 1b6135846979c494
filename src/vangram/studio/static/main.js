// The page: its parts, put together.

import { on } from "./bus.js";
import { kinds, size, strength } from "./dials.js";
import { el, iconButton } from "./dom.js";
import { acceptDrops } from "./drop.js";
import { estimate } from "./estimate.js";
import { form, load, missing } from "./form.js";
import { history } from "./history.js";
import { inputs, start } from "./inputs.js";
import { connect, isDraft, jobs } from "./jobs.js";
import { keys } from "./keys.js";
import { presets } from "./presets.js";
import { queueList } from "./queue.js";
import { announce, complain } from "./say.js";
import { more } from "./settings.js";
import { begin } from "./stage.js";
import { planSweep } from "./sweep.js";

async function page() {
  await load();
  const { node, more: beside } = estimate();
  const sweep = iconButton("grid", "Sweep: compare settings", planSweep, { id: "sweep" });
  const ready = () => { sweep.hidden = form.kind !== "stylize"; sweep.disabled = Boolean(missing()); };
  beside.append(sweep);
  ready();
  on("form", ready);
  document.getElementById("make").append(
    el("div", { class: "controls" }, kinds(), inputs(), start(), strength(), presets(), size(), more()), node);
  document.getElementById("side").append(queueList(), history());
  acceptDrops();
  keys();
  begin();
  connect();
}

// What is heard and not seen: the state of the connection, each tenth of a run, its end.
function tellProgress() {
  const connection = document.getElementById("connection");
  on("disconnected", () => { connection.textContent = "Connection lost. Trying again …"; });
  on("connected", () => { connection.textContent = ""; });
  const tenths = new Map();
  const states = new Map();
  const title = () => {
    const running = [...jobs.values()].find((job) => job.state === "running" && !isDraft(job));
    document.title = running ? `${Math.round(100 * (running.progress?.done ?? 0))} % – VanGram` : "VanGram";
  };
  on("progress", (job) => {
    title();
    const tenth = Math.floor(10 * job.progress.done);
    if (isDraft(job) || tenth <= (tenths.get(job.id) ?? 0)) return;
    tenths.set(job.id, tenth);
    announce(`${10 * tenth} %`);
  });
  on("jobs", () => {
    title();
    for (const job of jobs.values()) {
      const before = states.get(job.id);
      states.set(job.id, job.state);
      if (before && before !== job.state && !isDraft(job)) announce(`The picture is ${job.state}. ${job.error ?? ""}`);
    }
  });
}

tellProgress();
page().catch(complain);
