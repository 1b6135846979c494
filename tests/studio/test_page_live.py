"""Several pages of one studio, and what changes under a user's hands."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.studio.browser import Open, chromium, open_page, until
from tests.studio.conftest import SECONDS, Studio, small
from tests.studio.test_page import LONG

__all__ = ["chromium", "open_page"]


def test_seven_pages_of_a_browser_hear_of_a_job_and_of_its_end(
    shared: Studio, open_page: Open, pair: dict[str, Any]
) -> None:
    """A browser opens six connections to a host; a stream for each page would take all of them."""
    pages = [open_page(shared.address)]
    for _ in range(6):
        page = pages[0].context.new_page()
        page.goto(shared.address)
        page.wait_for_selector("#run")
        pages.append(page)
    job = shared.post("/jobs", small(pair, **LONG))["id"]
    for page in pages:
        page.wait_for_selector(f".queue li[data-id='{job}']")
    pages.pop(0).close()  # the first one, which began the stream
    late = pages[0].context.new_page()
    late.goto(shared.address)
    late.wait_for_selector(f".queue li[data-id='{job}']")
    shared.post(f"/jobs/{job}/cancel")
    for page in [*pages, late]:
        page.wait_for_selector(f".queue li[data-id='{job}']", state="detached")


def test_press_on_a_picture_counts_and_the_order_stays_while_pictures_change(
    shared: Studio, open_page: Open, pair: dict[str, Any]
) -> None:
    made = shared.ended(shared.post("/jobs", small(pair))["id"])
    newer = shared.folder / made["result"]["name"]
    older = shared.folder / "older.png"
    shutil.copy(newer, older)
    for path, nanoseconds in ((newer, 2), (older, 1)):  # of one second
        time = 2_000_000_000 * 10**9 + nanoseconds
        os.utime(path, ns=(time, time))
    page = open_page(shared.address)
    listed = {each["name"]: each["id"] for each in shared.get("/history")["pictures"][:2]}
    ids = [listed[path.name] for path in (newer, older)]
    order = "[...document.querySelectorAll('.gallery button')].slice(0, 2).map((e) => e.dataset.id)"
    until(page, f"{order}.join() === '{','.join(ids)}'")
    page.hover(f"[data-id='{ids[1]}']")
    page.mouse.down()
    shared.post(f"/history/{ids[1]}", {"starred": True})
    shared.post(f"/history/{ids[0]}", {"starred": True})
    page.wait_for_selector(f"[data-id='{ids[0]}'] .mark")
    page.mouse.up()
    page.wait_for_selector(f".finished img[alt='Result: {older.name}']")
    assert page.evaluate(order) == ids
    older.unlink()


def test_another_browser_enters_with_the_token_alone_and_sees_the_same_queue(
    open_studio: Callable[..., Studio], open_page: Open, photo: Path, painting: Path
) -> None:
    studio = open_studio(None, "--listen", "0.0.0.0")
    studio.post("/queue", {"held": True})  # which takes no worker
    pair = {"content": studio.upload(photo), "styles": [studio.upload(painting)]}
    page = open_page(studio.address, query=f"?token={studio.token}")
    job = studio.post("/jobs", small(pair))["id"]
    page.wait_for_selector(f".queue li[data-id='{job}']")
    context = page.context.browser.new_context()
    context.set_default_timeout(SECONDS * 1000)
    other = context.new_page()
    refused = other.goto(studio.address)
    assert refused.status == 401
    assert "token" in other.text_content("body")
    wrong = other.goto(f"{studio.address}/?token={'x' * 43}")
    assert wrong.status == 401
    other.goto(f"{studio.address}/?token={studio.token}")
    assert other.url == f"{studio.address}/"  # the token does not stay in sight
    other.wait_for_selector(f".queue li[data-id='{job}']")
    other.click(".queue [aria-label='Give up']")
    page.wait_for_selector(f".queue li[data-id='{job}']", state="detached")
    context.close()
