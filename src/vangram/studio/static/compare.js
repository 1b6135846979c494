// Two pictures: a border that one moves, side by side, or one that is held away.

import { open } from "./ask.js";
import { el, segments } from "./dom.js";
import { rendition } from "./rendition.js";

const MODES = [["slider", "Slider"], ["beside", "Side by side"], ["flip", "Hold to flip"]];
let mode = "slider"; // stays for the next two

export function compare(first, second, [firstName, secondName]) {
  const pictures = [[first, firstName], [second, secondName]].map(([source, name]) =>
    el("figure", {}, rendition(source, `${name}: ${source.name}`), el("figcaption", { class: "tiny" }, name)));
  const border = el("input", { type: "range", min: 0, max: 100, value: 50, step: 1, "aria-label": `How much of the ${firstName.toLowerCase()} is shown`, oninput: move });
  const line = el("div", { class: "border", "aria-hidden": "true" });
  const flip = el("button", { type: "button", class: "flip" }, `Hold to see the ${firstName.toLowerCase()}`);
  // both fill the same frame, which has the second one's shape
  const frame = el("div", { class: "pair" }, pictures[1], pictures[0], line);
  const place = el("div", { class: "arena" }, frame);
  const dialog = open("Compare", "full compare", el("div", { class: "tools" },
    segments("compare-mode", "How to compare", MODES, mode, (to) => { mode = to; show(); }), border, flip), place);

  function move() {
    frame.style.setProperty("--at", `${border.value}%`);
  }

  function show() {
    dialog.dataset.mode = mode;
    border.hidden = mode !== "slider";
    flip.hidden = mode !== "flip";
    fit();
  }

  // The largest frame of the second picture's shape that fits, or of two beside each other.
  function fit() {
    const { clientWidth: width, clientHeight: height } = place;
    const [across, down] = mode !== "beside" ? [1, 1] : width > height ? [2, 1] : [1, 2];
    const ratio = second.width / second.height;
    const most = Math.min((width - 24 - 12 * (across - 1)) / across, ((height - 24 - 12 * (down - 1)) / down) * ratio);
    frame.style.setProperty("--width", `${Math.floor(most)}px`);
    frame.style.setProperty("--height", `${Math.floor(most / ratio)}px`);
    frame.style.setProperty("--across", across);
  }

  const held = (away) => () => dialog.classList.toggle("flipped", away);
  flip.addEventListener("pointerdown", held(true));
  for (const end of ["pointerup", "pointerleave", "pointercancel", "blur", "keyup"]) flip.addEventListener(end, held(false));
  flip.addEventListener("keydown", (event) => { if (event.key === " " || event.key === "Enter") { event.preventDefault(); held(true)(); } });

  frame.addEventListener("pointerdown", (event) => {
    if (mode === "flip") dialog.classList.add("flipped");
    if (mode !== "slider") return;
    frame.setPointerCapture(event.pointerId);
    const to = (moved) => {
      const box = frame.getBoundingClientRect();
      border.value = (100 * (moved.clientX - box.left)) / box.width;
      move();
    };
    to(event);
    frame.onpointermove = to;
  });
  for (const end of ["pointerup", "pointercancel"]) frame.addEventListener(end, () => { frame.onpointermove = null; dialog.classList.remove("flipped"); });

  const observer = new ResizeObserver(fit);
  observer.observe(place);
  dialog.closed.then(() => observer.disconnect());
  move();
  show();
  (mode === "slider" ? border : dialog.querySelector("[name=compare-mode]:checked")).focus();
}
