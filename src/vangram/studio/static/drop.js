// Pictures that come in: dropped anywhere, pasted, or chosen.

import { upload } from "./api.js";
import { choose } from "./ask.js";
import { tell } from "./bus.js";
import { el } from "./dom.js";
import { form, change, take, takes } from "./form.js";
import { withPhotograph } from "./inputs.js";
import { complain, notice } from "./say.js";

const ROLES = { content: "the photograph", styles: "the painting", add: "one more painting" };

// Choose files with the browser's own dialog.
export function choosing(role) {
  const input = el("input", { type: "file", accept: "image/*,.tif,.tiff,.heic,.heif,.avif", multiple: role !== "content" });
  input.addEventListener("change", () => receive([...input.files], role));
  input.click();
}

// Take files for a role; where none is given, the empty places are filled first.
export async function receive(files, role = null) {
  for (const file of files) {
    try {
      await receiveOne(file, role, files.length > 1);
    } catch (error) {
      complain(error);
    }
  }
}

async function receiveOne(file, role, several) {
  const picture = await sent(file);
  if (picture.recipe) return askOf(picture, role);
  const to = role ?? emptyRole() ?? (await askRole(picture));
  if (to) place(picture, several && to === "styles" && form.styles.length ? "add" : to);
}

let sending = 0;

async function sent(file) {
  tell("uploading", (sending += 1));
  try {
    return await upload(file);
  } finally {
    tell("uploading", (sending -= 1));
  }
}

function emptyRole() {
  if (takes("content") && !form.content) return "content";
  return takes("style") && !form.styles.length ? "styles" : null;
}

const preview = (picture) => el("img", { class: "asked", src: picture.thumbnail, alt: picture.name });

function askRole(picture) {
  const roles = Object.entries(ROLES).filter(([role]) => takes(role === "content" ? "content" : "style"));
  return choose("What is this picture for?", preview(picture), roles.map(([role, text]) => [role, `As ${text}`]));
}

export function place(picture, role) {
  if (role === "content") change(withPhotograph(picture));
  else change({ styles: role === "add" ? [...form.styles, picture] : [picture], style_masks: [] });
}

// A picture that VanGram made: its settings, or the picture itself. Never silently.
export async function askOf(picture, role) {
  const as = role ?? emptyRole() ?? "content";
  const detail = el("div", {}, preview(picture), el("p", {}, "VanGram made this picture, and it carries its settings. What shall be used?"));
  const answer = await choose(`${picture.name}`, detail, [
    ["all", "All its settings"], ["seedless", "All but the seed"], ["picture", `The picture, as ${ROLES[as]}`], ["", "Nothing"]]);
  if (answer === "picture") place(picture, as);
  else if (answer) await takeSettings(picture.recipe, answer === "all");
}

async function takeSettings(recipe, seed) {
  const gone = await take(recipe, { seed });
  notice(gone.length ? `Settings taken. Not here, and to be added: ${gone.join(", ")}.` : "Settings taken.");
}

// The whole page accepts drops; two places show while something is dragged over it.
export function acceptDrops() {
  const place = (role, text) => el("div", { class: "place", "data-role": role }, text);
  const cover = el("div", { id: "cover", hidden: true });
  document.body.append(cover);
  let depth = 0;
  const carries = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files") && !document.querySelector("dialog[open]");
  const over = () => {
    const roles = [["content", "Photograph"], ["styles", "Painting"], ["add", "One more painting"]].filter(([role]) =>
      takes(role === "content" ? "content" : "style") && (role !== "add" || form.styles.length));
    cover.replaceChildren(...roles.map(([role, text]) => place(role, text)));
    cover.hidden = false;
  };
  const gone = () => { depth = 0; cover.hidden = true; };
  addEventListener("dragenter", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    depth += 1;
    if (depth === 1) over();
  });
  addEventListener("dragover", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    for (const each of cover.children) each.classList.toggle("over", each === event.target);
  });
  addEventListener("dragleave", (event) => { if (carries(event) && (depth -= 1) <= 0) gone(); });
  addEventListener("drop", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    gone();
    const files = [...event.dataTransfer.files];
    const role = event.target.closest?.("[data-role]")?.dataset.role ?? null;
    receive(files, files.length > 1 && role !== "add" ? null : role);
  });
  addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length || event.target.closest?.("input, textarea, dialog")) return;
    event.preventDefault();
    receive(files);
  });
}
