// Look at a picture closely: zoom and pan to single pixels, with the server's tiles.

import { open } from "./ask.js";
import { button, el } from "./dom.js";
import { rendition } from "./rendition.js";

export function look(source) {
  const dialog = open(source.name, "full", el("div", { class: "plainview" }, rendition({ ...source }, source.name)));
  return { dialog, button };
}
