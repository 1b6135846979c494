// The history: every picture in the output folder, newest first, without an end.

import { get, post } from "./api.js";
import { open } from "./ask.js";
import { on, tell } from "./bus.js";
import { compare } from "./compare.js";
import { button, el, iconButton, unique } from "./dom.js";
import { discard } from "./picture.js";
import { fromItem } from "./rendition.js";
import { complain, when } from "./say.js";
import { shownItem } from "./stage.js";

const PAGE = 40;
const MILLISECONDS = 250; // of typing

export function history() {
  const list = el("ul", { class: "gallery", "aria-label": "Pictures, newest first" });
  const empty = el("p", { class: "quiet small" });
  const end = el("div", { class: "end" });
  const search = el("input", { type: "search", placeholder: "Search", "aria-label": "Search names and settings", oninput: () => { clearTimeout(timer); timer = setTimeout(reload, MILLISECONDS); } });
  const starred = iconButton("star", "Only those with a star", () => {
    starred.setAttribute("aria-pressed", String(starred.getAttribute("aria-pressed") !== "true"));
    reload();
  }, { kind: "plain small", "aria-pressed": "false" });
  const bin = iconButton("bin", "Open the bin", openBin, { kind: "plain small" });
  const id = unique("history");
  const node = el("section", { class: "history", "aria-labelledby": id },
    el("div", { class: "row spread heading" }, el("h2", { id }, "History"), el("div", { class: "row" }, starred, bin)), search, list, empty, end);
  const items = new Map(); // id -> item; its line is the element #picture-id
  const lineOf = (id) => document.getElementById(`picture-${id}`);
  let timer = 0;
  let next; // undefined before the first page, null after the last
  let asked = {}; // the search that the list shows
  let loading = false;

  const query = () => `q=${encodeURIComponent(search.value)}${starred.getAttribute("aria-pressed") === "true" ? "&starred=1" : ""}`;
  const filtered = () => Boolean(search.value.trim()) || starred.getAttribute("aria-pressed") === "true";

  // One change after the other: what is told while a page loads is newer than that page.
  let turn = Promise.resolve();
  const inTurn = (act) => { turn = turn.then(act).catch(complain).then(settle); };

  function settle() {
    tidy();
    if (next && end.getBoundingClientRect().top < innerHeight) more();
  }

  function reload() {
    const mine = (asked = {});
    inTurn(() => mine === asked && load());
  }

  function more() {
    if (loading || next === null) return;
    loading = true;
    inTurn(() => load(next).finally(() => { loading = false; }));
  }

  // A page of pictures; the first one, where `after` is none, takes the place of all.
  async function load(after) {
    const mine = asked;
    const found = await get(`/history?limit=${PAGE}&${query()}${after ? `&after=${encodeURIComponent(after)}` : ""}`);
    if (mine !== asked) return;
    if (!after) {
      const there = new Set(found.pictures.map((item) => item.id));
      for (const id of items.keys()) if (!there.has(id)) drop(id);
    }
    next = found.next;
    found.pictures.forEach(put);
  }

  function drop(id) {
    items.delete(id);
    lineOf(id)?.remove();
  }

  function tidy() {
    empty.textContent = items.size ? "" : filtered() ? "Nothing is like that." : "Pictures that you make appear here.";
    empty.hidden = items.size > 0;
    const now = shownItem()?.id;
    const buttons = [...list.querySelectorAll("button")];
    for (const each of buttons) {
      each.toggleAttribute("aria-current", each.dataset.id === now);
      if (each.dataset.id === now) each.setAttribute("aria-current", "true");
      each.tabIndex = -1;
    }
    const reachable = buttons.find((each) => each.contains(document.activeElement)) ?? buttons.find((each) => each.dataset.id === now) ?? buttons[0];
    if (reachable) reachable.tabIndex = 0;
  }

  // Show a picture in its place; a line that is there stays, so that a press on it is not lost.
  function put(item) {
    items.set(item.id, item);
    const line = lineOf(item.id) ?? entry(item.id);
    const label = `${item.name}, ${when(item.modified)}${item.finished ? "" : ", stopped early"}${item.starred ? ", with a star" : ""}`;
    const [button, image] = [line.firstChild, line.querySelector("img")];
    button.title = image.alt = label;
    if (image.getAttribute("src") !== item.thumbnail) Object.assign(image, { src: item.thumbnail, width: item.size.width, height: item.size.height });
    line.querySelector(".mark").hidden = !item.starred;
    const older = [...list.children].find((each) => each !== line && items.get(each.firstChild.dataset.id).place < item.place) ?? null;
    if (line.parentNode !== list || line.nextSibling !== older) list.insertBefore(line, older);
  }

  function entry(id) {
    return el("li", { id: `picture-${id}` }, el("button", {
      type: "button", "data-id": id, tabindex: -1,
      onclick: (event) => (event.altKey ? withShown(items.get(id)) : tell("select", { picture: id })),
      onkeydown: (event) => {
        if (event.key === "Delete") remove(id);
        else if (event.key === "Enter" && event.altKey) { event.preventDefault(); withShown(items.get(id)); }
      },
    }, el("img", { loading: "lazy" }), el("span", { class: "mark", "aria-hidden": "true" }, "★")));
  }

  function withShown(item) {
    const shown = shownItem();
    if (!shown || shown.id === item.id) tell("select", { picture: item.id });
    else compare(fromItem(shown), fromItem(item), ["First", "Second"]);
  }

  function remove(id) {
    const line = lineOf(id);
    const beside = line.nextElementSibling ?? line.previousElementSibling;
    beside?.querySelector("button").focus();
    discard(items.get(id));
  }

  list.addEventListener("keydown", (event) => {
    const buttons = [...list.querySelectorAll("button")];
    const at = buttons.indexOf(document.activeElement);
    const columns = getComputedStyle(list).gridTemplateColumns.split(" ").length;
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -at, End: buttons.length - 1 - at }[event.key];
    if (by === undefined || at < 0 || event.altKey) return;
    event.preventDefault();
    buttons[Math.min(Math.max(at + by, 0), buttons.length - 1)].focus();
    tidy();
  });

  on("history", ({ added, removed, changed }) => inTurn(async () => {
    removed.forEach(drop);
    for (const id of [...added, ...changed]) {
      if (filtered() && !items.has(id)) continue;
      const item = await get(`/history/${id}`).catch(() => null);
      if (item) put(item);
    }
  }));
  on("selected", tidy);
  on("shown", tidy);
  on("connected", ({ again }) => { if (again) reload(); });
  new IntersectionObserver(([seen]) => { if (seen.isIntersecting) more(); }, { rootMargin: "400px" }).observe(end);
  return node;
}

async function openBin() {
  try {
    const { pictures } = await get("/bin");
    const list = el("ul", { class: "plainlist" }, pictures.map((each) => el("li", { class: "row spread" },
      el("span", { class: "small cut", title: each.name }, each.name),
      button("Put back", async (event) => {
        try {
          await post(`/bin/${each.id}/restore`);
          event.target.closest("li").remove();
        } catch (error) {
          complain(error);
        }
      }, { kind: "small" }))));
    open("Bin", "choice", el("div", { class: "body" }, pictures.length ? list : el("p", { class: "quiet" }, "The bin is empty.")));
  } catch (error) {
    complain(error);
  }
}
