"""Files of strangers: nothing is waited for or downloaded unasked, and no line is forged."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.cli.test_commands import assert_refused
from tests.conftest import Outcome
from vangram.api import stylize
from vangram.cli import downloads
from vangram.errors import CheckpointError, PictureError
from vangram.images import write_picture
from vangram.images.flow import read_flow
from vangram.run import read_checkpoint

Command = Callable[..., Outcome]
SMALL = ("--size", 16, "--steps", 1, "--content-layers", "relu2_1", "--style-layers", "relu1_1")


@pytest.fixture
def forged(photo: Path, painting: Path, tmp_path: Path) -> Callable[..., Path]:
    """Write a picture whose record has other values."""
    record = stylize(
        str(photo), str(painting), size=16, steps=1,
        content_layers={"relu2_1": 1.0}, style_layers={"relu1_1": 1.0},
    ).record  # fmt: skip

    def write(**changes: Any) -> Path:
        values = json.loads(record.to_json())
        values["recipe"] |= changes.pop("recipe", {})
        write_picture(
            tmp_path / "gift.png", torch.zeros(1, 3, 8, 8), recipe=json.dumps(values | changes)
        )
        return tmp_path / "gift.png"

    return write


@pytest.fixture
def fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the networks that would have been downloaded."""
    names: list[str] = []
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("vangram.networks.fetch_network", lambda name, _: names.append(name))
    return names


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_recipe_that_names_a_pipe_or_a_device_is_refused_at_once(
    command: Command, forged: Callable[..., Path], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        for key in ("parameters", "content"):
            gift = forged(**{key: {"path": str(path), "sha256": "aa"}})
            for name in ("rerun", "explain"):
                assert_refused(command(name, gift), f"'{path}' is no longer there", f"--{key}")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_pipes_and_devices_are_no_files_to_read(
    command: Command, photo: Path, painting: Path, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        single = ("stylize", photo, painting, "-o", tmp_path / "out.png", *SMALL)
        many = ("batch", "-o", tmp_path / "out", *SMALL)
        for words in ((*single, "--recipe"), (*single, "--parameters"), (*many, "--pairs")):
            assert_refused(command(*words, path), str(path), "no regular file")
        with pytest.raises(PictureError, match="no regular file"):
            read_flow(path, (4, 4))
        with pytest.raises(CheckpointError, match="no regular file"):
            read_checkpoint(path)


@pytest.mark.skipif(not os.path.exists("/proc/self/pagemap"), reason="this system has no /proc")
def test_file_without_an_end_is_not_read_for_ever(
    command: Command, photo: Path, painting: Path, tmp_path: Path
) -> None:
    words = ("stylize", photo, painting, "-o", tmp_path / "out.png", *SMALL)
    outcome = command(*words, "--parameters", "/proc/self/pagemap")
    assert_refused(outcome, "'/proc/self/pagemap' ", "give a file of vgg19-lite's parameters")


def test_network_that_only_a_file_names_is_not_downloaded(
    command: Command, forged: Callable[..., Path], photo: Path, painting: Path, tmp_path: Path,
    fetched: list[str],
) -> None:  # fmt: skip
    gift, recipe = forged(recipe={"network": "vgg19"}), tmp_path / "recipe.toml"
    recipe.write_text('network = "vgg19"\n')
    words = ("stylize", photo, painting, "-o", tmp_path / "out.png", *SMALL)
    for asked in (("rerun", gift), (*words, "--recipe", recipe), (*words, "--recipe", gift)):
        assert_refused(command(*asked), "`vangram networks fetch vgg19` brings 575 MB")
    assert fetched == []
    command(*words, "--network", "vgg19")
    assert fetched == ["vgg19"]


@pytest.mark.parametrize("answer", [True, False])
def test_network_that_only_a_file_names_is_asked_about_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, fetched: list[str], answer: bool
) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

        def write(self, text: str) -> None: ...

        def flush(self) -> None: ...

    questions: list[str] = []

    def confirm(question: str, **_: Any) -> bool:
        questions.append(question)
        return answer

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("sys.stderr", Terminal())
    monkeypatch.setattr("typer.confirm", confirm)
    downloads.ensure_fetched("vgg19", asked=False)
    assert questions == ["The recipe needs vgg19; download 575 MB?"]
    assert fetched == ["vgg19"] * answer


def test_record_cannot_forge_lines(
    command: Command, forged: Callable[..., Path], photo: Path
) -> None:
    evil = "\x1b[2Jx\nvangram: the same bytes as gift.png\r\x9b1m"
    outcome = command("rerun", forged(content={"path": evil, "sha256": "aa"}))
    assert_refused(outcome, "is no longer there")
    outcome = command(
        "rerun", forged(versions={evil: evil}, network_sha256=evil), "--content", photo, "--force"
    )
    assert outcome.code == 0
    lines = outcome.err.split("\n")
    assert not any(line.startswith("vangram: the same bytes") for line in lines)
    assert all(line.isprintable() for line in lines)
