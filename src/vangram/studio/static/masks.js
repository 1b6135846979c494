// Masks of the photograph: painted, read again, saved, and handed to the run as pictures.

import { upload } from "./api.js";
import { button, el, iconButton } from "./dom.js";
import { form, change, takes } from "./form.js";
import { COLOURS, Layers, NONE, blur, colourOf } from "./layers.js";
import { paint } from "./paint.js";
import { fromPicture, rendition } from "./rendition.js";
import { complain } from "./say.js";

const LARGEST = 2048; // longer side of a mask in pixels
let painted = null; // what was painted last, before its edges were made soft

// Under the photograph: the masks that it has, and the way to paint them.
export function summary() {
  const has = form.mask || form.keep;
  return el("div", { class: "row masked" },
    button(has ? "Edit masks" : "Paint masks", edit, { sign: "mask", kind: "plain small", id: "paint-masks" }),
    has && iconButton("close", "Remove the masks", () => change({ mask: null, keep: null, style_masks: [] }), { kind: "plain small" }));
}

export const regionNames = () => [...(takes("style") ? form.styles : []).slice(0, COLOURS.length).map((each) => each.name), "No painting"];

async function edit() {
  const { content, mask, keep } = form;
  try {
    const ids = `${content.id} ${mask?.id} ${keep?.id} ${form.styles.length}`;
    if (painted?.ids !== ids) painted = { ids, feather: mask || keep ? form.feather : 0, layers: await read(content, mask, keep) };
    const photograph = await drawn(fromPicture(content));
    await paint(photograph, painted, regionNames(), use);
  } catch (error) {
    complain(error);
  }
}

// An image of a picture, loaded.
async function drawn(source) {
  const node = rendition(source, "");
  if (node instanceof HTMLImageElement) await node.decode();
  return node;
}

async function read(content, mask, keep) {
  const scale = Math.min(1, LARGEST / Math.max(content.size.width, content.size.height));
  const layers = new Layers(Math.round(content.size.width * scale), Math.round(content.size.height * scale));
  const count = form.styles.length;
  const palette = [...COLOURS.slice(0, count), NONE];
  const distance = (a, pixels, at) => (a[0] - pixels[at]) ** 2 + (a[1] - pixels[at + 1]) ** 2 + (a[2] - pixels[at + 2]) ** 2;
  for (const [picture, name] of [[mask, "regions"], [keep, "kept"]]) {
    if (!picture) continue;
    const canvas = el("canvas", { width: layers.width, height: layers.height });
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(await drawn(fromPicture(picture)), 0, 0, layers.width, layers.height);
    const { data } = context.getImageData(0, 0, layers.width, layers.height);
    for (let at = 0; at < layers.kept.length; at += 1) {
      if (name === "kept") layers.kept[at] = data[4 * at] > 127 ? 1 : 0;
      else {
        let nearest = 0;
        for (let region = 1; region < palette.length; region += 1) {
          if (distance(palette[region], data, 4 * at) < distance(palette[nearest], data, 4 * at)) nearest = region;
        }
        layers.regions[at] = nearest;
      }
    }
  }
  return layers;
}

// A layer as a picture that a run takes.
export function maskFile({ layers, feather }, name, count) {
  const canvas = el("canvas", { width: layers.width, height: layers.height });
  const context = canvas.getContext("2d");
  const image = context.createImageData(layers.width, layers.height);
  const values = layers[name];
  for (let at = 0; at < values.length; at += 1) {
    image.data.set(name === "kept" ? (values[at] ? COLOURS[0] : NONE) : colourOf(values[at], count), 4 * at);
    image.data[4 * at + 3] = 255;
  }
  blur(image.data, layers.width, layers.height, Math.round(feather / 3));
  context.putImageData(image, 0, 0);
  return new Promise((resolve) => {
    canvas.toBlob((blob) => resolve(new File([blob], name === "kept" ? "keep.png" : "mask.png", { type: "image/png" })), "image/png");
  });
}

// Which layers say anything; an error where a painting has no place.
export function used({ layers }, names) {
  const regions = names.map((_, region) => layers.has("regions", region));
  const several = regions.filter(Boolean).length > 1;
  const lost = names.slice(0, -1).findIndex((_, region) => !regions[region]);
  if (several && lost >= 0) throw new Error(`${names[lost]} has no place in the picture; paint one for it, or remove the painting`);
  if (!several && !regions[0]) throw new Error("nothing would be painted; leave some of the picture to a painting");
  if (!layers.has("kept", 0)) throw new Error("all of the photograph would be kept; leave some of it to be painted");
  return { regions: several, kept: layers.has("kept", 1) };
}

async function use(names) {
  const has = used(painted, names);
  const count = names.length - 1;
  const [mask, keep] = await Promise.all(["regions", "kept"].map(async (name) => (has[name] ? upload(await maskFile(painted, name, count)) : null)));
  painted.ids = `${form.content.id} ${mask?.id} ${keep?.id} ${form.styles.length}`;
  change({ mask, keep, style_masks: [], feather: painted.feather });
}
