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
  const items = new Map();
  let timer = 0;
  let next;
  let loading = null;

  const query = () => `q=${encodeURIComponent(search.value)}${starred.getAttribute("aria-pressed") === "true" ? "&starred=1" : ""}`;
  const filtered = () => Boolean(search.value.trim()) || starred.getAttribute("aria-pressed") === "true";

  async function reload() {
    next = undefined;
    loading = null;
    await page(true);
  }

  async function page(anew = false) {
    if (loading || next === null) return;
    const mine = (loading = {});
    try {
      const found = await get(`/history?limit=${PAGE}&${query()}${next ? `&after=${encodeURIComponent(next)}` : ""}`);
      if (loading !== mine) return;
      if (anew) {
        items.clear();
        list.replaceChildren();
      }
      next = found.next;
      for (const item of found.pictures) if (!items.has(item.id)) list.append(entry(item));
    } catch (error) {
      if (loading === mine) complain(error);
    } finally {
      if (loading === mine) loading = null;
      tidy();
    }
    if (end.getBoundingClientRect().top < innerHeight && next) page();
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

  function entry(item) {
    items.set(item.id, item);
    const label = `${item.name}, ${when(item.modified)}${item.finished ? "" : ", stopped early"}${item.starred ? ", with a star" : ""}`;
    const image = el("img", { src: item.thumbnail, alt: label, loading: "lazy", width: item.size.width, height: item.size.height });
    return el("li", { id: `picture-${item.id}` }, el("button", {
      type: "button", "data-id": item.id, title: label, tabindex: -1,
      onclick: (event) => (event.altKey ? withShown(item) : tell("select", { picture: item.id })),
      onkeydown: (event) => {
        if (event.key === "Delete") remove(item.id);
        else if (event.key === "Enter" && event.altKey) { event.preventDefault(); withShown(item); }
      },
    }, image, item.starred && el("span", { class: "mark", "aria-hidden": "true" }, "★")));
  }

  function withShown(item) {
    const shown = shownItem();
    if (!shown || shown.id === item.id) tell("select", { picture: item.id });
    else compare(fromItem(shown), fromItem(item), ["First", "Second"]);
  }

  function remove(id) {
    const line = document.getElementById(`picture-${id}`);
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

  on("history", async ({ added, removed, changed }) => {
    for (const id of removed) {
      items.delete(id);
      document.getElementById(`picture-${id}`)?.remove();
    }
    for (const id of [...added, ...changed]) {
      const old = document.getElementById(`picture-${id}`);
      if (!old && filtered()) continue;
      const item = await get(`/history/${id}`).catch(() => null);
      if (!item) continue;
      const made = entry(item);
      document.getElementById(`picture-${id}`)?.remove();
      const after = [...list.children].find((each) => items.get(each.id.slice(8)).modified <= item.modified);
      list.insertBefore(made, after ?? null);
    }
    tidy();
  });
  on("selected", tidy);
  on("shown", tidy);
  on("connected", ({ again }) => { if (again) reload(); });
  new IntersectionObserver(([seen]) => { if (seen.isIntersecting) page(); }, { rootMargin: "400px" }).observe(end);
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
