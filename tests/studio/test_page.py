"""The page: what an artist does with it, from two files to a finished picture and after."""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.conftest import Outcome
from tests.studio.browser import (
    NARROW,
    STEP,
    Open,
    chromium,
    drop,
    open_page,
    run,
    until,
    wait_for_step,
)
from tests.studio.conftest import Studio, small
from vangram.images import read_picture

__all__ = ["chromium", "open_page"]

QUICK = {"size": 48, "steps": 4}
LONG = {"size": 48, "steps": 100_000, "tolerance": 0}
"""Never ends by itself."""


def finished(page: Any) -> None:
    """Wait until the stage shows a picture of the history."""
    page.wait_for_selector(".finished .picture img, .finished .picture canvas")


def test_first_picture_from_two_dropped_files(
    shared: Studio, open_page: Open, photo: Path, painting: Path
) -> None:
    before = {path.name for path in shared.folder.iterdir()}
    page = open_page(shared.address)
    assert page.is_disabled("#run")
    drop(page, photo, painting)
    page.wait_for_selector("img[alt='Photograph: photo.png']")
    page.wait_for_selector("img[alt='Painting: painting.png']")
    page.fill("#size", "64")
    page.click("summary")
    page.fill("#setting-steps", "5")
    page.press("#setting-steps", "Tab")
    until(page, "document.getElementById('estimate').textContent.startsWith('64 × 48 px')")
    run(page)
    finished(page)
    made = {path.name for path in shared.folder.iterdir()} - before
    (name,) = (each for each in made if each.endswith(".png"))
    assert read_picture(shared.folder / name).size == (48, 64)
    assert page.get_attribute(".finished .picture img", "alt") == f"Result: {name}"
    width = "document.querySelector('.finished .picture img').naturalWidth"
    until(page, f"{width} === 64")
    page.wait_for_selector(f".gallery img[alt^='{name}']")


def test_pasted_picture_takes_the_empty_place(shared: Studio, open_page: Open, photo: Path) -> None:
    page = open_page(shared.address, permissions=["clipboard-read", "clipboard-write"])
    page.evaluate(
        """async (text) => {
          const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
          const blob = new Blob([bytes], { type: "image/png" });
          await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
        }""",
        base64.b64encode(photo.read_bytes()).decode(),
    )
    page.focus("input[type=search]")
    page.keyboard.press("Control+v")
    page.focus("#make .primary, #choose-content")
    page.keyboard.press("Control+v")
    page.wait_for_selector("img[alt='Photograph: image.png']")
    assert page.locator("img[alt^='Painting:']").count() == 0  # nothing was taken in the text field
    id = json.loads(page.evaluate("localStorage['vangram-form']"))["content"]
    sent = shared.folder / ".studio" / "pictures" / f"{id}.png"
    assert bool((read_picture(sent).pixels == read_picture(photo).pixels).all())


def test_every_setting_has_one_control_made_from_the_description(
    shared: Studio, open_page: Open, pair: dict[str, Any]
) -> None:
    page = open_page(shared.address)
    told = shared.get("/settings")
    page.click("summary")
    given = set(told["kinds"]["stylize"]["given"]) - {"styles"}  # of one painting, as now
    elsewhere = {"size", "blend"}
    wanted = {
        name
        for name, each in told["schema"]["properties"].items()
        if set(each.get("needs", ())) <= given
    }
    shown = {name.removeprefix("setting-"): name for name in page.eval_on_selector_all(
        ".setting [name]", "found => found.map((each) => each.id)")}  # fmt: skip
    assert set(shown) == wanted - elsewhere
    for name, id in shown.items():
        help = told["schema"]["properties"][name]["description"].replace("`", "")
        assert help in (page.text_content(f"#{id}-help") or "")


def test_value_that_is_refused_is_said_beside_its_control(
    shared: Studio, open_page: Open, photo: Path, painting: Path
) -> None:
    page = open_page(shared.address)
    drop(page, photo, painting)
    page.click("summary")
    page.fill("#setting-tv_weight", "-1")
    page.press("#setting-tv_weight", "Tab")
    page.wait_for_selector("#setting-tv_weight[aria-invalid]")
    answer = shared.client.post(
        "/plan", json=small({}, tv_weight=-1) | {"content": "a", "styles": ["a"]}
    )
    said = answer.json()["error"]["message"]
    assert (page.text_content("#estimate") or "").lower() == said.lower()
    page.click("[aria-label='Reset TV weight']")
    until(page, "document.getElementById('estimate').textContent.includes('px')")
    assert page.input_value("#setting-tv_weight") == "0.5"
    assert page.get_attribute("#setting-tv_weight", "aria-invalid") is None


def test_reload_second_page_and_restart_of_the_server_attach_to_the_run(
    open_studio: Callable[..., Studio], open_page: Open, photo: Path, painting: Path
) -> None:
    studio = open_studio()
    page = open_page(studio.address, settings=LONG)
    drop(page, photo, painting)
    run(page)
    wait_for_step(page, 2)
    (job,) = studio.get("/jobs")["jobs"]
    page.reload()
    wait_for_step(page, 3)
    page.wait_for_selector(".curve path.line")
    other = open_page(studio.address)
    wait_for_step(other, 3)
    studio.close()
    until(page, "document.getElementById('connection').textContent")
    port = studio.address.rpartition(":")[2]
    again = open_studio(studio.folder, "--port", port)
    reached = again.wait(job["id"], lambda job: job["state"] == "running" and job["progress"])
    for each in (page, other):
        until(each, "!document.getElementById('connection').textContent")
        wait_for_step(each, reached["progress"]["step"] + 1)
    assert [each["id"] for each in again.get("/jobs")["jobs"]] == [job["id"]]
    other.click("text=Give up")
    other.click("dialog button:text-is('Give up')")
    until(page, "document.querySelector('.growing .state').textContent === 'Given up'")


def test_run_is_paused_goes_on_and_is_stopped_and_kept(
    shared: Studio, open_page: Open, photo: Path, painting: Path
) -> None:
    page = open_page(shared.address, settings=LONG)
    drop(page, photo, painting)
    run(page)
    wait_for_step(page, 2)
    page.click("text=Pause")
    page.wait_for_selector(".growing .actions :text('Go on')")
    paused = page.evaluate(STEP)
    page.click(".growing .actions :text('Go on')")
    wait_for_step(page, paused + 1)
    page.click("text=Stop and keep")
    finished(page)
    assert page.text_content(".finished .state") == "As it was stopped"
    name = (page.get_attribute(".finished .picture img", "alt") or "").removeprefix("Result: ")
    assert read_picture(shared.folder / name).size == (36, 48)
    page.click(".finished .actions :text('Go on')")
    wait_for_step(page, paused + 2)
    page.click("text=Stop and keep")
    finished(page)


def test_dropped_result_gives_its_settings_only_as_one_answers(
    shared: Studio, open_page: Open, pair: dict[str, Any]
) -> None:
    body = small(pair, seed=7, init="noise", noise_range=0.5)
    made = shared.ended(shared.post("/jobs", body)["id"])
    picture = shared.folder / made["result"]["name"]
    page = open_page(shared.address)
    page.click("summary")

    def answered(answer: str) -> None:
        drop(page, picture)
        page.click(f"dialog button:text-is('{answer}')")
        page.wait_for_selector("dialog", state="detached")

    def wait_for_seed(seed: int) -> None:
        page.wait_for_selector("img[alt^='Photograph: photo']")
        until(
            page,
            f"document.querySelector('#size').value === '48'"
            f" && document.querySelector('#setting-seed').value === '{seed}'",
        )

    answered("Nothing")
    page.wait_for_timeout(300)  # in which nothing comes
    assert page.locator("img[alt^='Photograph: photo']").count() == 0
    assert (page.input_value("#size"), page.input_value("#setting-seed")) == ("512", "0")
    answered("All but the seed")
    wait_for_seed(0)
    answered("All its settings")
    wait_for_seed(7)
    assert page.input_value("#setting-init") == "noise"
    answered("The picture, as the photograph")
    page.wait_for_selector(f"img[alt='Photograph: {picture.name}']")
    assert page.input_value("#setting-seed") == "7"


def test_paintings_have_shares_that_keys_and_mouse_move(
    shared: Studio, open_page: Open, photo: Path, painting: Path, saved: Callable[..., Path]
) -> None:
    page = open_page(shared.address, settings=QUICK)
    drop(page, photo, painting)
    page.wait_for_selector("img[alt='Painting: painting.png']")
    drop(page, saved("other.png", 40, 40, 9), on="[data-role=styles] .picture")
    page.wait_for_selector("img[alt='Painting: other.png']")
    assert page.locator(".strip").count() == 0  # it took the first one's place
    with page.expect_file_chooser() as chooser:
        page.click("#add-painting")
    chooser.value.set_files(painting)
    knob = page.wait_for_selector("[role=slider]")
    assert knob.get_attribute("aria-valuenow") == "50"
    knob.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.locator("[role=slider]").get_attribute("aria-valuenow") == "60"
    box = page.locator(".shares").bounding_box()
    handle = page.locator("[role=slider]").bounding_box()
    page.mouse.move(handle["x"] + handle["width"] / 2, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 40, steps=4)
    page.mouse.up()
    with page.expect_request("**/api/v1/jobs") as posted:
        run(page)
    assert posted.value.post_data_json["settings"]["blend"] == [0.25, 0.75]
    finished(page)


def test_presets_are_shown_on_the_users_own_pair(
    shared: Studio, open_page: Open, saved: Callable[..., Path]
) -> None:
    photo, painting = saved("photo.png", seed=31), saved("painting.png", seed=32)  # its own pair
    page = open_page(shared.address, settings=QUICK)

    def smaller(route: Any) -> None:  # the test sees the same at a size that takes a moment
        body = route.request.post_data_json
        assert body["settings"] == {"size": 128}
        route.continue_(
            post_data=re.sub(r'{"size":128}', '{"size":48,"steps":2}', route.request.post_data)
        )

    page.route("**/api/v1/jobs", smaller)
    page.check("#previews")
    drop(page, photo, painting)
    until(page, "document.querySelectorAll('.presets img:not([hidden])').length === 4")
    assert page.locator(".queue li:is([data-state=queued], [data-state=running])").count() == 0
    page.check("[name=preset][value=bold]", force=True)
    page.unroute("**/api/v1/jobs")
    with page.expect_request("**/api/v1/jobs") as posted:
        run(page)
    assert posted.value.post_data_json["preset"] == "bold"
    finished(page)
    page.reload()
    until(page, "document.querySelectorAll('.presets img:not([hidden])').length === 4")
    drafts = [job for job in shared.get("/jobs")["jobs"] if job["kind"] == "sweep" and job["draft"]]
    assert len(drafts) == 1


def test_two_pictures_are_compared(shared: Studio, open_page: Open, pair: dict[str, Any]) -> None:
    for seed in (1, 2):
        shared.ended(shared.post("/jobs", small(pair, seed=seed, init="noise"))["id"])
    page = open_page(shared.address)
    until(page, "document.querySelectorAll('.gallery button').length >= 2")
    page.click(".gallery li:nth-child(1) button")
    finished(page)
    page.keyboard.press("c")
    page.wait_for_selector(".compare[data-mode=slider]")
    assert page.text_content(".compare figcaption >> nth=1") == "Photograph"
    shown = "getComputedStyle(document.querySelector('.pair')).getPropertyValue('--at')"
    assert page.evaluate(shown) == "50%"
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(shown) == "49%"
    box = page.locator(".pair").bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 50)
    page.mouse.up()
    assert page.evaluate(shown) == "80%"
    page.check("[value=beside]", force=True)
    first, second = (page.locator(".pair figure").nth(each).bounding_box() for each in (0, 1))
    assert first["x"] >= second["x"] + second["width"]
    page.check("[value=flip]", force=True)
    visible = "getComputedStyle(document.querySelectorAll('.pair figure')[1]).visibility"
    assert page.evaluate(visible) == "hidden"
    page.hover(".flip")
    page.mouse.down()
    assert page.evaluate(visible) == "visible"
    page.mouse.up()
    assert page.evaluate(visible) == "hidden"
    page.keyboard.press("Escape")
    page.wait_for_selector(".compare", state="detached")
    page.click(".gallery li:nth-child(2) button", modifiers=["Alt"])
    page.wait_for_selector(".compare")
    assert page.text_content(".compare figcaption >> nth=1") == "First"


def test_history_has_what_others_make_and_a_deleted_picture_comes_back(
    open_studio: Callable[..., Studio], open_page: Open, photo: Path, painting: Path
) -> None:
    studio = open_studio()
    page = open_page(studio.address)
    page.wait_for_selector("text=Pictures that you make appear here.")
    pair = {"content": studio.upload(photo), "styles": [studio.upload(painting)]}
    names = []
    for seed in (5, 6):
        made = studio.ended(studio.post("/jobs", small(pair, seed=seed, init="noise"))["id"])
        names.append(made["result"]["name"])
        until(page, f"document.querySelectorAll('.gallery li').length === {len(names)}")
    assert names[1] in (page.get_attribute(".gallery li:first-child img", "alt") or "")
    page.focus(".gallery li:first-child button")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    finished(page)
    assert names[0] in (page.get_attribute(".finished img", "alt") or "")
    page.keyboard.press("i")
    command = page.text_content(".recipe pre") or ""
    assert "--seed 5" in command
    assert str(studio.folder / names[0]) in command
    page.focus(".gallery li:nth-child(2) button")
    page.keyboard.press("Delete")
    until(page, "document.querySelectorAll('.gallery li').length === 1")
    assert (studio.folder / "bin" / names[0]).exists()
    page.click("text=Undo")
    until(page, "document.querySelectorAll('.gallery li').length === 2")
    assert (studio.folder / names[0]).exists()
    page.fill("input[type=search]", "no such thing")
    page.wait_for_selector("text=Nothing is like that.")


def test_undo_puts_back_the_picture_that_it_stands_beside(
    open_studio: Callable[..., Studio], open_page: Open, photo: Path, painting: Path
) -> None:
    studio = open_studio()
    pair = {"content": studio.upload(photo), "styles": [studio.upload(painting)]}
    names = []
    for seed in (5, 6):
        made = studio.ended(studio.post("/jobs", small(pair, seed=seed, init="noise"))["id"])
        names.append(made["result"]["name"])
    page = open_page(studio.address)
    for name in names:
        page.focus(f".gallery button:has(img[alt^='{name}'])")
        page.keyboard.press("Delete")
        page.wait_for_selector(f".gallery img[alt^='{name}']", state="detached")
    page.locator(".toast:has-text('Moved to the bin') >> text=Undo").first.click()
    page.wait_for_selector(f".gallery img[alt^='{names[0]}']")
    assert (studio.folder / "bin" / names[1]).exists()


def test_one_bad_file_among_several_leaves_the_others(
    shared: Studio, open_page: Open, photo: Path, painting: Path, tmp_path: Path
) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("no picture")
    page = open_page(shared.address)
    drop(page, photo, notes, painting)
    page.wait_for_selector("img[alt='Photograph: photo.png']")
    page.wait_for_selector("img[alt='Painting: painting.png']")
    assert "notes.txt" in (page.text_content("[role=alert] .toast") or "")


def test_question_about_a_picture_holds_up_no_run(
    shared: Studio, open_page: Open, photo: Path, painting: Path, saved: Callable[..., Path]
) -> None:
    page = open_page(shared.address, settings=QUICK)
    drop(page, photo, painting)
    page.wait_for_selector("img[alt='Painting: painting.png']")
    drop(page, saved("third.png", 40, 40, 9))
    page.wait_for_selector("dialog")
    until(page, "document.getElementById('estimate').textContent.includes('px')")
    assert page.is_enabled("#run")


def fail(studio: Studio, pair: dict[str, Any]) -> str:
    """The id of a job that has failed, as its photograph is none any more."""
    studio.post("/queue", {"held": True})
    failed: str = studio.post("/jobs", small(pair))["id"]
    for path in (studio.folder / ".studio" / "pictures").glob(f"{pair['content']}.*"):
        path.write_bytes(b"no picture any more")
    studio.post("/queue", {"held": False})
    assert studio.ended(failed)["state"] == "failed"
    return failed


def test_answer_that_comes_late_brings_no_dismissed_job_back(
    open_studio: Callable[..., Studio], open_page: Open, photo: Path, painting: Path
) -> None:
    studio = open_studio()
    pair = {"content": studio.upload(photo), "styles": [studio.upload(painting)]}
    failed = fail(studio, pair)
    page, late = open_page(studio.address), []

    def answer(route: Any) -> None:
        if route.request.method == "GET":
            late.append((route, route.fetch()))
        else:
            route.continue_()

    page.route(f"**/api/v1/jobs/{failed}", answer)
    page.click(f".queue li[data-id='{failed}'] .job")
    page.wait_for_selector(".growing .state.bad")
    page.wait_for_timeout(300)  # for the question
    assert late
    page.click(f".queue li[data-id='{failed}'] [aria-label='Dismiss']")
    page.wait_for_selector(f".queue li[data-id='{failed}']", state="detached")
    for route, response in late:
        route.fulfill(response=response)
    page.wait_for_timeout(300)  # in which nothing comes
    assert page.locator(".queue li").count() == 0


def test_failed_run_and_a_sweep_can_be_found_again_until_they_are_dismissed(
    open_studio: Callable[..., Studio], open_page: Open, photo: Path, painting: Path
) -> None:
    studio = open_studio()
    pair = {"content": studio.upload(photo), "styles": [studio.upload(painting)]}
    sweep = small(pair, steps=1) | {"kind": "sweep", "vary": {"seed": [1, 2]}}
    swept = studio.ended(studio.post("/jobs", sweep)["id"])
    failed = fail(studio, pair)
    page = open_page(studio.address)
    page.click(f".queue li[data-id='{swept['id']}'] .job")
    until(page, "document.querySelectorAll('.cells img').length === 2")
    page.click(f".queue li[data-id='{failed}'] .job")
    page.wait_for_selector(".growing .state.bad")
    page.click(f".queue li[data-id='{failed}'] [aria-label='Dismiss']")
    page.wait_for_selector(f".queue li[data-id='{failed}']", state="detached")
    page.reload()
    page.wait_for_selector(f".queue li[data-id='{swept['id']}']")
    assert page.locator(".queue li").count() == 1


@pytest.mark.parametrize("size", [(1440, 900), (820, 1180), NARROW])
def test_long_names_and_many_paintings_stay_within_their_column(
    shared: Studio, open_page: Open, photo: Path, saved: Callable[..., Path], size: tuple[int, int]
) -> None:
    page = open_page(shared.address, size, settings=QUICK)
    names = [f"a-painting-with-a-rather-long-name-{number}.png" for number in range(4)]
    drop(page, photo)
    page.wait_for_selector("img[alt='Photograph: photo.png']")
    paintings = [saved(name, 40, 40, 50 + at) for at, name in enumerate(names)]
    drop(page, paintings[0])
    page.wait_for_selector(f"img[alt='Painting: {names[0]}']")
    with page.expect_file_chooser() as chooser:
        page.click("#add-painting")
    chooser.value.set_files(paintings[1:])
    page.wait_for_selector(f"img[alt='Painting: {names[-1]}']")
    assert (
        page.evaluate("document.getElementById('make').getBoundingClientRect().width")
        == ({1440: 348, 820: 332, 375: 375}[size[0]])
    )
    shares, column = (page.locator(each).bounding_box() for each in (".shares", ".inputs"))
    assert shares["x"] + shares["width"] <= column["x"] + column["width"] + 0.5  # rounded


@pytest.mark.parametrize("what", ["notes.txt", "picture"])
def test_file_that_cannot_be_used_is_said_in_the_servers_words(
    shared: Studio, open_page: Open, tmp_path: Path, what: str
) -> None:
    path = tmp_path / what
    path.write_text("no picture")
    page = open_page(shared.address)
    drop(page, path)
    said = page.text_content("[role=alert] .toast") or ""
    answer = shared.client.post("/pictures", files={"file": (what, path.read_bytes())})
    assert said.lower() == answer.json()["error"]["message"].lower()


def test_painted_mask_makes_the_bytes_that_the_command_line_makes_with_the_saved_mask(
    shared: Studio,
    open_page: Open,
    photo: Path,
    painting: Path,
    tmp_path: Path,
    command: Callable[..., Outcome],
) -> None:
    page = open_page(shared.address, settings=QUICK)
    drop(page, photo, painting)
    page.wait_for_selector("img[alt^='Painting:']")
    page.click("#paint-masks")
    area = page.wait_for_selector(".painting").bounding_box()
    middle = area["x"] + area["width"] / 2, area["y"] + area["height"] / 2

    def stroke(x: float, y: float) -> None:
        page.mouse.move(middle[0] - x, middle[1] - y)
        page.mouse.down()
        page.mouse.move(middle[0] + x, middle[1] + y, steps=3)
        page.mouse.up()

    page.keyboard.press("Shift+]")
    stroke(100, 60)
    stroke(60, -60)
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+Shift+z")
    page.check("[name=target][value='2']", force=True)
    page.keyboard.press("r")
    stroke(150, 20)
    saved: list[Any] = []
    page.on("download", lambda download: saved.append(download))
    with page.expect_event("download", lambda each: each.suggested_filename == "keep.png"):
        page.click("dialog :text-is('Save')")  # the other one comes first
    paths = {each.suggested_filename: tmp_path / each.suggested_filename for each in saved}
    for each in saved:
        each.save_as(paths[each.suggested_filename])
    assert set(paths) == {"mask.png", "keep.png"}
    levels = Image.open(paths["mask.png"]).convert("L")
    assert levels.size == (64, 48)
    assert {level for _, level in levels.getcolors() or ()} == {0, 255}
    page.click("text=Use these masks")
    page.wait_for_selector("text=Edit masks")
    run(page)
    finished(page)
    name = (page.get_attribute(".finished .picture img", "alt") or "").removeprefix("Result: ")
    (item,) = (p for p in shared.get("/history")["pictures"] if p["name"] == name)
    words = shlex.split(item["recipe"]["command"])
    for option, file in (("--mask", "mask.png"), ("--keep", "keep.png")):
        used = Path(words[words.index(option) + 1])
        assert used.read_bytes() == paths[file].read_bytes()
    again, unmasked = (shared.folder / name for name in ("again.png", "unmasked.png"))
    words[words.index("--output") + 1] = str(again)
    outcome = command(*words[1:], "--quiet")
    assert outcome.code == 0, outcome.err
    made = (shared.folder / name).read_bytes()
    assert again.read_bytes() == made
    plain = ("stylize", photo, painting, "--size", 48, "--steps", 4, "--quiet")
    assert command(*plain, "-o", unmasked).code == 0
    pixels = [read_picture(each).pixels for each in (again, unmasked)]
    assert not bool((pixels[0] == pixels[1]).all())
    again.unlink()
    unmasked.unlink()


def test_soft_edge_of_a_mask_outlives_a_reload(
    shared: Studio, open_page: Open, photo: Path, painting: Path
) -> None:
    page = open_page(shared.address, settings=QUICK)
    drop(page, photo, painting)
    page.wait_for_selector("img[alt^='Painting:']")
    page.click("#paint-masks")
    page.wait_for_selector(".painting")
    page.check("[name=target][value='2']", force=True)
    page.locator(".painting").click(position={"x": 200, "y": 200})
    page.fill("#feather", "30")
    page.click("text=Use these masks")
    page.wait_for_selector("text=Edit masks")
    page.reload()
    page.click("text=Edit masks")
    page.wait_for_selector(".painting")
    assert page.input_value("#feather") == "30"


def test_large_picture_is_looked_at_in_tiles_down_to_single_pixels(
    shared: Studio, open_page: Open, pair: dict[str, Any], tmp_path: Path
) -> None:
    made = shared.ended(shared.post("/jobs", small(pair))["id"])
    small_one = shared.folder / made["result"]["name"]
    large = shared.folder / "large.png"
    with Image.open(small_one) as picture:
        info = PngInfo()
        for key, text in picture.info.items():
            if isinstance(key, str) and isinstance(text, str):
                info.add_text(key, text)
        wide = Image.linear_gradient("L").resize((4200, 3000)).convert("RGB")
        wide.putpixel((4199, 2999), (1, 2, 3))
        wide.save(large, pnginfo=info, compress_level=1)
    page = open_page(shared.address)
    page.click(".gallery button:has(img[alt^='large.png'])")
    page.wait_for_selector(".finished .picture canvas")
    page.click(".finished .picture")
    area = page.wait_for_selector(".zoom").bounding_box()
    until(page, "document.querySelectorAll('.world img').length > 1")
    page.mouse.move(area["x"] + area["width"] / 2 + 300, area["y"] + area["height"] / 2 + 100)
    page.dblclick(".zoom", position={"x": area["width"] / 2, "y": area["height"] / 2})
    assert page.text_content(".tools output") == "100 %"
    until(page, "document.querySelector(\".world img[src*='/tiles/0/']\")")
    for _ in range(30):
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowDown")
    last = "document.querySelector(\".world img[src*='/tiles/0/8/5']\")"
    until(page, f"({last})?.complete")
    corner = page.evaluate(
        f"""() => {{
          const image = {last};
          const canvas = document.createElement("canvas");
          [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
          const context = canvas.getContext("2d");
          context.drawImage(image, 0, 0);
          return [canvas.width, canvas.height,
            ...context.getImageData(canvas.width - 1, canvas.height - 1, 1, 1).data.slice(0, 3)];
        }}"""
    )
    assert corner == [4200 - 8 * 512, 3000 - 5 * 512, 1, 2, 3]
    held = page.evaluate("document.querySelectorAll('.world img').length")
    assert held < 40  # of the 54 tiles of the picture itself and those above it
    page.keyboard.press("Escape")
    large.unlink()


def test_pinch_zooms_and_paints_nothing(
    shared: Studio, open_page: Open, photo: Path, painting: Path
) -> None:
    page = open_page(shared.address, NARROW, has_touch=True)
    touches = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        fingers = [{"x": x, "y": y, "id": id} for id, (x, y) in enumerate(points)]
        touches.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})

    def pinch(selector: str) -> None:
        """Two fingers that go from 80 to 160 px apart."""
        box = page.wait_for_selector(selector).bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        touch("touchStart", (x - 40, y))
        touch("touchStart", (x - 40, y), (x + 40, y))
        for apart in (50, 60, 70, 80):
            touch("touchMove", (x - apart, y), (x + apart, y))
        touch("touchEnd")

    drop(page, photo, painting)
    page.wait_for_selector("img[alt^='Painting:']")
    page.click("#paint-masks")
    scale = "Number(/scale\\((.*)\\)/.exec(document.querySelector('.world').style.transform)[1])"
    page.wait_for_selector(".painting")
    before = page.evaluate(scale)
    pinch(".painting")
    until(page, f"Math.abs({scale} / {before} - 2) < 0.01")  # to a tenth of a pixel
    assert page.is_disabled("dialog [aria-label='Undo']")
    box = page.locator(".painting").bounding_box()
    touch("touchStart", (box["x"] + 60, box["y"] + box["height"] / 2))
    touch("touchMove", (box["x"] + 160, box["y"] + box["height"] / 2))
    touch("touchEnd")
    until(page, "!document.querySelector('dialog [aria-label=Undo]').disabled")
    assert page.evaluate(scale) == pytest.approx(2 * before, rel=0.01)


def test_sweep_shows_its_pictures_and_one_of_them_is_taken(
    shared: Studio, open_page: Open, photo: Path, painting: Path
) -> None:
    page = open_page(shared.address, settings=QUICK)
    drop(page, photo, painting)
    page.click("#sweep:enabled")
    page.fill("#values-0", "0.5, 2")
    page.select_option("#vary-1", "steps")
    page.fill("#values-1", "2, 3, many")
    page.fill("#sweep-size", "48")
    page.click("text=Run the sweep")
    page.wait_for_selector("dialog .bad:has-text('many')")
    page.fill("#values-1", "2, 3, 5")
    page.click("text=Run the sweep")
    page.wait_for_selector(".cells")
    heights = page.eval_on_selector_all(
        ".cells .picture", "all => all.map((each) => each.getBoundingClientRect().height)"
    )
    assert min(heights) > 0  # those that are not made yet have their place
    until(page, "document.querySelectorAll('.cells img').length === 6")
    page.click("[aria-label='Take this one: strength 2, steps 5']")
    page.wait_for_selector("text=Taken.")
    page.click("summary")
    assert page.input_value("#setting-steps") == "5"
    assert page.input_value("#setting-style_weight") == "160"
    assert page.input_value("#size") == "48"
    with page.expect_request("**/api/v1/jobs") as posted:
        run(page)
    assert posted.value.post_data_json["settings"]["style_weight"] == 160
    finished(page)
