"""The studio's page in a real browser, as a user has it."""

from __future__ import annotations

import base64
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.studio.conftest import SECONDS

sync = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
SWITCHES = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
WIDE, NARROW = (1440, 900), (375, 760)
DROP = """async ([files, selector]) => {
  const data = new DataTransfer();
  for (const [name, text] of files) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    data.items.add(new File([bytes], name));
  }
  const target = document.querySelector(selector);
  for (const type of ["dragenter", "dragover", "drop"]) {
    const options = { dataTransfer: data, bubbles: true, cancelable: true };
    target.dispatchEvent(new DragEvent(type, options));
  }
}"""

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The machine's own Chromium; for a module, since Playwright keeps the thread's event loop."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine")
    with sync.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES.split())
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Open]:
    """Open the page of a studio, each in a browser profile of its own, and watch it.

    Whatever a test does, the page asks nobody but its server, breaks no rule of its content
    security policy, and no script of it fails.
    """
    contexts: list[Any] = []
    wrong: list[str] = []

    def open(
        address: str,
        size: tuple[int, int] = WIDE,
        settings: dict[str, Any] | None = None,
        query: str = "",
        **options: Any,
    ) -> Any:
        context = chromium.new_context(
            viewport={"width": size[0], "height": size[1]}, reduced_motion="reduce", **options
        )
        contexts.append(context)
        context.set_default_timeout(SECONDS * 1000)
        form = json.dumps({"previews": False, "changed": settings or {}})
        context.add_init_script(
            f"if (!localStorage['vangram-form']) localStorage['vangram-form'] = {json.dumps(form)}"
        )
        page = context.new_page()

        def requested(request: Any) -> None:
            if not request.url.startswith((address + "/", "blob:", "data:")):
                wrong.append(f"a request to {request.url}")

        def said(message: Any) -> None:
            if message.type == "error" and "Failed to load resource" not in message.text:
                wrong.append(message.text)

        page.on("request", requested)
        page.on("console", said)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(f"{address}/{query}")
        page.wait_for_selector("#run")
        return page

    yield open
    for context in contexts:
        context.close()
    assert not wrong


def drop(page: Any, *paths: Path, on: str = "body") -> None:
    """Drop files onto an element of the page."""
    files = [[path.name, base64.b64encode(path.read_bytes()).decode()] for path in paths]
    page.evaluate(DROP, [files, on])


def until(page: Any, condition: str) -> None:
    """Wait until an expression is true; `wait_for_function` would break the page's policy."""
    end = time.monotonic() + SECONDS
    while not page.evaluate(condition):
        assert time.monotonic() < end, f"this never came true: {condition}"
        page.wait_for_timeout(50)


def run(page: Any) -> None:
    """Press Run once the page knows what it takes."""
    until(page, "document.getElementById('estimate').textContent.includes('px')")
    page.click("#run")


STEP = """Number(/^step (\\d+)/.exec(
    document.querySelector('.growing .said .small')?.textContent ?? '')?.[1] ?? 0)"""
"""The step that the page says the run is at; 0 before the first."""


def wait_for_step(page: Any, least: int) -> None:
    """Wait until the run is so far."""
    until(page, f"{STEP} >= {least}")
