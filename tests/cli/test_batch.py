"""`vangram batch`: stylize's bytes, only what is missing, and a bad file told and skipped."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch
from PIL import Image, TiffImagePlugin, TiffTags
from safetensors import safe_open

from tests.cli.test_commands import QUICK, assert_refused
from tests.cli.test_runner import SECONDS, recorded
from tests.conftest import Outcome
from tests.support import accompanied_by, descending, stopped_by
from vangram.batch import Shard
from vangram.batch.manifest import is_same
from vangram.images import read_picture
from vangram.images.icc import srgb_profile
from vangram.networks import parameters, parameters_path
from vangram.objective import targets
from vangram.run import inputs, network, target_cache
from vangram.run.checkpointer import checkpoint_path
from vangram.settings.recipe import Recipe
from vangram.storage.files import counted
from vangram.storage.locks import claim

Command = Callable[..., Outcome]
TINY = ("--size", 48, "--steps", 1)

# Dies in the middle of the sixth picture, as without current.
PROGRAM = """
import os, signal
from vangram.cli import main
from vangram.run import checkpointer
add, steps = checkpointer.Checkpointer.add, []
def counted(self, step):
    steps.append(step)
    if len(steps) == 6:
        os.kill(os.getpid(), signal.SIGKILL)
    add(self, step)
checkpointer.Checkpointer.add = counted
main()
"""


@pytest.fixture
def folder(saved: Callable[..., Path], tmp_path: Path) -> Path:
    """Four photographs."""
    (tmp_path / "photos").mkdir()
    for index in range(4):
        saved(f"photos/p{index}.png", 36, 48, seed=index)
    return tmp_path / "photos"


@pytest.fixture
def paintings(saved: Callable[..., Path]) -> list[Path]:
    return [saved(f"s{index}.png", 40, 48, seed=20 + index) for index in range(3)]


def states(out: Path) -> dict[str, str]:
    pictures = json.loads((out / "batch.json").read_text())["pictures"]
    return {picture["picture"]: picture["state"] for picture in pictures}


@contextmanager
def one_thread() -> Iterator[None]:
    number = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(number)


def prints(out: Path) -> dict[str, tuple[int, int]]:
    """What tells that a picture was not written again."""
    found = {path.name: path.stat() for path in out.glob("*.png")}
    return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in found.items()}


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_killed_batch_of_twelve_makes_only_what_is_missing(
    command: Command, folder: Path, paintings: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = [str(w) for w in ("batch", folder, *paintings, "-o", out, *TINY)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        capture_output=True, env=environment, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    before = prints(out)
    assert len(before) == 5
    assert sorted(states(out).values()) == ["made"] * 5 + ["missing"] * 7
    outcome = command(*words)
    assert outcome.code == 0, outcome.err
    assert "12 pictures, 5 made already" in outcome.err
    assert len(outcome.out.splitlines()) == 7
    after = prints(out)
    assert len(after) == 12
    assert {name: after[name] for name in before} == before
    assert set(states(out).values()) == {"made"}
    assert not list(out.glob("*.checkpoint"))
    assert command(*words).out == ""
    assert prints(out) == after


def test_batch_makes_the_bytes_that_stylize_makes(
    command: Command, folder: Path, paintings: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    alone = out / "alone.jpg"  # beside it, as paths in the record are relative
    words = (*QUICK, "--strength", 2, "--pooling", "average")
    batch = ("batch", folder / "p1.png", paintings[0], "-o", out, "--format", "jpg")
    assert command(*batch, *words).code == 0
    assert command("stylize", folder / "p1.png", paintings[0], "-o", alone, *words).code == 0
    assert (out / "p1-s0.jpg").read_bytes() == alone.read_bytes()


def test_bad_file_is_told_once_and_skipped(
    command: Command, folder: Path, paintings: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (folder / "p0.png").write_bytes(b"this is no picture")
    (folder / "p2.png").write_bytes(b"")
    outcome = command("batch", folder, *paintings[:2], "-o", out, *TINY, "--quiet")
    assert outcome.code == 3
    assert "Traceback" not in outcome.err
    first, second, last = outcome.err.splitlines()
    assert "p0.png" in first
    assert "p2.png" in second
    assert "4 of 8 pictures failed" in last
    assert list(states(out).values()) == ["failed", "failed", "made", "made"] * 2
    assert sorted(prints(out)) == ["p1-s0.png", "p1-s1.png", "p3-s0.png", "p3-s1.png"]


def test_strange_files_fail_alone_or_are_read_with_a_note(
    command: Command, folder: Path, paintings: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    picture = Image.open(folder / "p0.png")
    strange = srgb_profile()[:16] + b"\xff\xfe\xfd\xfc" + srgb_profile()[20:]
    picture.save(folder / "p0.png", icc_profile=strange)
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags.tagtype[700], tags[700] = TiffTags.SHORT, 999  # where XMP is text
    picture.save(folder / "p1.tif", tiffinfo=tags)
    (folder / "p1.png").unlink()
    (folder / "p2.png").rename(folder / f"{'x' * 250}.png")
    # The name of the picture is possible, and that of its checkpoint is not.
    shutil.copyfile(folder / "p0.png", folder / f"{'y' * 240}.png")
    (folder / "p3.png").write_bytes((folder / "p3.png").read_bytes()[:400])
    (folder / "p4.nef").write_bytes(b"raw")
    (folder / "notes.txt").write_text("text")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    outcome = command("batch", folder, paintings[0], "-o", out, *TINY, "--quiet")
    assert outcome.code == 3
    assert "unexpected" not in outcome.err
    notes = [line for line in outcome.err.splitlines() if "note: " in line]
    assert "no pictures by their names: 'notes.txt'; cameras' raw files: 'p4.nef'" in notes[0]
    assert "colour profile cannot be used" in notes[1]
    assert len(notes) == 2
    assert states(out) == {
        "p0-s0.png": "made",
        "p1-s0.png": "made",
        "p3-s0.png": "failed",
        f"{'x' * 250}-s0.png": "failed",
        f"{'y' * 240}-s0.png": "failed",
    }


def test_names_that_are_not_utf8_are_read_and_printed(folder: Path, tmp_path: Path) -> None:
    name = os.fsencode(folder) + b"/na\xefve\xff.png"
    shutil.copyfile(folder / "p0.png", name)
    here = {"cwd": tmp_path, "capture_output": True, "check": True, "timeout": SECONDS}
    words: list[bytes | str | Path] = [sys.executable, "-m", "vangram"]
    quick = [str(word) for word in (*TINY, "--quiet")]
    single = [*words, "stylize", name, folder / "p1.png", "-o", name + b".png", *quick]
    assert subprocess.run(single, **here).stdout == name + b".png\n"  # type: ignore[call-overload]
    many = [*words, "batch", name, folder / "p1.png", "-o", "out", *quick]
    made = subprocess.run(many, **here).stdout  # type: ignore[call-overload]
    assert made == b"out/na\xefve\xff-p1.png\n"
    sweep = [*words, "sweep", name, folder / "p1.png", "-o", "a.html", "--vary", "strength=1,2"]
    subprocess.run([*sweep, *quick], **here)  # type: ignore[call-overload]
    assert "na\\udcefve\\udcff.png" in (tmp_path / "a.html").read_text(encoding="utf-8")


def test_changed_recipe_or_input_makes_that_picture_anew(
    command: Command, folder: Path, paintings: list[Path], tmp_path: Path,
    saved: Callable[..., Path],
) -> None:  # fmt: skip
    out = tmp_path / "out"
    words = ("batch", folder, paintings[0], "-o", out)
    assert command(*words, *TINY).code == 0
    before = prints(out)
    saved("photos/p2.png", 36, 48, seed=9)
    outcome = command(*words, *TINY)
    assert outcome.out == f"{out / 'p2-s0.png'}\n"
    assert {name for name, was in before.items() if prints(out)[name] != was} == {"p2-s0.png"}
    outcome = command(*words, *TINY, "--seed", 1)
    assert len(outcome.out.splitlines()) == 4
    assert recorded(out / "p0-s0.png").recipe.seed == 1


def test_recipe_is_the_same_whatever_memory_a_run_found_unless_some_was_asked_for() -> None:
    free, given = Recipe(), Recipe(memory=10**9)
    assert is_same(given, free)
    assert is_same(given, given)
    assert not is_same(free, given)
    assert not is_same(Recipe(seed=1), free)


def test_interrupted_batch_goes_on_to_the_same_bytes(
    command: Command, folder: Path, paintings: list[Path], tmp_path: Path,
) -> None:  # fmt: skip
    out = tmp_path / "out"
    whole = out / "whole.png"  # beside it, as paths in the record are relative
    words = ("batch", folder, paintings[0], "-o", out, "--size", 48, "--steps", 4)
    with descending(stopped_by(KeyboardInterrupt())):
        outcome = command(*words)
    assert outcome.code == 130
    assert "0 of 4 pictures made; the same command goes on" in outcome.err
    assert not recorded(out / "p0-s0.png").finished
    assert checkpoint_path(out / "p0-s0.png").exists()
    assert set(states(out).values()) == {"missing"}
    outcome = command(*words)
    assert outcome.code == 0
    assert "step 1/4" not in outcome.err.partition("2/4")[0]
    command("stylize", folder / "p0.png", paintings[0], "-o", whole, "--size", 48, "--steps", 4)
    assert (out / "p0-s0.png").read_bytes() == whole.read_bytes()


def test_checkpoint_of_another_recipe_is_not_gone_on_with(
    command: Command, folder: Path, paintings: list[Path], tmp_path: Path,
) -> None:  # fmt: skip
    out = tmp_path / "out"
    words = ("batch", folder / "p0.png", paintings[0], "-o", out, "--size", 48)
    with descending(stopped_by(KeyboardInterrupt())):
        assert command(*words, "--steps", 4).code == 130
    outcome = command(*words, "--steps", 2)
    assert outcome.code == 0
    assert "p0-s0.png was begun with other inputs or settings; made anew" in outcome.err
    assert recorded(out / "p0-s0.png").recipe.steps == 2
    assert not checkpoint_path(out / "p0-s0.png").exists()


def test_damaged_checkpoint_is_not_gone_on_with(
    command: Command, folder: Path, paintings: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = ("batch", folder / "p0.png", paintings[0], "-o", out, *TINY)
    with descending(stopped_by(KeyboardInterrupt())):
        assert command(*words).code == 130
    checkpoint_path(out / "p0-s0.png").write_bytes(b"rubbish")
    outcome = command(*words)
    assert outcome.code == 0
    assert "p0-s0.png has a checkpoint that cannot be used; made anew" in outcome.err
    assert recorded(out / "p0-s0.png").finished


def test_run_that_no_batch_began_is_kept(
    command: Command, folder: Path, paintings: list[Path], tmp_path: Path
) -> None:
    picture = tmp_path / "out" / "p0-s0.png"
    picture.parent.mkdir()
    with descending(stopped_by(KeyboardInterrupt())):
        command("stylize", folder / "p0.png", paintings[0], "-o", picture, "--size", 48)
    picture.unlink()
    before = checkpoint_path(picture).read_bytes()
    words = ("batch", folder / "p0.png", paintings[0], "-o", picture.parent, *TINY)
    outcome = command(*words)
    assert outcome.code == 2
    assert "was begun and not finished" in outcome.err
    assert checkpoint_path(picture).read_bytes() == before
    assert command(*words, "--force").code == 0
    assert recorded(picture).finished


def test_table_of_pairs_is_made(
    command: Command, folder: Path, paintings: list[Path], tmp_path: Path
) -> None:
    table, out = tmp_path / "pairs.csv", tmp_path / "out"
    table.write_text("photo,painting,output\nphotos/p0.png,s1.png,\nphotos/p1.png,s0.png,one\n")
    assert command("batch", "--pairs", table, "-o", out, *TINY).code == 0
    assert sorted(prints(out)) == ["one.png", "p0-s1.png"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["empty", "s0.png"], "no pictures in it"),
        (["photos", "missing.png"], "missing.png"),
        (["missing", "s0.png"], "missing"),
        (["photos"], "paintings"),
        ([], "paintings"),
        (["photos", "s0.png", "--pairs", "pairs.csv"], "give no others"),
        (["--pairs", "pairs.csv"], "no column 'painting'"),
        (["photos", "s0.png", "--photo", "twin/p0.jpg"], "would be two pictures"),
        (["photos", "s0.png", "--format", "gif"], "gif"),
        (["photos", "s0.png", "--size", "10"], "too small"),
        (["photos", "s0.png", "--network", "vgg20"], "vgg20"),
        (["photos", "s0.png", "--style-layers", "relu9_1"], "relu9_1"),
        (["photos", "s0.png", "--preset", "baroque"], "baroque"),
        (["photos", "s0.png", "--strength", "2", "--style-weight", "3"], "not both"),
        (["photos", "s0.png", "--recipe", "missing.toml"], "missing.toml"),
        (["photos", "s0.png", "--device", "abacus"], "abacus"),
        (["photos", "s0.png", "--shard", "5/4"], "shard needs K/N"),
        (["photos", "s0.png", "--shard", "1/4", "--sequence", "--flow", "photos"], "--shard"),
        (["photos", "s0.png", "-o", "s0.png"], "folder of pictures"),
        (["photos", "s0.png", "-o", "taken"], "--force"),
        (["photos", "s0.png", "-o", "strange"], "no list of a batch"),
    ],
)
def test_batch_that_cannot_be_is_refused_before_work(
    command: Command, folder: Path, paintings: list[Path], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, words: list[str], said: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    for name in ("empty", "twin", "taken", "strange"):
        (tmp_path / name).mkdir()
    Path("pairs.csv").write_text("photo,style\n")
    Path("twin/p0.jpg").write_bytes(folder.joinpath("p0.png").read_bytes())
    Path("taken/p3-s0.png").write_bytes(b"precious")
    Path("strange/batch.json").write_text("[]")
    output = () if "-o" in words else ("-o", "out")
    assert_refused(command("batch", *TINY, *words, *output), said)
    assert not list(tmp_path.glob("out/*"))
    assert Path("taken/p3-s0.png").read_bytes() == b"precious"


def test_batches_in_one_folder_share_the_manifest(
    command: Command, folder: Path, paintings: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for number in range(3):
        words = ("batch", folder / f"p{number}.png", paintings[0], "-o", out, *TINY)
        assert command(*words).code == 0
    assert states(out) == {f"p{number}-s0.png": "made" for number in range(3)}
    (out / "p1-s0.png").unlink()
    assert command(*words).out == ""
    assert states(out) == {"p0-s0.png": "made", "p2-s0.png": "made"}


def test_batches_at_once_make_each_picture_once(
    folder: Path, paintings: list[Path], tmp_path: Path
) -> None:
    pytest.importorskip("fcntl")
    out = tmp_path / "out"
    words = [str(word) for word in ("batch", folder, paintings[0], "-o", out, *TINY, "--quiet")]
    batches = [
        subprocess.Popen(
            [sys.executable, "-m", "vangram", *words], stdout=subprocess.PIPE, text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        ) for _ in range(2)
    ]  # fmt: skip
    printed = [batch.communicate(timeout=SECONDS)[0].splitlines() for batch in batches]
    assert [batch.returncode for batch in batches] == [0, 0]
    assert sorted(printed[0] + printed[1]) == [str(out / f"p{n}-s0.png") for n in range(4)]
    assert states(out) == {f"p{n}-s0.png": "made" for n in range(4)}
    assert len(os.listdir(out)) == 5


def test_four_shards_at_once_two_of_them_the_same_make_each_picture_once(
    command: Command, folder: Path, paintings: list[Path], tmp_path: Path,
) -> None:  # fmt: skip
    pytest.importorskip("fcntl")
    out, alone = tmp_path / "out", tmp_path / "alone"
    words = [str(word) for word in ("batch", folder, *paintings, *TINY, "--quiet")]
    shards = [
        subprocess.Popen(
            [sys.executable, "-m", "vangram", *words, "-o", out, "--shard", f"{number}/3"],
            stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
        ) for number in (0, 1, 2, 2)
    ]  # fmt: skip
    printed = [shard.communicate(timeout=SECONDS)[0].splitlines() for shard in shards]
    assert [shard.returncode for shard in shards] == [0] * 4
    names = [f"p{n}-s{m}.png" for n in range(4) for m in range(3)]
    assert sorted(line for lines in printed for line in lines) == [
        str(out / name) for name in names
    ]
    assert len(printed[0]) == sum(map(Shard(0, 3).has, names))
    manifests = [f"batch-{number}-of-3.json" for number in range(3)]
    assert sorted(os.listdir(out)) == sorted(names + manifests)
    with one_thread():  # the record has their number
        assert command(*words, "-o", alone).code == 0
    assert all((out / name).read_bytes() == (alone / name).read_bytes() for name in names)
    outcome = command(*words, "-o", out, "--status")
    assert outcome == Outcome(0, "12 pictures: 12 made\n", "")


def test_shard_that_has_not_begun_is_counted_where_a_whole_batch_lists_its_pictures(
    command: Command, folder: Path, paintings: list[Path], tmp_path: Path
) -> None:
    words = ("batch", folder, paintings[1], "-o", tmp_path / "out", *TINY)
    assert command(*words).code == 0
    assert command(*words, "--shard", "0/2").code == 0
    outcome = command(*words, "--status")
    assert outcome == Outcome(0, "4 pictures: 4 made\n", "")


def test_status_sums_up_the_shards_and_has_exit_codes(
    command: Command, folder: Path, paintings: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = ("batch", folder, paintings[1], "-o", out, *TINY)
    names = [f"p{n}-s1.png" for n in range(4)]
    first, second = (list(filter(Shard(k, 2).has, names)) for k in range(2))
    assert first
    assert second
    bad = folder / second[0].replace("-s1", "")
    bad.write_bytes(b"this is no picture")
    status = ("batch", "-o", out, "--status")
    assert_refused(command(*status), "no batch has begun")
    assert f"shard 0/2: {counted(len(first), 'picture')}" in command(*words, "--shard", "2/2").err
    outcome = command(*status)
    left = f"{counted(len(first), 'picture')} known: {len(first)} made\n"
    left += "not begun, their pictures not counted: shard 1/2\n"
    assert outcome == Outcome(1, left, "")
    assert command(*words, "--shard", "1/2").code == 3
    outcome = command(*words, "--status")
    assert outcome.code == 3
    assert outcome.out.startswith(f"4 pictures: 3 made, 1 failed\nfailed {second[0]!r}: ")
    (out / first[0]).unlink()
    assert command(*status).out.startswith("4 pictures: 2 made, 1 failed, 1 missing\n")
    assert command(*status).code == 1
    (out / "batch-1-of-2.json").write_text("[]")
    assert_refused(command(*status), "no list of a batch")


def test_terminated_shard_goes_on_to_the_same_bytes(
    command: Command, folder: Path, paintings: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = ("batch", folder, *paintings[:1], "--size", 48, "--steps", 4, "--tolerance", 0, "-q")
    shard = (*words, "--shard", "2/3")

    steps = iter(range(3))

    def terminate() -> None:
        if next(steps, None) is None:
            signal.raise_signal(signal.SIGTERM)

    with descending(accompanied_by(terminate)):
        outcome = command(*shard, "-o", out)
    assert outcome.code == 143
    (begun,) = out.glob("*.checkpoint")
    assert "1 begun" in command(*shard, "-o", out, "--status").out
    assert command(*shard, "-o", out).code == 0
    assert not begun.exists()
    assert command(*shard, "-o", tmp_path / "whole").code == 0
    for path in (tmp_path / "whole").glob("*.png"):
        assert (out / path.name).read_bytes() == path.read_bytes()


def test_picture_of_another_shard_that_was_not_finished_is_made_anew(
    command: Command, folder: Path, paintings: list[Path], tmp_path: Path
) -> None:
    words = ("batch", folder / "p0.png", paintings[0], "-o", tmp_path / "out")
    mine = next(k for k in range(2) if Shard(k, 2).has("p0-s0.png"))
    assert command(*words, *TINY, "--shard", f"{mine}/2").code == 0
    assert command(*words, *TINY, "--seed", 1).code == 0  # by another manifest
    assert recorded(tmp_path / "out" / "p0-s0.png").recipe.seed == 1
    assert command(*words, *TINY, "--shard", f"{1 - mine}/2").out == ""


def test_picture_that_another_process_makes_is_waited_for(
    command: Command, folder: Path, paintings: list[Path], tmp_path: Path
) -> None:
    pytest.importorskip("fcntl")
    out = tmp_path / "out"
    words = ("batch", folder, paintings[0], "-o", out, *TINY)
    assert command(*words).code == 0
    first, away = out / "p0-s0.png", tmp_path / "away.png"
    first.rename(away)
    (out / "p3-s0.png").unlink()
    other = claim(first)
    assert other is not None

    def finish() -> None:
        while not (out / "p3-s0.png").exists():  # what is free comes first
            time.sleep(0.01)
        time.sleep(1.2)  # longer than one wait
        away.rename(first)
        other.release()

    process = Thread(target=finish)
    process.start()
    outcome = command(*words)
    process.join()
    assert outcome.code == 0, outcome.err
    assert outcome.err.count("'p0-s0.png' is being made by another process; waiting for it") == 1
    assert outcome.out == f"{out / 'p3-s0.png'}\n"
    assert set(states(out).values()) == {"made"}


def test_file_that_appears_during_a_batch_is_kept(
    command: Command, folder: Path, paintings: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    early, late = out / "p0-s0.png", out / "p3-s0.png"

    def appear() -> None:
        for path in (early, late):
            if not path.exists():
                path.write_bytes(b"precious")

    with descending(accompanied_by(appear)):
        outcome = command("batch", folder, paintings[0], "-o", out, *TINY, "--quiet")
    assert outcome.code == 3
    assert early.read_bytes() == late.read_bytes() == b"precious"
    assert recorded(out / "p0-s0-2.png").finished
    assert list(states(out).values()) == ["failed", "made", "made", "failed"]
    assert not (out / "p3-s0-2.png").exists()


def test_force_overwrites_what_no_batch_has_made(
    command: Command, folder: Path, paintings: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    picture = tmp_path / "out" / "p0-s0.png"
    picture.write_bytes(b"not precious")
    words = ("batch", folder / "p0.png", paintings[0], "-o", tmp_path / "out", *TINY)
    assert command(*words, "--force").code == 0
    assert recorded(picture).finished


def test_photograph_is_never_overwritten(
    command: Command, saved: Callable[..., Path], paintings: list[Path], tmp_path: Path
) -> None:
    first = saved("p.png", 36, 48)
    second = saved("p-s0.png", 36, 48)
    words = ("--photo", second, "-o", tmp_path, *TINY, "--force")
    before = second.read_bytes()
    assert_refused(command("batch", first, paintings[0], *words), "one of the pictures given")
    assert second.read_bytes() == before


def test_targets_of_a_painting_are_computed_once_and_change_nothing(
    command: Command, photo: Path, painting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    saved: Callable[..., Path],
) -> None:  # fmt: skip
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in range(3):
        saved(f"photos/p{seed}.png", 48, 64, seed)
    style_moments, calls = targets.style_moments, list[object]()

    def counted(*arguments: Any, **more: Any) -> Any:
        calls.append(arguments)
        return style_moments(*arguments, **more)

    monkeypatch.setattr(targets, "style_moments", counted)
    target_cache.CACHE.clear()
    words = ("--size", 48, "--steps", 1, "-q")
    outcome = command("batch", folder, painting, "-o", tmp_path / "out", *words)
    assert outcome.code == 0, outcome.err
    assert len(calls) == 1
    target_cache.CACHE.clear()
    alone = tmp_path / "out" / "alone.png"  # beside it, as paths in the record are relative
    assert command("stylize", folder / "p2.png", painting, "-o", alone, *words).code == 0
    assert len(calls) == 2
    ours = (tmp_path / "out" / "p2-painting.png").read_bytes()
    assert ours == alone.read_bytes()


def test_batch_reads_the_network_and_the_painting_once(
    command: Command, painting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    saved: Callable[..., Path],
) -> None:  # fmt: skip
    (tmp_path / "photos").mkdir()
    for seed in range(3):
        saved(f"photos/p{seed}.png", 48, 64, seed)
    opened: list[str] = []

    def counted(what: Any) -> Any:
        def call(path: Any, **more: Any) -> Any:
            opened.append(Path(path).name)
            return what(path, **more)

        return call

    network.CACHE.clear()
    monkeypatch.setattr(parameters, "safe_open", counted(safe_open))
    monkeypatch.setattr(inputs, "read_picture", counted(read_picture))
    words = ("--size", 48, "--steps", 1, "-q")
    outcome = command("batch", tmp_path / "photos", painting, "-o", tmp_path / "out", *words)
    assert outcome.code == 0, outcome.err
    assert opened == [parameters_path("vgg19-lite").name, "painting.png", *(
        f"p{seed}.png" for seed in range(3)
    )]  # fmt: skip
