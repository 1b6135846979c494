"""The distributed engine against the whole one: the same gradient, whatever the number of ranks."""

from __future__ import annotations

import json
import math
import os
import re
import socket
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributed import HashStore  # type: ignore[attr-defined]

from tests.engines.rank_cases import Outcome
from tests.support import NARROW_VGG19, batched
from vangram.engines import WholeEngine, engine_for
from vangram.engines.distributed import add_pieces, add_to_pieces, pieces, shares
from vangram.engines.ranks import Ranks, check_address, gather
from vangram.engines.tiled import Part
from vangram.errors import EchoedError, RankError, SettingError
from vangram.networks import FeatureNetwork
from vangram.networks.tiles import grid, window_size
from vangram.objective import Objective
from vangram.settings.recipe import Recipe

TEACHER = Path(__file__).parents[3] / "shared" / "teacher" / "vgg19-conv1_1-conv5_4.safetensors"
needs_teacher = pytest.mark.skipif(
    not TEACHER.exists(), reason="VGG-19's parameters are not beside the repository"
)
RANKS = import_module("vangram.engines.ranks")
AT_HOME = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500", "WORLD_SIZE": "2"}
"""Torchrun's variables."""
SHALLOW = "relu1_1", "relu2_1"
"""Layers with small halos."""
EXACT = {"float64": 1e-12, "float32": 1e-5}
"""What many devices are promised to keep to, by data type."""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What groups of four, three and two ranks found, in processes of their own."""
    results = tmp_path_factory.mktemp("ranks") / "results.json"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node=4", "-m", "tests.engines.rank_cases", str(results)]
    command += [str(TEACHER)] if TEACHER.exists() else []
    root = Path(__file__).parents[2]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(results.read_text())
    return found


@pytest.fixture(scope="module")
def outcomes(results: dict[str, Any]) -> list[Outcome]:
    """Their evaluations."""
    return [Outcome(**values) for values in results["outcomes"]]


def test_gradient_of_ranks_equals_whole(outcomes: list[Outcome]) -> None:
    assert {outcome.ranks for outcome in outcomes} == {2, 3, 4}
    assert {outcome.dtype for outcome in outcomes} == {*EXACT}
    for outcome in outcomes:
        assert outcome.loss < EXACT[outcome.dtype], outcome
        # Random parameters let float32's rounding decide between equal maxima, in tiles alone too.
        exact = outcome.strips or outcome.case in ("lite", "vgg19", "side by side")
        if outcome.dtype == "float64" or exact:
            assert outcome.gradient < EXACT[outcome.dtype], outcome


def test_evaluation_by_ranks_repeats_to_the_bit(outcomes: list[Outcome]) -> None:
    assert all(outcome.again for outcome in outcomes)


def test_evaluation_by_ranks_is_that_of_one_process_to_the_bit(outcomes: list[Outcome]) -> None:
    # In float64 the sums are no longer exact, and torch's convolutions depend on the size.
    narrow = [outcome for outcome in outcomes if outcome.dtype == "float32"]
    for strips, count in ((False, 20), (True, 3)):
        compared = [outcome for outcome in narrow if outcome.strips == strips]
        if strips:
            compared = [outcome for outcome in compared if outcome.case.startswith("strips of")]
        assert len(compared) >= count
        assert [outcome for outcome in compared if not outcome.as_alone] == []


def repainted(results: dict[str, Any], network: str, strips_by: list[int]) -> None:
    """Check a network's pictures, in strips by these numbers of ranks."""
    pictures = [found for found in results["pictures"] if found["network"] == network]
    for strips, devices in ((False, [4, 3, 2]), (True, strips_by)):
        assert [p["devices"] for p in pictures if p["strips"] == strips] == devices
    for found in pictures:
        assert found["again"], found
        assert found["as_alone"], found
        assert found["within_one"] >= 0.999, found


def test_picture_by_ranks_is_that_of_one_process(results: dict[str, Any]) -> None:
    repainted(results, "vgg19-lite", [4, 3, 2])


@needs_teacher
def test_picture_by_ranks_is_that_of_one_process_with_vgg19(results: dict[str, Any]) -> None:
    repainted(results, "vgg19", [2])
    for strips in (False, True):
        outcomes = (found for found in results["outcomes"] if found["strips"] == strips)
        dtypes = [found["dtype"] for found in outcomes if found["case"].endswith("vgg19")]
        assert sorted(dtypes) == 2 * ["float32"] + 2 * ["float64"]


@given(st.integers(20, 90), st.integers(20, 90), st.integers(1, 3), st.integers(1, 9))
def test_pieces_add_up_as_tiles_do_one_after_the_other(
    height: int, width: int, core: int, ranks: int
) -> None:
    tiles = list(grid((height, width), 16 * core, NARROW_VGG19, SHALLOW))
    generator = torch.Generator().manual_seed(height * width)
    grads = [torch.randn(1, 3, *window_size(tile.padded), generator=generator) for tile in tiles]
    wanted, found = torch.zeros(2, 1, 3, height, width)
    for tile, grad in zip(tiles, grads, strict=True):
        tile.crop(wanted).add_(grad)
    parts = [Part((height, width), share) for share in shares(tiles, ranks)]
    left = iter(grads)
    for part, theirs in zip(parts, pieces(parts), strict=True):
        flat = torch.zeros(3 * sum(math.prod(window_size(piece.window)) for piece in theirs))
        add_to_pieces(theirs, flat, [(tile, next(left)) for tile in part.tiles])
        add_pieces(theirs, flat, found)
    assert torch.equal(found, wanted)


def test_rank_that_is_silent_or_has_ended_is_named(results: dict[str, Any]) -> None:
    silent, ended = results["said"]
    assert re.fullmatch(r"rank 1 \(.+, process \d+\) did not answer for 1 s; .*=2 .*", silent)
    assert re.match(r"rank 1 \(.+, process \d+\) ended, or cannot be reached; ", ended)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 12])
def test_shares_are_contiguous_and_nearly_equal(count: int) -> None:
    parts = shares(range(7), count)
    assert [value for part in parts for value in part] == [*range(7)]
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    assert sizes[0] == min(sizes)  # rank 0 has more to do than its tiles


def test_without_ranks_a_shared_level_is_computed_here(narrow: FeatureNetwork) -> None:
    goal = Objective.of(Recipe(), narrow, batched(64, 64, 1), batched(64, 64, 2))
    assert isinstance(engine_for((64, 64), 64, narrow, goal, devices=2), WholeEngine)


@pytest.mark.parametrize("text", ["", "soon", "0", "-1", "nan", "inf"])
def test_time_that_is_none_is_refused_by_name(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VANGRAM_TIMEOUT", text)
    with pytest.raises(SettingError, match=r"VANGRAM_TIMEOUT='.*' is no time"):
        Ranks.join()


@pytest.mark.parametrize(
    ("address", "port", "said"),
    [
        ("nowhere.invalid", "29500", "MASTER_ADDR='nowhere.invalid' is not known here"),
        (80 * "x", "29500", "MASTER_ADDR='x+' is not known here"),
        ("127.0.0.1", "tcp", "MASTER_PORT='tcp' is no port"),
        ("127.0.0.1", "65536", "MASTER_PORT='65536' is no port"),
    ],
)
def test_address_that_is_none_is_refused_by_name(
    address: str, port: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MASTER_ADDR", address)
    monkeypatch.setenv("MASTER_PORT", port)
    with pytest.raises(SettingError, match=said):
        check_address(0)
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", "29500")
    check_address(0)


@pytest.mark.parametrize("text", ["two", "2", "-1", "1.0"])
def test_rank_that_is_none_is_refused_by_name(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in AT_HOME.items() | {("RANK", text)}:
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingError, match=rf"RANK='{text}' is no rank; give 0 to 1"):
        Ranks.join()


def test_port_of_another_program_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHELASTIC_USE_AGENT_STORE", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        for name, value in (AT_HOME | {"RANK": "0", "MASTER_PORT": port}).items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SettingError, match=f"MASTER_PORT={port} is another program's here"):
            Ranks.join()


def test_rank_0_that_is_not_there_is_told_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], closed_port: int
) -> None:
    for name, value in (AT_HOME | {"RANK": "1", "MASTER_PORT": str(closed_port)}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(RANKS, "LEAST_TO_JOIN", 0.3)
    monkeypatch.setattr(RANKS, "SECONDS_UNTIL_TOLD", 0.0)
    monkeypatch.setenv("VANGRAM_TIMEOUT", "0.1")
    lines: list[str] = []
    with pytest.raises(
        RankError, match=f"rank 0 cannot be reached at 127.0.0.1:{closed_port} .*unset"
    ):
        Ranks.join(lines.append)
    assert lines == ["waiting for rank 0; `unset WORLD_SIZE` runs without other ranks"]
    assert capfd.readouterr() == ("", "")  # torch has pages for it


def test_first_rank_alone_tells_of_those_that_did_not_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(RANKS, "SECONDS_UNTIL_TOLD", 0.1)
    monkeypatch.setattr(RANKS, "SECONDS_BETWEEN_LOOKS", 0.02)
    store, lines, errors = HashStore(), list[str](), dict[int, BaseException]()

    def start(rank: int) -> None:
        try:
            gather(store, rank, 9, 0.5, lines.append)
        except RankError as error:
            errors[rank] = error

    ranks = [Thread(target=start, args=(rank,)) for rank in (1, 4)]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join()
    assert lines == [
        "waiting for ranks 0, 2, 3, 5 and 3 more of 9; "
        + "`unset WORLD_SIZE` runs without other ranks"
    ]
    assert str(errors[1]).startswith("ranks 0, 2, 3, 5 and 3 more of 9 did not start within 0.5 s")
    assert "VANGRAM_TIMEOUT=1 waits longer" in str(errors[1])
    assert [isinstance(errors[rank], EchoedError) for rank in (1, 4)] == [False, True]


def told(theirs: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Ranks:
    """Rank 0 of two, once the other has told what it is."""
    group = Ranks(HashStore(), 0, 2, 1.0)
    ours = group.description()
    monkeypatch.setattr(Ranks, "receive_value", lambda self, rank: ours | theirs)
    group.compare()
    return group


@pytest.mark.parametrize("name", ["vangram", "torch"])
def test_rank_with_another_version_is_refused_by_name(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = {name: "0.0.1", "host": "node7", "process": 12}
    with pytest.raises(SettingError, match=rf"rank 1 \(node7, process 12\) has {name} 0\.0\.1,"):
        told(other, monkeypatch)


def test_rank_without_a_gpu_is_refused_by_name_where_rank_0_has_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    group = told({"host": "node7", "gpu": False}, monkeypatch)
    assert group.count(torch.device("cpu")) == 2
    with pytest.raises(SettingError, match=r"rank 1 .node7, .* has no GPU of its own"):
        group.count(torch.device("cuda"))
    assert told({"gpu": True}, monkeypatch).count(torch.device("cuda")) == 2
