// Look at a picture closely: only the tiles that are seen, at the level that the screen can show.

import { open } from "./ask.js";
import { on } from "./bus.js";
import { button, el } from "./dom.js";
import { panzoom } from "./panzoom.js";
import { TILE, isWhole, levelSize, tileOf, versioned } from "./rendition.js";

const SHARP = 2; // screen pixels of one pixel from which pixels are shown as squares
const MOST_TILES = 400; // kept of levels and places that were seen

// `renewed` answers a newer picture's source for a job that goes on, or null.
export function look(source, renewed = null) {
  const world = el("div", { class: "world" });
  const area = el("div", { class: "zoom", tabindex: 0, role: "group", "aria-label": `${source.name}: arrows move, + and - zoom, 0 fits, 1 is full size` }, world);
  const said = el("output", { class: "small number" });
  const dialog = open(source.name, "full", el("div", { class: "tools" },
    button("Fit", () => panned.fit(), { kind: "small" }), button("100 %", () => panned.zoom(1), { kind: "small" }),
    button("−", () => panned.zoom(panned.view.scale / 1.5), { kind: "small", "aria-label": "Smaller" }),
    button("+", () => panned.zoom(panned.view.scale * 1.5), { kind: "small", "aria-label": "Larger" }), said), area);
  world.style.width = `${source.width}px`;
  world.style.height = `${source.height}px`;
  const draw = isWhole(source) ? whole(world, source) : tiled(world, area, source);
  const panned = panzoom(area, world, source, { changed: (view) => {
    said.textContent = `${Math.round(100 * view.scale)} %`;
    area.classList.toggle("sharp", view.scale >= SHARP);
    draw(view);
  } });
  panned.fit();
  area.focus();
  const stop = on("progress", (job) => {
    const newer = renewed?.(job);
    if (newer) world.firstChild.src = newer.url;
  });
  dialog.closed.then(() => { stop(); panned.end(); });
}

function whole(world, source) {
  world.append(el("img", { src: versioned(source), alt: source.name, draggable: "false" }));
  return () => {};
}

function tiled(world, area, source) {
  let last = 0;
  while (Math.max(...levelSize(source, last)) > TILE) last += 1;
  const tiles = new Map();

  function add(level, column, row) {
    const key = `${level}/${column}/${row}`;
    const known = tiles.get(key);
    tiles.delete(key);
    const image = known ?? el("img", { src: tileOf(source, level, column, row), alt: "", draggable: "false" });
    tiles.set(key, image); // the latest ones last
    if (known) return;
    const side = TILE * 2 ** level;
    image.style.left = `${column * side}px`;
    image.style.top = `${row * side}px`;
    image.style.width = `${Math.min(side, source.width - column * side)}px`;
    image.style.height = `${Math.min(side, source.height - row * side)}px`;
    image.style.zIndex = last - level; // finer ones over coarser ones
    world.append(image);
  }

  world.append(el("img", { src: source.thumbnail, alt: "", draggable: "false" })); // until the tiles are there
  return (view) => {
    const level = Math.min(Math.max(Math.floor(-Math.log2(view.scale * devicePixelRatio) + 0.2), 0), last);
    const side = TILE * 2 ** level;
    const range = (from, room, length) => [Math.max(Math.floor(-from / view.scale / side), 0), Math.min(Math.ceil((room - from) / view.scale / side), Math.ceil(length / side))];
    const [left, right] = range(view.x, area.clientWidth, source.width);
    const [top, bottom] = range(view.y, area.clientHeight, source.height);
    for (let row = top; row < bottom; row += 1) for (let column = left; column < right; column += 1) add(level, column, row);
    for (const [key, image] of tiles) {
      const finer = Number(key.split("/")[0]) < level;
      if (!finer && tiles.size <= MOST_TILES) continue;
      image.remove();
      tiles.delete(key);
    }
  };
}
