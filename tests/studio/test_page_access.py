"""The page for everybody: the keyboard alone, a phone's width, what axe finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.studio.browser import NARROW, Open, chromium, drop, open_page, run, wait_for_step
from tests.studio.conftest import Studio, small
from tests.studio.test_page import LONG, QUICK, finished

__all__ = ["chromium", "open_page"]

MOST_TABS = 80


def tab_to(page: Any, selector: str) -> None:
    """Go on with the Tab key until an element that matches has the focus, which is seen."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            shown = "(document.activeElement.closest('label') ?? document.activeElement)"
            assert page.evaluate(f"getComputedStyle({shown}).outlineStyle") != "none", (
                f"the focus on {selector} is not seen"
            )
            return
    raise AssertionError(f"the Tab key does not come to {selector}")


def test_keyboard_alone_makes_a_picture(shared: Studio, open_page: Open) -> None:
    page = open_page(shared.address)
    page.wait_for_selector(".examples img >> nth=3")
    tab_to(page, "[data-role=content] .examples button")
    page.keyboard.press("Enter")
    page.wait_for_selector("img[alt^='Photograph:']")
    tab_to(page, "[data-role=styles] .examples button")
    page.keyboard.press("Enter")
    page.wait_for_selector("img[alt^='Painting:']")
    tab_to(page, "#strength")
    page.keyboard.press("ArrowRight")
    assert page.input_value("#strength") == "51"
    tab_to(page, "#size")
    page.keyboard.press("Control+a")
    page.keyboard.type("48")
    tab_to(page, "summary")
    page.keyboard.press("Enter")
    tab_to(page, "#setting-steps")
    page.keyboard.press("Control+a")
    page.keyboard.type("3")
    page.keyboard.press("Control+Enter")
    finished(page)
    page.keyboard.press("Escape")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("?")
    page.wait_for_selector("dialog:has-text('Keys')")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    page.keyboard.press("i")
    assert "--steps 3" in (page.text_content(".recipe pre") or "")
    tab_to(page, ".gallery button")


def test_single_keys_can_be_turned_off_and_do_nothing_in_text(
    shared: Studio, open_page: Open
) -> None:
    page = open_page(shared.address)
    page.focus("input[type=search]")
    page.keyboard.press("?")
    assert page.input_value("input[type=search]") == "?"
    assert page.locator("dialog").count() == 0
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("?")
    page.uncheck("dialog input[type=checkbox]")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    page.keyboard.press("?")
    assert page.locator("dialog").count() == 0


def fits(page: Any) -> bool:
    """Whether nothing reaches beyond the screen's width."""
    return bool(page.evaluate(
        "document.documentElement.scrollWidth <= innerWidth && ![...document.querySelectorAll("
        "'button, input, select, p, img, label')].some((each) => each.offsetParent && "
        "!each.closest('.unseen, .strip') && "
        "each.getBoundingClientRect().right > innerWidth + 1)"))  # fmt: skip


def test_narrow_screen_shows_everything_in_one_column(
    shared: Studio, open_page: Open, photo: Path, painting: Path
) -> None:
    page = open_page(shared.address, NARROW, LONG, has_touch=True)
    assert fits(page)
    page.click("summary")
    assert fits(page)
    page.click("summary")
    drop(page, photo, painting)
    run(page)
    wait_for_step(page, 2)
    assert fits(page)
    assert page.locator(".growing .picture img").bounding_box()["y"] < NARROW[1] / 2
    page.click("text=Stop and keep")
    finished(page)
    page.click("[data-key=info]")
    assert fits(page)
    page.click("[data-key=compare]")
    page.wait_for_selector(".compare")
    assert fits(page)
    page.keyboard.press("Escape")
    for opens, shows in (("#paint-masks", ".painting"), ("#sweep", "#values-0")):
        page.click(opens)
        page.wait_for_selector(shows)
        assert fits(page)
        page.keyboard.press("Escape")


def test_picture_is_seen_at_every_width(
    shared: Studio, open_page: Open, pair: dict[str, Any]
) -> None:
    shared.ended(shared.post("/jobs", small(pair))["id"])
    page = open_page(shared.address)
    page.click(".gallery button")
    finished(page)
    for width in (1440, 1121, 1120, 1000, 721, 720, 375):
        page.set_viewport_size({"width": width, "height": 800})
        box = page.locator(".finished .picture img").bounding_box()
        assert box["height"] > 200, width
        assert box["y"] + box["height"] < 800, width


def violations(page: Any) -> list[str]:
    """What axe finds in all that the page shows now: every level in light, the contrast in dark.

    The contrast is all that the system's scheme changes.
    """
    axe = pytest.importorskip("axe_playwright_python", reason="axe-core is not installed")
    if not page.evaluate("'axe' in window"):
        page.evaluate((Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    tags = ["wcag2a", "wcag2aa", "wcag2aaa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    told = []
    for scheme, only in (
        ("light", {"type": "tag", "values": tags}),
        ("dark", {"type": "rule", "values": ["color-contrast", "color-contrast-enhanced"]}),
    ):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found = page.evaluate("only => axe.run(document, { runOnly: only })", only)
        told += [
            f"{scheme}: {each['id']} ({each['impact']}): {node['html'][:160]} "
            f"{node['failureSummary']}"
            for each in found["violations"]
            for node in each["nodes"]
        ]
    return told


def test_axe_finds_nothing_in_any_state(
    shared: Studio, open_page: Open, pair: dict[str, Any], photo: Path, painting: Path
) -> None:
    made = shared.ended(shared.post("/jobs", small(pair))["id"])
    page = open_page(shared.address, settings=LONG)
    page.wait_for_selector(".gallery img")
    assert violations(page) == []
    page.click("summary")
    drop(page, photo, painting)
    run(page)
    wait_for_step(page, 2)
    assert violations(page) == []
    page.keyboard.press("Shift+X")
    page.wait_for_selector("dialog")
    assert violations(page) == []
    page.click("dialog button:text-is('Stop and keep')")
    finished(page)
    page.click("[data-key=info]")
    assert violations(page) == []
    page.keyboard.press("?")
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    page.click("[data-key=compare]")
    page.wait_for_selector(".compare")
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    for opens, shows in (
        (".finished .picture", ".zoom"),
        ("#paint-masks", ".painting"),
        ("#sweep", "#values-0"),
    ):
        page.click(opens)
        page.wait_for_selector(shows)
        assert violations(page) == []
        page.keyboard.press("Escape")
        page.wait_for_selector("dialog", state="detached")
    drop(page, shared.folder / made["result"]["name"])
    page.wait_for_selector("dialog img")
    assert violations(page) == []


def test_axe_finds_a_button_without_a_name_and_a_text_that_is_pale_in_the_dark(
    shared: Studio, open_page: Open
) -> None:
    page = open_page(shared.address, settings=QUICK)
    page.evaluate(
        """() => {
          document.querySelector('#run').replaceChildren();
          document.querySelector('h1').style.color = 'light-dark(black, #555)';
        }"""
    )
    found = violations(page)
    assert any(each.startswith("light: button-name") for each in found)
    assert any(each.startswith("dark: color-contrast") for each in found)
    assert not any(each.startswith("light: color-contrast") for each in found)
