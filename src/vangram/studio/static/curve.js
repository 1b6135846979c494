// The loss as a small curve, on a logarithmic scale: every level begins anew with its own losses.

import { svg } from "./dom.js";
import { short } from "./say.js";

const WIDTH = 200;
const HEIGHT = 44;
const EDGE = 3;

export function curve() {
  const line = svg("path", { class: "line", fill: "none", "vector-effect": "non-scaling-stroke" });
  const levels = svg("path", { class: "levels", fill: "none", "vector-effect": "non-scaling-stroke" });
  const node = svg("svg", { class: "curve", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": "Loss" }, levels, line);

  function show(losses) {
    node.toggleAttribute("hidden", losses.length < 2);
    if (losses.length < 2) return;
    const logs = losses.map(([, , loss]) => Math.log(Math.max(loss, 1e-30)));
    const [least, most] = [Math.min(...logs), Math.max(...logs)];
    const x = (index) => (index / (losses.length - 1)) * WIDTH;
    const y = (log) => EDGE + (1 - (log - least) / (most - least || 1)) * (HEIGHT - 2 * EDGE);
    const begins = losses.map(([level], index) => index === 0 || level !== losses[index - 1][0]);
    line.setAttribute("d", logs.map((log, index) => `${begins[index] ? "M" : "L"}${x(index).toFixed(1)} ${y(log).toFixed(1)}`).join(""));
    levels.setAttribute("d", begins.map((begin, index) => (begin && index ? `M${x(index - 0.5).toFixed(1)} 0V${HEIGHT}` : "")).join(""));
    node.setAttribute("aria-label", `Loss ${short(losses.at(-1)[2])} after ${losses.length} steps, ${short(losses[0][2])} at first`);
  }
  show([]);
  return { node, show };
}
