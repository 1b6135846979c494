// A picture of the history: what it is, what it was made of, what can be done with it.

import { get, post, remove } from "./api.js";
import { tell } from "./bus.js";
import { compare } from "./compare.js";
import { button, el, icon, iconButton } from "./dom.js";
import { askOf } from "./drop.js";
import { actionsOf } from "./growing.js";
import { jobs } from "./jobs.js";
import { recipe } from "./recipe.js";
import { fromItem, fromPicture, rendition } from "./rendition.js";
import { complain, dimensions, notice, when } from "./say.js";
import { look } from "./viewer.js";

let infoIsOpen = false; // stays as it was for the next picture

export function finished(item) {
  const source = fromItem(item);
  const job = jobs.get(item.job);
  const info = el("div", { class: "info", id: "info", hidden: !infoIsOpen }, recipe(item.recipe));
  const infoButton = button("Recipe", () => {
    infoIsOpen = info.hidden;
    info.hidden = !infoIsOpen;
    infoButton.setAttribute("aria-expanded", String(infoIsOpen));
    if (infoIsOpen) info.scrollIntoView({ block: "nearest" });
  }, { sign: "info", kind: "plain", "aria-expanded": String(infoIsOpen), "aria-controls": "info", "data-key": "info" });
  const star = iconButton("star", "Star", () => post(`/history/${item.id}`, { starred: !item.starred }).then(starred, complain), { kind: "plain star", "data-key": "star" });
  const starred = (now) => { item.starred = now.starred; star.setAttribute("aria-pressed", String(item.starred)); };
  starred(item);

  const state = item.finished ? null : el("p", { class: "small quiet" }, job?.state === "failed" ? job.error : "Stopped early. It can go on to the same picture as without the stop.");
  const { content } = item.recipe.inputs;
  const tools = el("div", { class: "row wrap actions" },
    !item.finished && job ? actionsOf(job).slice(0, 1) : [],
    button("Compare", () => beforeAndAfter(item), { sign: "compare", kind: "plain", disabled: !content?.picture, "data-key": "compare",
      title: content?.picture ? null : "The photograph is not here; Alt-click a picture in the history to compare with that" }),
    infoButton,
    button("Use again", () => useAgain(item), { sign: "undo", kind: "plain" }),
    el("a", { class: "button plain", href: item.picture, download: item.name }, icon("save"), "Save"),
    star, iconButton("bin", "Move to the bin", () => discard(item), { kind: "plain", "data-key": "bin" }));
  const node = el("div", { class: "view finished" },
    el("div", { class: "frame" }, el("button", { type: "button", class: "picture", title: "Look at it closely", "data-key": "look", onclick: () => look(source) },
      rendition(source, `Result: ${item.name}`))),
    el("div", { class: "under" },
      el("div", { class: "facts" },
        el("div", { class: "said" }, el("p", { class: "state cut", title: item.name }, item.finished ? "Finished" : "As it was stopped"),
          el("p", { class: "small quiet number" }, `${dimensions(item.size)} · ${when(item.modified)}`), state), tools),
      info));
  return { node };
}

export async function beforeAndAfter(item) {
  const { content } = item.recipe.inputs;
  if (!content?.picture) return;
  try {
    compare(fromPicture(await get(`/pictures/${content.picture}`)), fromItem(item), ["Photograph", "Result"]);
  } catch (error) {
    complain(error);
  }
}

async function useAgain(item) {
  try {
    await askOf(await post(`/history/${item.id}/take`), "content");
  } catch (error) {
    complain(error);
  }
}

export async function discard(item) {
  let place;
  try {
    place = await remove(`/history/${item.id}`);
  } catch (error) {
    complain(error);
    return;
  }
  notice("Moved to the bin.", { act: ["Undo", async () => {
    try {
      const back = await post(`${place}/restore`);
      tell("select", { picture: back.id });
    } catch (error) {
      complain(error);
    }
  }] });
}
