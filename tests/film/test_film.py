"""`vangram film`: sound and times kept, the same bytes however often it was killed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import Outcome
from tests.film.clips import UNEVEN, make_clip, moving, packets
from tests.film.test_video import decoded
from tests.images.files import chunk, png
from tests.run.test_warp import constant, write_flow
from vangram.cli import film_runner
from vangram.cli.commands.film import parse_time
from vangram.errors import SettingError
from vangram.film import output as film_output
from vangram.film.film import Film, FilmSettings
from vangram.film.folder import WorkFolder
from vangram.film.output import milliseconds, record_in
from vangram.film.video import Timing, clock
from vangram.images import read_frames, read_picture
from vangram.settings.inputs import Inputs
from vangram.settings.recipe import Recipe
from vangram.settings.record import Record

pytest.importorskip("cv2", reason="the extra `film` is not installed")

Command = Callable[..., Outcome]
TINY: tuple[Any, ...] = ("--size", 44, "--steps", 2, "--frame-steps", 1, "--passes", 1, "--quiet")
SECONDS = 240


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Six frames with sound, at a variable rate."""
    return make_clip(tmp_path / "in.mp4", starts=UNEVEN, sound=True)


def kept_to_the_end(film: Film, index: int, image: torch.Tensor) -> None:
    """Keep a result that is painted everywhere."""
    film.work.keep(index, 1, image.half(), torch.ones_like(image[:, :1]).half())


def assert_refused(outcome: Outcome, said: str) -> None:
    assert outcome.code == 2
    assert said in outcome.err
    assert len(outcome.err.splitlines()) == 1, outcome.err


def test_film_keeps_times_and_sound_and_is_made_again(
    command: Command, clip: Path, painting: Path, tmp_path: Path
) -> None:
    done = command("film", clip, painting, "-o", tmp_path / "out.mp4", *TINY)
    assert done.code == 0, done.err
    assert done.out == f"{tmp_path / 'out.mp4'}\n"
    frames, timing = decoded(tmp_path / "out.mp4")
    assert timing == decoded(clip)[1]
    assert frames[0].shape == (1, 3, 34, 44)  # one row more
    assert packets(tmp_path / "out.mp4", "audio") == packets(clip, "audio")
    assert not (tmp_path / "out.mp4.film").exists()

    record = record_in(tmp_path / "out.mp4")
    assert record.recipe.frame_steps == 1
    assert record.inputs.content is not None
    assert record.inputs.content.path == "in.mp4"
    made = command("rerun", tmp_path / "out.mp4", "--quiet")
    assert made.code == 0, made.err
    assert "the same bytes" in made.err

    again = command("film", clip, painting, "-o", tmp_path / "out.mp4", *TINY)
    assert again.code == 0
    assert "is this film already" in again.err
    other = command("film", clip, painting, "-o", tmp_path / "out.mp4", *TINY, "--style-weight", 3)
    assert_refused(other, "--force")
    assert not (tmp_path / "out.mp4.film").exists()


# Dies when a file is about to replace another, or has just done so. Forked, so that torch is
# imported once.
KILLED = """
import os, signal, sys
import vangram.cli, vangram.cli.film_runner
kills, arguments = sys.argv[1].split(","), sys.argv[2:]
replace, count = os.replace, 0
def counted(*paths):
    global count
    count += 1
    if count == at and at % 2:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(*paths)
    if count == at:
        os.kill(os.getpid(), signal.SIGKILL)
codes = []
for at in map(int, kills):
    child = os.fork()
    if not child:
        os.replace, sys.argv = counted, ["vangram", *arguments]
        vangram.cli.main()
    codes.append(os.waitpid(child, 0)[1])
print(codes, file=sys.stderr)
"""


def test_film_killed_five_times_has_the_same_bytes(
    command: Command, clip: Path, painting: Path, tmp_path: Path
) -> None:
    words = [clip, painting, *TINY, "--passes", 2]
    assert command("film", *words, "-o", tmp_path / "whole.mp4").code == 0
    # At the fourth frame that is read; at the cuts; in the first pass; in the second; between the
    # film and the end of its work; and 0: to the end.
    kills = "5,5,6,4,4,0"
    done = subprocess.run(
        [sys.executable, "-c", KILLED, kills, "film", *map(str, words), "-o", "out.mp4"],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.stderr.splitlines()[-1] == "[9, 9, 9, 9, 9, 0]", done.stderr
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    assert not (tmp_path / "out.mp4.film").exists()


def test_shards_of_shots_equal_the_whole(
    command: Command, clip: Path, painting: Path, tmp_path: Path
) -> None:
    (tmp_path / "cuts.txt").write_text("0:00.142\n0.283\n")
    words = [clip, painting, *TINY, "--shots", tmp_path / "cuts.txt"]
    assert command("film", *words, "-o", tmp_path / "whole.mp4").code == 0
    said = []
    for number in (1, 2, 3):
        assert not (tmp_path / "out.mp4").exists()
        done = command("film", *words, "-o", tmp_path / "out.mp4", "--shard", f"{number}/3")
        assert done.code == 0, done.err
        said.append(done.err)
        if (tmp_path / "out.mp4").exists():
            break
    left = [each for each in said if "left to others" in each]
    assert left
    assert all(("shots" in each) == ("," in each) for each in left)
    assert all((" shot " in each) == (" is left" in each) for each in left)
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


def test_truncated_film_is_painted_as_far_as_it_is_whole(
    command: Command, painting: Path, tmp_path: Path
) -> None:
    whole = make_clip(tmp_path / "whole.mp4", moving(count=30), front=True).read_bytes()
    (tmp_path / "in.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    done = command("film", tmp_path / "in.mp4", painting, "-o", tmp_path / "out.mp4", *TINY)
    assert done.code == 0, done.err
    assert "is damaged: 30 frames announced" in done.err
    assert 1 <= len(decoded(tmp_path / "out.mp4")[0]) < 30


def test_frames_of_another_size_in_the_middle_are_refused(
    command: Command, painting: Path, tmp_path: Path
) -> None:
    parts = [moving(), moving(64, 48, 3), moving()]
    files = [make_clip(tmp_path / f"{n}.ts", part) for n, part in enumerate(parts)]
    (tmp_path / "in.ts").write_bytes(b"".join(file.read_bytes() for file in files))
    done = command("film", tmp_path / "in.ts", painting, "-o", tmp_path / "out.mp4", *TINY)
    assert_refused(done, "changes from 64 x 48 to 48 x 64 px")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-o", "out.avi"), "names no film to write"),
        (("-o", "in.mp4"), "is one of the pictures given"),
        (("-o", "missing/out.mp4"), "does not exist"),
        (("-o", "out.mp4", "--from", "soon"), "is no time"),
        (("-o", "out.mp4", "--from", "2", "--to", "1"), "is not after"),
        (("-o", "out.mp4", "--key", "1"), "is no key"),
        (("-o", "out.mp4", "--key", "0=painting.png"), "keys need times"),
        (("-o", "out.mp4", "--init", "photo.png"), "starts from its frames"),
        (("-o", "out.mp4", "--size", "8"), "too small"),
        (("-o", "out.mp4", "--mask", "missing.png"), "missing.png"),
        (("-o", "out.mp4", "--shots", "missing.txt"), "cannot be read"),
        (("-o", "out.mp4", "--shots", "cuts.txt"), "'cuts.txt': 'soon' is no time"),
        (("-o", "out.mp4", "--from", "9"), "'in.mp4' ends at 0:00.36; give an earlier --from"),
        (
            ("-o", "out.mp4", "--from", "0.11", "--to", "0.12"),
            "'in.mp4' has no frame from 0:00.11 to 0:00.12; give a later --to",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(
    arguments: tuple[str, ...],
    said: str,
    command: Command,
    clip: Path,
    painting: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(clip.parent)
    Path("cuts.txt").write_text("1\nsoon\n")
    assert_refused(command("film", "in.mp4", "painting.png", *arguments), said)
    assert clip.exists()


def test_part_after_the_end_of_an_animation_or_a_folder_is_refused(
    command: Command, painting: Path, tmp_path: Path
) -> None:
    first, *others = (Image.fromarray(each) for each in moving(count=4))
    first.save(tmp_path / "in.webp", save_all=True, append_images=others, duration=500)
    (tmp_path / "frames").mkdir()
    first.save(tmp_path / "frames" / "1.png")
    for name, said in (("in.webp", "ends at 0:02; give"), ("frames", "ends at 0:00.04; give")):
        words = (tmp_path / name, painting, "-o", tmp_path / "out.mp4", *TINY)
        assert_refused(command("film", *words, "--from", 10, "--to", 20), said)
    words = (tmp_path / "in.webp", painting, "-o", tmp_path / "out.mp4", *TINY)
    assert_refused(command("film", *words, "--from", 0.1, "--to", 0.2), "give a later --to")


def test_part_after_the_end_of_a_stream_is_refused(
    command: Command, painting: Path, tmp_path: Path
) -> None:
    clip = make_clip(tmp_path / "in.ts", moving(count=50))
    words = (clip, painting, "-o", tmp_path / "out.mp4", *TINY)
    assert_refused(command("film", *words, "--from", 10), "ends at 0:02; give an earlier --from")


def test_animations_and_folders_keep_their_timing(
    command: Command, painting: Path, tmp_path: Path
) -> None:
    first, *others = (Image.fromarray(each) for each in moving(count=4))
    shown = [40, 120, 300, 80]
    first.save(
        tmp_path / "in.webp", save_all=True, append_images=others, duration=shown, lossless=True
    )
    previous = tmp_path / "in.webp"
    for name in ("out.png", "out.gif", "out.mp4", "again.webp"):
        done = command("film", previous, painting, "-o", tmp_path / name, *TINY)
        assert done.code == 0, done.err
        previous = tmp_path / name
    assert decoded(tmp_path / "out.mp4")[1].seconds == pytest.approx([0, 0.04, 0.16, 0.46])
    for name in ("out.mp4", "again.webp"):
        assert_refused(command("explain", tmp_path / name), "is a film, whose frames have a loss")
        assert_refused(
            command("resume", tmp_path / name), "the same `vangram film` command goes on"
        )
    with read_frames(tmp_path / "again.webp") as (count, frames):
        assert count == 4
        assert [int((each.seconds or 0) * 1000) for each in frames] == shown
    assert record_in(tmp_path / "out.png").film is not None
    for name in ("rerun", "explain"):
        assert_refused(command(name, tmp_path / "out.gif"), "is a GIF, which holds no recipe")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("out.webp", ".webp"),
        ("out.png", ".png"),
        ("out.gif", ".gif"),
        ("out", "a folder of frames"),
        ("out.webm", ".webm"),
        ("out.mp4", None),
    ],
)
def test_sound_that_is_left_out_is_told_once(
    command: Command, clip: Path, painting: Path, tmp_path: Path, name: str, kind: str | None
) -> None:
    done = command("film", clip, painting, "-o", tmp_path / name, "--to", "0.1", *TINY)
    assert done.code == 0, done.err
    said = [line for line in done.err.splitlines() if "left out" in line]
    label = repr(str(clip))
    line = f"the audio of {label} (aac) is left out, as {kind} cannot hold it; .mkv can hold most"
    assert said == ([f"vangram: note: {line}"] if kind else [])


@pytest.mark.parametrize("name", ["out.webp", "out.png", "out.gif", "out", "out.mp4"])
def test_transparent_animation_stays_transparent(
    command: Command, painting: Path, tmp_path: Path, name: str
) -> None:
    first, *others = (Image.new("RGBA", (44, 34)) for _ in range(2))
    for index, frame in enumerate((first, *others)):
        frame.paste((0, 200, 0, 255), (4 + 16 * index, 8, 24 + 16 * index, 28))
    first.save(tmp_path / "in.gif", save_all=True, append_images=others, disposal=2)
    done = command("film", tmp_path / "in.gif", painting, "-o", tmp_path / name, *TINY)
    assert done.code == 0, done.err
    assert ("transparency, which is left out" in done.err) == (name == "out.mp4")
    if name == "out.mp4":
        return
    if name == "out":
        found = [read_picture(path) for path in sorted((tmp_path / name).iterdir())]
    else:
        with read_frames(tmp_path / name) as (_, frames):
            found = list(frames)
    for picture, wanted in zip(found, (first, *others), strict=True):
        assert picture.alpha is not None
        shown = torch.from_numpy(np.array(wanted.getchannel("A"))) / 255
        assert torch.equal(picture.alpha[0, 0], shown)


def test_notes_on_any_frame_are_told_once(command: Command, painting: Path, tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    lost = chunk(b"gAMA", (50_000).to_bytes(4, "big"), check=1)
    for number, levels in enumerate(moving(count=3)):
        path = tmp_path / "frames" / f"{number}.png"
        path.write_bytes(png(levels, lost) if number else png(levels))
    done = command("film", tmp_path / "frames", painting, "-o", tmp_path / "out", *TINY)
    assert done.code == 0, done.err
    for number, times in enumerate((0, 1, 1)):
        said = [line for line in done.err.splitlines() if f"{number}.png'" in line]
        assert len(said) == times, done.err


def test_folder_of_frames_in_and_out(command: Command, painting: Path, tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    for number, levels in enumerate(moving(count=3)):
        Image.fromarray(levels).save(tmp_path / "frames" / f"f{number + 9}.png")
    done = command("film", tmp_path / "frames", painting, "-o", tmp_path / "painted", *TINY)
    assert done.code == 0, done.err
    names = sorted(path.name for path in (tmp_path / "painted").iterdir())
    assert names == ["f10.png", "f11.png", "f9.png"]
    assert record_in(tmp_path / "painted").film is not None
    words = (tmp_path / "frames", painting, "-o", tmp_path / "out.mp4", "--rate", 5)
    assert command("film", *words, *TINY).code == 0
    assert decoded(tmp_path / "out.mp4")[1].seconds == pytest.approx([0, 0.2, 0.4])


def test_single_frame_is_a_film(command: Command, painting: Path, tmp_path: Path) -> None:
    make_clip(tmp_path / "in.mp4", moving(count=1))
    done = command("film", tmp_path / "in.mp4", painting, "-o", tmp_path / "out.mp4", *TINY)
    assert done.code == 0, done.err
    assert len(decoded(tmp_path / "out.mp4")[0]) == 1
    told = command("film", tmp_path / "in.mp4", painting, "-o", tmp_path / "told", *TINY[:-1])
    assert "vangram: 1 frame of 44 x 33 px in one shot" in told.err


def film_of(path: Path, painting: Path, output: Path, **changes: Any) -> Film:
    recipe = Recipe(size=changes.pop("size", 44), steps=1, frame_steps=1, passes=1)
    inputs = Inputs(content=str(path), styles=(str(painting),), **changes)
    return Film.prepare(output, inputs, recipe, FilmSettings())


def test_mask_may_be_a_film(painting: Path, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    for number in range(6):
        levels = np.zeros((48, 64), np.uint8)
        levels[:, : 8 * number + 8] = 255
        Image.fromarray(levels).save(tmp_path / "masks" / f"{number}.png")
    film = film_of(clip, painting, tmp_path / "out.mp4", keep=str(tmp_path / "masks"))
    film.first_run()
    assert list(film.extract())
    film.find_shots()
    for index in (0, 5):
        keep: Any = film.shot(0).inputs_of(index).keep
        assert float(keep.pixels.mean()) == pytest.approx((index + 1) / 8, abs=0.01)
    (tmp_path / "masks" / "5.png").unlink()
    short = film_of(clip, painting, tmp_path / "short.mp4", keep=str(tmp_path / "masks"))
    with pytest.raises(Exception, match=r"has 5 frames, the film\s+6"):
        list(short.extract())


@pytest.mark.parametrize(("library", "said"), [("cv2", "OpenCV"), ("av", "PyAV")])
def test_library_that_is_missing_is_named(
    library: str, said: str, command: Command, clip: Path, painting: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setitem(sys.modules, library, None)
    done = command("film", clip, painting, "-o", tmp_path / "out.mp4", *TINY)
    assert_refused(done, said)
    assert "pip install 'vangram[film]'" in done.err


def test_film_whose_flow_is_given_needs_no_opencv(
    command: Command, painting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    for number, levels in enumerate(moving(count=3), 1):
        (tmp_path / "frames").mkdir(exist_ok=True)
        Image.fromarray(levels).save(tmp_path / "frames" / f"{number}.png")
        for name in (f"{number}.flo", f"{number}-back.flo"):
            write_flow(tmp_path / name, constant(0, 0, 48, 64))
    words = (tmp_path / "frames", painting, "-o", tmp_path / "out", *TINY, "--flow", tmp_path)
    assert_refused(command("film", *words), "--remember 1")
    done = command("film", *words, "--remember", 1)
    assert done.code == 0, done.err


def test_shares_go_from_key_to_key() -> None:
    settings = FilmSettings(keys=((0, (1, 0)), (2, (0.5, 0.5)), (4, (0, 1))))
    assert settings.shares(0) == (1, 0)
    assert settings.shares(1) == (0.75, 0.25)
    assert settings.shares(3) == (0.25, 0.75)
    assert settings.shares(9) == (0, 1)
    assert FilmSettings.from_dict(json.loads(json.dumps(vars(settings)))) == settings


def test_key_changes_the_style_along_the_film(
    command: Command, clip: Path, painting: Path, photo: Path, tmp_path: Path
) -> None:
    """As pictures: a codec's first frame depends on those that follow."""
    words = [clip, painting, "--key", f"0.3={photo}", *TINY]
    done = command("film", *words, "-o", tmp_path / "keyed")
    assert done.code == 0, done.err
    keyed = sorted((tmp_path / "keyed").glob("*.png"))
    film = record_in(tmp_path / "keyed").film
    assert film is not None
    assert film["keys"] == [[0, [1, 0]], [0.3, [0, 1]]]
    assert command("film", clip, painting, *TINY, "-o", tmp_path / "plain").code == 0
    plain = sorted((tmp_path / "plain").glob("*.png"))
    same = [
        np.array_equal(np.asarray(Image.open(a)), np.asarray(Image.open(b)))
        for a, b in zip(keyed, plain, strict=True)
    ]
    assert same[0]
    assert not same[-1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--key", "0.3="], ""),
        (["--key", "5="], "note: the film ends at 0:00.36, before the key at 0:05"),
        (["--key", "0.3=", "--key", "5=", "--key", "1:10="], "before the keys at 0:05, 1:10"),
        (["--to", "0.3", "--key", "0.35="], "ends at 0:00.32, before the key at 0:00.35"),
        (["--from", "0.1", "--key", "0.3="], "ends 0:00.26 after --from, before the key at 0:00.3"),
    ],
)
def test_key_after_the_end_is_told(
    words: list[str], said: str, command: Command, clip: Path, painting: Path, tmp_path: Path
) -> None:
    keys = [f"{word}{painting}" if word.endswith("=") else word for word in words]
    done = command("film", clip, painting, *keys, *TINY, "-o", tmp_path / "out.mp4")
    assert done.code == 0, done.err
    assert said in done.err
    assert ("before the key" in done.err) == bool(said)


def test_preview_shows_the_film_so_far(
    command: Command, clip: Path, painting: Path, tmp_path: Path
) -> None:
    words = ["film", clip, painting, *TINY, "--preview", tmp_path / "so-far.mp4"]
    assert command(*words, "-o", tmp_path / "out.mp4").code == 0
    assert len(decoded(tmp_path / "so-far.mp4")[0]) == 6
    assert not record_in(tmp_path / "so-far.mp4").finished


def test_film_so_far_ends_before_the_first_frame_that_is_missing(
    clip: Path, painting: Path, tmp_path: Path
) -> None:
    film = film_of(clip, painting, tmp_path / "out.mp4")
    assert list(film.extract()) == [1, 2, 3, 4, 5, 6]
    film.find_shots()
    for index in (0, 1, 3):
        kept_to_the_end(film, index, torch.full((1, 3, 33, 44), 0.5))
    film_output.write_film(film, tmp_path / "part.mp4", overwrite=True, finished=False)
    assert decoded(tmp_path / "part.mp4")[1].starts == UNEVEN[:2]


def test_part_of_a_film_is_painted(
    command: Command, clip: Path, painting: Path, tmp_path: Path
) -> None:
    words = [clip, painting, *TINY, "--from", "0:00.1", "--to", "0.3"]
    assert command("film", *words, "-o", tmp_path / "out.mp4").code == 0
    assert decoded(tmp_path / "out.mp4")[1].starts == tuple(t - 1300 for t in UNEVEN[1:5])


def test_other_work_in_the_folder_is_not_lost(
    command: Command, clip: Path, painting: Path, tmp_path: Path
) -> None:
    next(film_of(clip, painting, tmp_path / "out.mp4").extract())
    done = command("film", clip, painting, *TINY, "-o", tmp_path / "out.mp4")
    assert_refused(done, "is the work on another film")
    assert (tmp_path / "out.mp4.film" / "film.json").exists()
    assert_refused(
        command("resume", tmp_path / "out.mp4"), "the same `vangram film` command goes on"
    )
    assert command("film", clip, painting, *TINY, "-o", tmp_path / "out.mp4", "--force").code == 0


def test_memory_does_not_grow_with_the_length(painting: Path, tmp_path: Path) -> None:
    """2,000 frames of 64 px, painted by copying them; float32 would take 28 MB for each half."""
    make_clip(tmp_path / "in.mp4", [moving(36)[0]] * 2000)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, tmp_path, painting],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        cwd=Path(__file__).parent.parent.parent,
        check=True,
    )
    half, whole = json.loads(done.stdout)
    # Half of that, for the encoder, and the blocks that allocators keep.
    assert whole - half < 1000 * 3 * 36 * 64 * 4 / 2


MEASURE = """
import json, os, resource, sys
from pathlib import Path
os.fsync = lambda descriptor: None  # of 4,000 files
from tests.film.test_film import film_of, kept_to_the_end
from vangram.film.output import write_film
folder, painting, peaks = Path(sys.argv[1]), Path(sys.argv[2]), []
def note_peak():
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
film = film_of(folder / "in.mp4", painting, folder / "out.mp4", size=64)
for count in film.extract():
    if count == 1000:
        note_peak()
assert count == 2000
film.find_shots()
for index in range(count):
    kept_to_the_end(film, index, film.frames.frame(index).pixels)
write_film(film, film.output, overwrite=True)
note_peak()
print(json.dumps(peaks))
"""


def test_process_that_comes_late_leaves_the_film_of_another(
    command: Command, clip: Path, painting: Path, tmp_path: Path
) -> None:
    words = (clip, painting, "-o", tmp_path / "out.mp4", "--size", 44, "--steps", 1, "--quiet")
    late = film_of(clip, painting, tmp_path / "out.mp4")
    list(late.extract())
    late.find_shots()
    assert len(late.shots) == 1
    assert late.share_painted(0) == 0
    assert command("film", *words, "--frame-steps", 1, "--passes", 1).code == 0
    made = (tmp_path / "out.mp4").stat().st_mtime_ns
    film_runner._paint(late, [0], quiet=True, preview=None)
    film_runner._finish(late, force=False, is_part=False)
    assert (tmp_path / "out.mp4").stat().st_mtime_ns == made
    assert not (tmp_path / "out.mp4.film").exists()


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("1:30", 90), ("0:01:30.5", 90.5), ("2:00:00", 7200)]
)
def test_times_are_written_as_people_do(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(2, "0:02"), (0.36, "0:00.36"), (59.999, "1:00"), (90.5, "1:30.5"), (3610, "1:00:10")],
)
def test_times_are_shown_as_people_write_them(seconds: float, text: str) -> None:
    assert clock(seconds) == text
    assert parse_time(text) == pytest.approx(seconds, abs=0.005)


@pytest.mark.parametrize("text", ["", "-1", "1:2:3:4", "1h", "1:"])
def test_other_texts_are_no_times(text: str) -> None:
    with pytest.raises(SettingError, match="is no time"):
        parse_time(text)


def test_time_beyond_any_film_is_refused() -> None:
    with pytest.raises(SettingError, match="beyond the end"):
        parse_time("9" * 400)


def test_durations_of_an_animation_do_not_drift() -> None:
    timing = Timing(Fraction(1, 30), tuple(range(30)))
    assert sum(milliseconds(timing, 10)) == 1000
    assert set(milliseconds(timing, 10)) == {30, 40}


def folder_of(path: Path, count: int, suffix: str = ".png") -> Path:
    """A folder of frames named f8, f9, f10 and on."""
    path.mkdir(exist_ok=True)
    for number, levels in enumerate(moving(count=count), 8):
        Image.fromarray(levels).save(path / f"f{number}{suffix}")
    return path


def test_part_of_a_folder_has_its_own_names_and_masks(
    command: Command, painting: Path, tmp_path: Path
) -> None:
    """At 25 frames a second, 0.04 is the second frame's time, and 0.12 the fourth's."""
    words = (folder_of(tmp_path / "frames", 4), painting, "-o", tmp_path / "out", *TINY)
    done = command("film", *words, "--from", "0.04", "--to", "0.12")
    assert done.code == 0, done.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["f10.png", "f9.png"]
    film = Film.prepare(
        tmp_path / "late.mp4",
        Inputs(
            content=str(tmp_path / "frames"),
            styles=(str(painting),),
            keep=str(folder_of(tmp_path / "masks", 4)),
        ),
        Recipe(size=44),
        FilmSettings(since=0.4, rate=5),
    )
    film.first_run()
    assert film.name(0) == "f10"
    assert list(film.extract()) == [1, 2, 1, 2]


@pytest.mark.parametrize("name", ["frames", "in.mp4", "in.webp"])
@pytest.mark.parametrize(
    ("times", "said"),
    [
        (("--from", "9"), "give an earlier --from"),
        (("--from", "999999999"), "give an earlier --from"),
        (("--to", "0"), "give a later --to"),
    ],
)
def test_times_without_frames_are_told(
    command: Command,
    painting: Path,
    tmp_path: Path,
    name: str,
    times: tuple[str, str],
    said: str,
) -> None:
    folder_of(tmp_path / "frames", 2)
    make_clip(tmp_path / "in.mp4", moving(count=2))
    first, second = (Image.fromarray(each) for each in moving(count=2))
    first.save(tmp_path / "in.webp", save_all=True, append_images=[second])
    done = command("film", tmp_path / name, painting, "-o", tmp_path / "out.mp4", *TINY, *times)
    assert_refused(done, said)


@pytest.mark.parametrize("name", [".", "/", "..", "painting.png/.."])
def test_output_without_a_name_is_refused(command: Command, painting: Path, name: str) -> None:
    done = command("film", painting, painting, "-o", name, *TINY, "--force")
    assert_refused(done, "is no name for a film")


def test_output_that_is_a_file_is_no_folder(
    command: Command, painting: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("kept")
    done = command("film", painting, painting, "-o", tmp_path / "out", *TINY, "--force")
    assert_refused(done, "is a file")
    assert (tmp_path / "out").read_text() == "kept"


def test_pictures_of_one_name_are_all_written(
    command: Command, painting: Path, tmp_path: Path
) -> None:
    folder_of(tmp_path / "frames", 1, ".jpg")
    words = (folder_of(tmp_path / "frames", 1), painting, "-o", tmp_path / "out", *TINY)
    assert command("film", *words).code == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["f8.jpg.png", "f8.png.png"]


def begun(command: Command, words: list[Any], output: Path, at: int) -> None:
    """Paint a film until an image was kept `at` times."""
    kept = 0

    def keep(self: WorkFolder, *values: Any) -> None:
        nonlocal kept
        KEEP(self, *values)
        kept += 1
        if kept == at:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WorkFolder, "keep", keep)
        assert command("film", *words, "-o", output).code == 130


KEEP = WorkFolder.keep


@pytest.mark.parametrize("damage", ["cut", "empty", "garbage", "missing", "folder"])
@pytest.mark.parametrize("file", ["images/000002.safetensors", "frames/000002.png"])
def test_damaged_work_is_made_again_to_the_same_bytes(
    command: Command, clip: Path, painting: Path, tmp_path: Path, file: str, damage: str
) -> None:
    words = [clip, painting, *TINY, "--passes", 2]
    begun(command, words, tmp_path / "out.mp4", 11)
    path = tmp_path / "out.mp4.film" / file
    contents = path.read_bytes()
    if damage in ("missing", "folder"):
        path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage != "missing":
        path.write_bytes({"cut": contents[:-20], "empty": b"", "garbage": b"x" * 99}[damage])
    done = command("film", *words, "-o", tmp_path / "out.mp4")
    if "frames" in file and damage != "missing":
        assert_refused(done, f"remove '{path}'")
        path.rmdir() if damage == "folder" else path.unlink()
        done = command("film", *words, "-o", tmp_path / "out.mp4")
    assert done.code == 0, done.err
    assert ("images of shot 1 are missing" in done.err) == ("images" in file)
    assert command("film", *words, "-o", tmp_path / "whole.mp4").code == 0
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


@pytest.mark.parametrize(
    "changes",
    [
        {"record": 1}, {"record": "x"}, {"memory": "x"}, {"notes": [1]}, {"shots": [1]},
        {"shots": [0, 99]}, {"shots": []}, {"timing": "x"},
        {"timing": {"base": "1/0", "starts": [0], "last": 1}},
        {"timing": {"base": "1/25", "starts": [], "last": 1}},
        {"timing": {"base": "1/25", "starts": [3, 2], "last": 1}},
    ],
)  # fmt: skip
def test_damaged_state_is_told(
    command: Command, clip: Path, painting: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    words = [clip, painting, *TINY]
    begun(command, words, tmp_path / "out.mp4", 1)
    path = tmp_path / "out.mp4.film" / "film.json"
    for values in (json.loads(path.read_text()) | changes, [1]):
        path.write_text(json.dumps(values))
        assert_refused(command("film", *words, "-o", tmp_path / "out.mp4"), "remove")


def test_what_another_film_has_left_is_not_taken(
    command: Command, clip: Path, painting: Path, tmp_path: Path
) -> None:
    """As after a kill while the work on that film was removed: its state goes first."""
    other = make_clip(tmp_path / "other.mp4", [each[::-1].copy() for each in moving()])
    begun(command, [other, painting, *TINY], tmp_path / "out.mp4", 3)
    (tmp_path / "out.mp4.film" / "film.json").unlink()
    words = [clip, painting, *TINY]
    assert command("film", *words, "-o", tmp_path / "out.mp4").code == 0
    assert command("film", *words, "-o", tmp_path / "whole.mp4").code == 0
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


def test_folder_with_the_rest_of_a_kill_alone_is_empty(
    command: Command, clip: Path, painting: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".vangram-0123456789abcdef.part").write_bytes(b"x")
    done = command("film", clip, painting, *TINY, "-o", tmp_path / "out")
    assert done.code == 0, done.err


def test_pictures_from_before_in_a_folder_are_told(
    command: Command, clip: Path, painting: Path, tmp_path: Path
) -> None:
    folder_of(tmp_path / "out", 2)
    done = command("film", clip, painting, *TINY, "-o", tmp_path / "out", "--force")
    assert done.code == 0
    assert "has 2 other pictures in it, as 'f8.png'" in done.err


def test_work_is_removed_while_others_take_locks(
    clip: Path, painting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = film_of(clip, painting, tmp_path / "out.mp4").work
    work.set(record="x")
    rmtree, tries = shutil.rmtree, 0

    def raced(path: Path, ignore_errors: bool = False) -> None:
        nonlocal tries
        tries += 1
        rmtree(path, ignore_errors)
        if tries == 1:
            path.mkdir()

    monkeypatch.setattr(shutil, "rmtree", raced)
    work.discard()
    assert not work.path.exists()


@pytest.mark.parametrize("name", ["mine.mp4", "mine.gif", "mine"])
def test_preview_replaces_no_other_file(
    command: Command, clip: Path, painting: Path, tmp_path: Path, name: str
) -> None:
    mine = tmp_path / name
    if not mine.suffix:
        mine.mkdir()
    kept = mine if mine.suffix else mine / "kept.png"
    kept.write_bytes(b"mine")
    words = ["film", clip, painting, *TINY, "-o", tmp_path / "out.mp4", "--preview", mine]
    assert_refused(command(*words), "--force")
    assert kept.read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["so-far.mp4", "so-far.gif", "so-far"])
def test_preview_goes_on_with_the_film(
    command: Command, clip: Path, painting: Path, tmp_path: Path, name: str
) -> None:
    words = [clip, painting, *TINY, "--preview", tmp_path / name]
    begun(command, words, tmp_path / "out.mp4", 3)
    film = film_of(clip, painting, tmp_path / "other.mp4")
    list(film.extract())
    film.find_shots()
    kept_to_the_end(film, 0, torch.full((1, 3, 33, 44), 0.5))
    state = json.loads((tmp_path / "out.mp4.film" / "film.json").read_text())
    film = replace(film, record=Record.from_json(state["record"]))
    film_output.write_film(film, tmp_path / name, overwrite=True, finished=False)
    done = command("film", *words, "-o", tmp_path / "out.mp4")
    assert done.code == 0, done.err


def test_output_in_the_folder_of_frames_is_refused(
    command: Command, painting: Path, tmp_path: Path
) -> None:
    """The next run would take it for a frame, and for other footage."""
    words = ["film", folder_of(tmp_path / "frames", 2), painting, *TINY, "-o"]
    assert_refused(
        command(*words, tmp_path / "frames" / "out.webp"), "is in a folder that is given"
    )
    words += [tmp_path / "out.mp4", "--preview", tmp_path / "frames" / "so-far.mp4"]
    assert_refused(command(*words), "is in a folder that is given")
    assert len(list((tmp_path / "frames").iterdir())) == 2


@pytest.mark.parametrize("name", ["so-far.mp4", "so-far.webp", "so-far"])
def test_shard_without_the_first_frame_has_no_preview(
    command: Command, clip: Path, painting: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "cuts.txt").write_text("0:00.142\n")
    words = [clip, painting, *TINY, "--shots", tmp_path / "cuts.txt", "-o", tmp_path / "out.mp4"]
    for number in (1, 2):
        preview = tmp_path / f"{number}-{name}"
        done = command("film", *words, "--shard", f"{number}/2", "--preview", preview)
        assert done.code == 0, done.err
        assert preview.exists() == ("shot 1 is left" not in done.err)
