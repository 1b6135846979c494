"""The interface, from outside: pictures, settings, jobs, events, the history, recipes."""

from __future__ import annotations

import io
import json
import shlex
import struct
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.conftest import Outcome
from tests.studio.conftest import Studio, small
from vangram.images import read_picture, read_recipe
from vangram.settings.recipe import Recipe

LINE = ("message", "kind")


def refused(answer: Any, status: int, *words: str) -> str:
    """The line of a refusal."""
    assert answer.status_code == status, answer.content[:300]
    assert set(answer.json()) == {"error"}
    error = answer.json()["error"]
    assert tuple(error) == LINE
    assert "\n" not in error["message"]
    for word in words:
        assert word in error["message"], error["message"]
    return str(error["message"])


def test_page_and_server_say_what_they_are(shared: Studio) -> None:
    server = shared.client.get(f"{shared.address}/api/v1").json()
    assert server["version"] == 1
    assert server["tile"] == 512
    page = shared.client.get(f"{shared.address}/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    for path in ("/docs", "/redoc", "/openapi.json", "/static/../app.py", "/static/%2e%2e/app.py"):
        refused(shared.client.get(shared.address + path), 404)


# Pictures


def test_picture_is_kept_once_whatever_it_is_called(
    shared: Studio, saved: Callable[..., Path]
) -> None:
    data = saved("own.png", seed=53).read_bytes()  # no other test sends it
    first = shared.client.post("/pictures", files={"file": ("../../a.png", data, "text/html")})
    assert first.status_code == 201
    picture = first.json()
    assert picture["name"] == "a.png"
    assert picture["size"] == {"width": 64, "height": 48}
    assert picture["recipe"] is None
    again = shared.client.post("/pictures", files={"file": ("b.png", data)})
    assert again.status_code == 200
    assert again.json() == picture | {"name": "b.png"}
    assert shared.get(f"/pictures/{picture['id']}") == again.json()
    assert picture["id"] in [each["id"] for each in shared.get("/pictures")["pictures"]]
    assert shared.client.get(shared.address + picture["file"]).content == data
    thumbnail = shared.client.get(shared.address + picture["thumbnail"])
    assert thumbnail.headers["content-type"] == "image/jpeg"


def test_what_is_no_picture_is_refused_in_the_command_lines_words_and_not_kept(
    shared: Studio, tmp_path: Path, command: Callable[..., Outcome], painting: Path
) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no picture")
    answer = shared.client.post("/pictures", files={"file": ("notes.txt", text.read_bytes())})
    said = refused(answer, 422, "'notes.txt'")
    outcome = command("stylize", text, painting, "-o", tmp_path / "x.png")
    assert outcome.err == f"vangram: error: {said}\n".replace("'notes.txt'", repr(str(text)))
    assert not list((shared.folder / ".studio" / "incoming").iterdir())


def png(width: int, height: int) -> bytes:
    """A PNG that says that it is so large, and holds nothing."""
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
             (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]  # fmt: skip
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_picture_of_too_many_pixels_is_refused_before_it_is_decoded(shared: Studio) -> None:
    data = png(20_000, 20_000)
    answer = shared.client.post("/pictures", files={"file": ("huge.png", data)})
    refused(answer, 422, "'huge.png'", "limit")


def test_picture_is_noted_upright_and_transparent(shared: Studio, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 30), "red").save(tmp_path / "turned.jpg", exif=exif)
    turned = shared.get(f"/pictures/{shared.upload(tmp_path / 'turned.jpg')}")
    assert turned["size"] == {"width": 30, "height": 40}
    Image.new("RGBA", (40, 30), (255, 0, 0, 90)).save(tmp_path / "clear.png")
    clear = shared.get(f"/pictures/{shared.upload(tmp_path / 'clear.png')}")
    assert clear["alpha"]
    assert clear["notes"]


def test_examples_become_pictures(shared: Studio) -> None:
    examples = shared.get("/examples")["examples"]
    assert {each["role"] for each in examples} == {"photo", "painting"}
    picture = shared.post(f"/examples/{examples[0]['id']}")
    assert picture["name"] == examples[0]["name"]
    thumbnail = shared.client.get(shared.address + examples[0]["thumbnail"])
    assert thumbnail.headers["content-type"] == "image/jpeg"
    refused(shared.client.post("/examples/..%2f..%2fsecret"), 404)
    refused(shared.client.post("/examples/secret"), 404)


def test_tiles_are_the_pixels_of_the_picture(shared: Studio, tmp_path: Path) -> None:
    width, height = 1100, 600
    image = Image.effect_noise((width, height), 100).convert("RGB")
    image.save(tmp_path / "large.png")
    id = shared.upload(tmp_path / "large.png")

    def asked(level: int, column: int, row: int) -> Any:
        return shared.client.get(f"/pictures/{id}/tiles/{level}/{column}/{row}")

    def tile(level: int, column: int, row: int) -> Image.Image:
        return Image.open(io.BytesIO(asked(level, column, row).content))

    whole = Image.new("RGB", (width, height))
    for column in range(3):
        for row in range(2):
            whole.paste(tile(0, column, row), (512 * column, 512 * row))
    assert whole.tobytes() == image.tobytes()
    for level, size in ((1, (512, 300)), (2, (275, 150))):
        assert tile(level, 0, 0).size == size
    for place in ((0, 3, 0), (0, 0, 2), (2, 1, 0), (3, 0, 0)):
        refused(asked(*place), 404)
    refused(asked(-1, 0, 0), 422)
    refused(asked(0, 0, 10**40), 422)


# Settings


def test_settings_describe_every_control(shared: Studio) -> None:
    told = shared.get("/settings")
    properties = told["schema"]["properties"]
    assert set(properties) == set(Recipe().to_dict()) - {
        "flicker_weight", "frame_steps", "passes", "remember"
    }  # fmt: skip
    assert all(each["group"] in told["groups"] for each in properties.values())
    assert properties["size"]["default"] == 512
    assert "before" not in properties["init"]["enum"]
    assert set(told["kinds"]) == {"stylize", "texture", "reconstruct", "sweep"}
    assert told["presets"]["balanced"] == {}
    assert told["strength"]["default"] == 1.0
    networks = {each["name"]: each["here"] for each in shared.get("/networks")["networks"]}
    assert networks["vgg19-lite"]


# Jobs


def test_plan_is_what_the_run_then_takes(shared: Studio, pair: dict[str, Any]) -> None:
    body = small(pair, size=80, steps=3, noise_range=0.5)
    plan = shared.post("/plan", body)
    (note,) = plan["notes"]
    assert note.startswith("noise_range has no effect")
    assert plan["size"] == {"width": 80, "height": 60}
    assert plan["levels"] == [{"width": 80, "height": 60, "steps": 3}]
    assert plan["seconds"] > 0
    assert plan["memory"] > 10**8
    assert plan["settings"]["size"] == 80
    words = shlex.split(plan["command"])
    assert words[:2] == ["vangram", "stylize"]
    assert words[words.index("--steps") + 1] == "3"
    job = shared.ended(shared.post("/jobs", body)["id"])
    assert {name: job["plan"][name] for name in ("size", "levels", "text")} == {
        name: plan[name] for name in ("size", "levels", "text")
    }
    path = shared.folder / job["result"]["name"]
    assert read_picture(path).size == (60, 80)


def test_job_makes_the_bytes_that_the_command_line_makes(
    shared: Studio, pair: dict[str, Any], command: Callable[..., Outcome], tmp_path: Path
) -> None:
    mask = tmp_path / "mask.png"
    Image.linear_gradient("L").resize((64, 48)).point(lambda v: 255 * (v > 128)).save(mask)
    body = small(pair, seed=3, init="noise") | {"keep": shared.upload(mask)}
    job = shared.ended(shared.post("/jobs", body)["id"])
    assert job["state"] == "finished", job
    assert [loss[1] for loss in job["losses"]] == [1, 2, 3, 4]
    assert job["progress"]["done"] == 1.0
    path = shared.folder / job["result"]["name"]
    content = shared.client.get(shared.address + job["result"]["url"])
    assert content.headers["content-type"] == "image/png"
    assert content.content == path.read_bytes()
    item = shared.get(f"/history/{job['result']['history']}")
    assert item["recipe"]["inputs"]["keep"]["picture"] == body["keep"]
    words = shlex.split(item["recipe"]["command"])
    assert words[words.index("--output") + 1] == str(path)
    again = path.with_stem("again")  # beside it, as paths in the record are relative
    words[words.index("--output") + 1] = str(again)
    assert command(*words[1:], "--quiet").code == 0
    assert again.read_bytes() == path.read_bytes()
    again.unlink()


@pytest.mark.parametrize("kind", ["texture", "reconstruct"])
def test_other_kinds_are_made(shared: Studio, pair: dict[str, Any], kind: str) -> None:
    given = {name: pair[name] for name in (["styles"] if kind == "texture" else ["content"])}
    settings = {"size": 48, "steps": 2, "content_layers": {"relu2_1": 1.0}}
    body = {"kind": kind, **given, "settings": settings, "format": "jpg", "draft": True}
    job = shared.ended(shared.post("/jobs", body)["id"])
    assert job["state"] == "finished", job
    assert job["result"]["history"] is None
    answer = shared.client.get(f"/jobs/{job['id']}/result")
    assert answer.headers["content-type"] == "image/jpeg"
    assert job["result"]["name"] not in [p.name for p in shared.folder.iterdir()]
    assert shared.client.delete(f"/jobs/{job['id']}").status_code == 204
    refused(shared.client.get(f"/jobs/{job['id']}/result"), 404)


def test_sweep_makes_each_combination_and_shows_all(shared: Studio, pair: dict[str, Any]) -> None:
    vary = {"style_weight": [10, 160], "steps": [3, 2]}
    body = {"kind": "sweep", **pair, "settings": {"size": 48}, "vary": vary}
    plan = shared.post("/plan", body)
    assert plan["pictures"] == 4
    job = shared.ended(shared.post("/jobs", body)["id"])
    assert job["state"] == "finished", job
    assert [cell["values"] for cell in job["cells"]] == [
        {"style_weight": weight, "steps": steps} for weight in (10, 160) for steps in (3, 2)
    ]
    assert (job["progress"]["made"], job["progress"]["of"]) == (4, 4)
    pictures = set()
    for cell in job["cells"]:
        assert cell["settings"]["steps"] == cell["values"]["steps"]
        answer = shared.client.get(shared.address + cell["url"])
        assert answer.headers["content-type"] == "image/png"
        pictures.add(answer.content)
    assert len(pictures) == 4
    assert shared.client.get(f"/jobs/{job['id']}/result").headers["content-type"] == "image/png"
    page = shared.client.get(f"/jobs/{job['id']}/page")
    assert page.headers["content-disposition"].startswith("attachment")
    refused(shared.client.get(f"/jobs/{job['id']}/cells/4"), 404)
    refused(shared.client.get(f"/jobs/{job['id']}/cells/-1"), 404)


def test_what_cannot_run_is_refused_before_it_is_queued(
    shared: Studio, pair: dict[str, Any]
) -> None:
    before = shared.get("/jobs")
    refused(shared.client.post("/jobs", json=small(pair, size=8)), 422, "size 8 is too small")
    refused(shared.client.post("/jobs", json=small(pair, network="vgg99")), 422, "vgg99")
    refused(shared.client.post("/jobs", json=small(pair, network="vgg19")), 422, "networks fetch")
    refused(shared.client.post("/jobs", json=small(pair, device="cuda:7")), 422, "cuda:7")
    refused(shared.client.post("/jobs", json=small(pair, hue=1)), 422, "hue")
    refused(shared.client.post("/jobs", json=small(pair | {"content": "ab"})), 422, "'ab'")
    refused(shared.client.post("/jobs", json=small(pair) | {"path": "x"}), 422, "path")
    refused(shared.client.post("/jobs", content=b"{"), 422)
    json_type = {"content-type": "application/json"}
    refused(shared.client.post("/jobs", content=b"{", headers=json_type), 400)
    refused(shared.client.post("/jobs", content=b"[" * 100_000, headers=json_type), 400)
    assert shared.get("/jobs") == before


def test_request_that_is_repeated_makes_one_job(shared: Studio, pair: dict[str, Any]) -> None:
    headers = {"Idempotency-Key": "once"}
    body = small(pair, steps=1) | {"draft": True}
    answers = [shared.client.post("/jobs", json=body, headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 200, 200]
    assert len({answer.json()["id"] for answer in answers}) == 1
    shared.ended(answers[0].json()["id"])


def test_run_is_paused_resumed_stopped_and_goes_on_to_the_same_bytes(
    shared: Studio, pair: dict[str, Any]
) -> None:
    body = small(pair, size=64, steps=40, tolerance=0.0)
    whole = shared.ended(shared.post("/jobs", body)["id"])
    job = shared.post("/jobs", body)["id"]

    def at(step: int) -> Callable[[Any], bool]:
        return lambda job: bool(job["progress"] and job["progress"]["step"] >= step)

    shared.wait(job, at(3))
    assert shared.post(f"/jobs/{job}/pause")["asked"] == "pause"
    paused = shared.wait(job, lambda job: job["state"] == "paused")
    reached = paused["progress"]["step"]
    assert reached < 40
    assert not (shared.folder / whole["result"]["name"]).with_name("none").exists()
    shared.post(f"/jobs/{job}/resume")
    shared.wait(job, at(reached + 3))
    shared.post(f"/jobs/{job}/stop")
    stopped = shared.ended(job)
    assert stopped["state"] == "stopped"
    assert stopped["result"]["finished"] is False
    path = shared.folder / stopped["result"]["name"]
    record = json.loads(read_recipe(path) or "")
    assert record["finished"] is False
    shared.post(f"/jobs/{job}/resume")
    finished = shared.ended(job)
    assert finished["state"] == "finished", finished
    assert path.read_bytes() == (shared.folder / whole["result"]["name"]).read_bytes()
    assert finished["losses"] == whole["losses"]
    assert not Path(f"{path}.checkpoint").exists()


def test_preview_grows_with_the_run_and_a_cancelled_run_leaves_nothing(
    shared: Studio, pair: dict[str, Any]
) -> None:
    job = shared.post("/jobs", small(pair, size=64, steps=5000, tolerance=0.0))["id"]
    shared.wait(job, lambda job: bool(job["progress"] and job["progress"]["preview"]))
    for query in ("", "?full=1"):
        answer = shared.client.get(f"/jobs/{job}/preview{query}")
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.headers["cache-control"] == "no-cache"
    refused(shared.client.get(f"/jobs/{job}/result"), 404)
    refused(shared.client.delete(f"/jobs/{job}"), 409, "running")
    shared.post(f"/jobs/{job}/cancel")
    cancelled = shared.ended(job)
    assert cancelled["state"] == "cancelled"
    refused(shared.client.get(f"/jobs/{job}/preview"), 404)
    assert not list(shared.folder.glob(f"*{job[:4]}*"))


# Events


def test_everybody_who_listens_sees_the_run_and_gets_the_same_end(
    shared: Studio, pair: dict[str, Any]
) -> None:
    count = 30
    ends: list[dict[str, Any]] = []
    seen: list[set[str]] = []
    listening = threading.Barrier(count + 1)

    def listen() -> None:
        kinds: set[str] = set()
        kind = ""
        with shared.client.stream("GET", "/events") as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            for line in stream.iter_lines():
                if line.startswith("event: "):
                    kind = line.removeprefix("event: ")
                    if kind == "hello":
                        listening.wait(60)
                    kinds.add(kind)
                elif line.startswith("data: ") and kind == "job":
                    job = json.loads(line.removeprefix("data: "))
                    if job["request"]["settings"].get("seed") == 99 and job["state"] == "finished":
                        ends.append(job)
                        seen.append(kinds)
                        return

    threads = [threading.Thread(target=listen) for _ in range(count)]
    for thread in threads:
        thread.start()
    listening.wait(60)
    job = shared.post("/jobs", small(pair, steps=30, seed=99, tolerance=0.0) | {"draft": True})
    for thread in threads:
        thread.join(120)
    assert len(ends) == count
    assert all(end == ends[0] for end in ends)
    assert ends[0]["id"] == job["id"]
    assert all({"hello", "job", "progress", "queue"} <= kinds for kinds in seen)


# The history


def test_history_is_the_folder_whoever_made_what_is_in_it(
    shared: Studio, command: Callable[..., Outcome], photo: Path, painting: Path
) -> None:
    name = "by hand é.webp"
    output = shared.folder / name
    words = ("--size", 48, "--steps", 2, "--seed", 77, "--quiet")
    assert command("stylize", photo, painting, "-o", output, *words).code == 0
    (shared.folder / "holiday.png").write_bytes(photo.read_bytes())
    (shared.folder / "broken.png").write_bytes(b"\x89PNG nothing")
    (shared.folder / "link.png").symlink_to(photo)
    (item,) = [p for p in shared.get("/history")["pictures"] if p["name"] == name]
    names = [each["name"] for each in shared.get("/history")["pictures"]]
    assert not {"holiday.png", "broken.png", "link.png"} & set(names)
    assert item["job"] is None
    assert item["finished"]
    assert item["recipe"]["changed"] == {"size": 48, "steps": 2, "seed": 77}
    assert shared.client.get(shared.address + item["thumbnail"]).status_code == 200
    assert shared.client.get(shared.address + item["picture"]).content == output.read_bytes()
    tile = shared.client.get(shared.address + item["tiles"] + "/0/0/0")
    assert tile.headers["content-type"] == "image/png"

    found = shared.get("/history", params={"q": "hand 77"})["pictures"]
    assert [each["id"] for each in found] == [item["id"]]
    assert shared.get("/history", params={"q": "hand 78"})["pictures"] == []
    assert shared.post(f"/history/{item['id']}", {"starred": True})["starred"]
    starred = shared.get("/history", params={"starred": 1})["pictures"]
    assert [each["id"] for each in starred] == [item["id"]]

    taken = shared.post(f"/history/{item['id']}/take")
    assert taken["recipe"]["settings"] == item["recipe"]["settings"]
    assert taken["bytes"] == item["bytes"]

    deleted = shared.client.delete(f"/history/{item['id']}")
    assert deleted.status_code == 204
    place = shared.get("/bin")["pictures"][0]["id"]
    assert deleted.headers["location"] == f"/api/v1/bin/{place}"
    assert not output.exists()
    assert (shared.folder / "bin" / name).exists()
    refused(shared.client.get(f"/history/{item['id']}"), 404)
    (deleted,) = [each for each in shared.get("/bin")["pictures"] if each["name"] == name]
    restored = shared.post(f"/bin/{deleted['id']}/restore")
    assert restored == item | {"starred": True}
    assert output.exists()


def test_history_goes_on_page_by_page(shared: Studio, pair: dict[str, Any]) -> None:
    for seed in (1, 2, 3):
        shared.ended(shared.post("/jobs", small(pair, steps=1, seed=seed))["id"])
    whole = [each["id"] for each in shared.get("/history")["pictures"]]
    pages, after = [], None
    while True:
        params = {"limit": 2} | ({} if after is None else {"after": after})
        page = shared.get("/history", params=params)
        pages += [each["id"] for each in page["pictures"]]
        after = page["next"]
        if after is None:
            break
    assert pages == whole
    places = [each["place"] for each in shared.get("/history")["pictures"]]
    assert places == sorted(places, reverse=True)
    assert len(whole) >= 3
    assert len(set(whole)) == len(whole)


def test_picture_that_a_job_is_at_work_on_is_not_deleted(
    shared: Studio, pair: dict[str, Any]
) -> None:
    job = shared.post("/jobs", small(pair, size=64, steps=5000, tolerance=0.0))["id"]
    shared.wait(job, lambda job: bool(job["progress"]))
    shared.post(f"/jobs/{job}/stop")
    history = shared.ended(job)["result"]["history"]
    shared.post(f"/jobs/{job}/resume")
    shared.wait(job, lambda job: job["state"] == "running")
    refused(shared.client.delete(f"/history/{history}"), 409, "cancel")
    shared.post(f"/jobs/{job}/cancel")
    shared.ended(job)
    assert [each["id"] for each in shared.get("/bin")["pictures"]].count(history) == 1


TRAVERSALS = [
    "..",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e",
    "....//....//etc/passwd",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "a%00b",
    "studio.sqlite",
    "..%5c..%5cwindows",
    "%c0%ae%c0%ae%c0%af",
]


@pytest.mark.parametrize("name", TRAVERSALS)
@pytest.mark.parametrize(
    "path",
    [
        "/pictures/{}",
        "/pictures/{}/file",
        "/pictures/{}/thumbnail",
        "/pictures/{}/tiles/0/0/0",
        "/examples/{}/thumbnail",
        "/jobs/{}",
        "/jobs/{}/preview",
        "/jobs/{}/result",
        "/jobs/{}/page",
        "/jobs/{}/cells/0",
        "/history/{}",
        "/history/{}/picture",
        "/history/{}/thumbnail",
        "/history/{}/tiles/0/0/0",
        "/../../static/{}",
        "/../../{}",
    ],
)
def test_name_that_leads_elsewhere_leads_nowhere(shared: Studio, path: str, name: str) -> None:
    answer = shared.client.get(f"{shared.address}/api/v1{path.format(name)}")
    if answer.request.url.path in ("/", "/api/v1"):  # the client itself went up there
        return
    assert answer.status_code in (404, 405) or answer.headers["content-type"] == "application/json"
    assert b"root:" not in answer.content
    assert b"SQLite" not in answer.content


# Recipes


def test_recipe_of_a_finished_picture_makes_it_again(shared: Studio, pair: dict[str, Any]) -> None:
    body = small(pair, seed=5) | {"format": "webp", "preset": "sketch"}
    job = shared.ended(shared.post("/jobs", body)["id"])
    data = (shared.folder / job["result"]["name"]).read_bytes()
    recipe = shared.client.post("/recipe", files={"file": ("dropped.webp", data)}).json()
    assert recipe["kind"] == "stylize"
    assert recipe["settings"] == job["settings"]
    assert recipe["changed"] == {"size": 48, "steps": 4, "seed": 5, "style_weight": 10.0}
    assert recipe["inputs"]["content"]["picture"] == pair["content"]
    assert [each["picture"] for each in recipe["inputs"]["styles"]] == pair["styles"]
    before = {path.name for path in (shared.folder / ".studio" / "pictures").iterdir()}
    again = small(pair) | {"settings": recipe["changed"], "format": "webp"}
    assert shared.ended(shared.post("/jobs", again)["id"])["losses"] == job["losses"]
    assert {path.name for path in (shared.folder / ".studio" / "pictures").iterdir()} == before


def test_picture_without_a_recipe_is_told_so(shared: Studio, photo: Path) -> None:
    files = {"file": ("cat.png", photo.read_bytes())}
    refused(shared.client.post("/recipe", files=files), 422, "'cat.png' carries no recipe")
    assert not list((shared.folder / ".studio" / "incoming").iterdir())


# The queue


def test_held_queue_begins_nothing(shared: Studio, pair: dict[str, Any]) -> None:
    assert shared.post("/queue", {"held": True})["held"]
    jobs = [shared.post("/jobs", small(pair, steps=1) | {"draft": True})["id"] for _ in range(3)]
    time.sleep(0.3)
    assert [shared.job(id)["state"] for id in jobs] == ["queued"] * 3
    shared.post(f"/jobs/{jobs[2]}/move", {"to": "first"})
    assert [shared.job(id)["place"] for id in jobs] == [1, 2, 0]
    queued = shared.get("/jobs", params={"state": "queued"})["jobs"]
    assert [job["id"] for job in queued] == [jobs[2], jobs[0], jobs[1]]
    refused(shared.client.post(f"/jobs/{jobs[2]}/move", json={}), 422)
    refused(shared.client.post(f"/jobs/{jobs[2]}/move", json={"to": "middle"}), 422)
    assert not shared.post("/queue", {"held": False})["held"]
    ends = [shared.ended(id)["ended"] for id in jobs]
    assert ends[2] <= ends[0] <= ends[1]


def test_refusal_and_failure_call_a_picture_by_its_name(
    shared: Studio, photo: Path, painting: Path, saved: Callable[..., Path]
) -> None:
    pair = {"content": shared.upload(photo), "styles": [shared.upload(painting)]}
    mask = shared.upload(saved("my mask.png", 30, 41, 77))
    said = refused(shared.client.post("/plan", json=small(pair) | {"mask": mask}), 422)
    assert "'my mask.png'" in said
    assert ".studio" not in said
    lost = shared.upload(saved("my photo.png", 64, 48, 78))
    shared.post("/queue", {"held": True})
    job = shared.post("/jobs", small(pair) | {"content": lost})["id"]
    (kept,) = (shared.folder / ".studio" / "pictures").glob(f"{lost}.*")
    kept.write_bytes(b"no picture any more")
    shared.post("/queue", {"held": False})
    failed = shared.ended(job)
    assert failed["state"] == "failed"
    assert "'my photo.png'" in failed["error"]
    assert ".studio" not in failed["error"]
    kept.unlink()


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"size": ' + b"9" * 6000 + b"}", b"{", b"\xff"])
def test_body_that_is_no_json_is_said_to_be_none(shared: Studio, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    refused(shared.client.post("/jobs", content=body, headers=headers), 400, "no JSON")


def test_body_of_another_type_is_told_which_one_to_send(
    shared: Studio, pair: dict[str, Any]
) -> None:
    body = json.dumps(small(pair))
    for headers, content in (({"Content-Type": "text/plain"}, body), ({}, "[]")):
        answer = shared.client.post("/jobs", content=content, headers=headers)
        refused(answer, 422, "application/json")
