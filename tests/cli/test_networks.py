"""`vangram networks`: the table, fetching with progress, places and checks."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from tests.cli.test_commands import assert_refused
from tests.conftest import Outcome
from tests.networks.server import Answer, FileServer, serving
from vangram.cli import downloads, streams
from vangram.errors import NetworkError
from vangram.networks import NETWORKS, FeatureNetwork, Network, Topology, download, parameters_path
from vangram.networks.cache import sha256_of

Command = Callable[..., Outcome]
TOPOLOGY = Topology(widths=(40,), depths=(2,))
BLOCK = 1000


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """A server of the network "fake", and a cache of its own."""
    torch.manual_seed(0)
    content = save(dict(FeatureNetwork(TOPOLOGY).state_dict()))
    (tmp_path / "original").write_bytes(content)
    digits = sha256_of(tmp_path / "original")[:8]
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(download, "BLOCK", BLOCK)
    with serving(content) as server:
        fake = Network(
            TOPOLOGY,
            file=f"fake-{digits}.safetensors",
            licence="a licence",
            source="a source",
            size=23_000_000,
            urls=(f"{server.address}/fake",),
        )
        monkeypatch.setitem(NETWORKS, "fake", fake)
        yield server


def rows(outcome: Outcome) -> dict[str, str]:
    assert outcome.code == 0, outcome.err
    return {line.split()[0]: line for line in outcome.out.splitlines()}


def test_table_tells_name_size_licence_source_and_whether_it_is_here(
    command: Command, server: FileServer
) -> None:
    found = rows(command("networks"))
    assert list(found) == ["network", *NETWORKS]
    assert found["fake"].split() == ["fake", "23", "MB", "no", "a", "licence", "a", "source"]
    assert found["vgg19-lite"].split()[1:4] == ["9", "MB", "yes"]
    assert "575 MB" in found["vgg19"]
    command("networks", "fetch", "fake")
    assert found["fake"].replace(" no ", " yes") == rows(command("networks"))["fake"]


def test_fetch_prints_progress_aside_and_the_path_last(
    command: Command, server: FileServer
) -> None:
    outcome = command("networks", "fetch", "fake")
    assert outcome.code == 0
    assert outcome.out == f"{parameters_path('fake')}\n"
    assert outcome.err == "fake: 0 of 0 MB\n"
    again = command("networks", "fetch", "fake")
    assert (again.code, again.out, again.err) == (0, outcome.out, "")
    assert len(server.asked) == 1


def test_fetch_draws_a_bar_on_a_terminal(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = io.StringIO()
    screen.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    downloads.ensure_fetched("fake")
    assert parameters_path("fake").exists()
    assert "fake" in screen.getvalue()
    assert "kB" in screen.getvalue()
    assert "fake: 0" not in screen.getvalue()


def test_lines_come_now_and_then(
    command: Command, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "SECONDS_BETWEEN_LINES", 0.0)
    lines = command("networks", "fetch", "fake").err.splitlines()
    assert len(lines) > len(server.content) // BLOCK


def test_failed_fetch_is_one_line_and_exit_code_2(command: Command, server: FileServer) -> None:
    server.plans = [lambda answer: answer.send_error(404)]
    outcome = command("networks", "fetch", "fake")
    assert_refused(outcome, "it answers 404", "--network vgg19-lite works offline")


def test_path_is_where_it_is_or_would_be(command: Command, server: FileServer) -> None:
    outcome = command("networks", "path", "fake")
    assert (outcome.code, outcome.out) == (0, f"{parameters_path('fake')}\n")
    assert not parameters_path("fake").exists()
    assert Path(command("networks", "path", "vgg19-lite").out.strip()).exists()


@pytest.mark.parametrize("what", ["fetch", "path", "check"])
def test_unknown_network_is_refused(command: Command, what: str) -> None:
    assert_refused(command("networks", what, "vgg20"), "no network 'vgg20'; there are vgg19-lite")


def test_check_of_whole_parameters_prints_their_hash(command: Command, server: FileServer) -> None:
    command("networks", "fetch", "fake")
    outcome = command("networks", "check", "fake")
    assert outcome.code == 0
    assert outcome.out == f"fake is whole: SHA-256 {sha256_of(parameters_path('fake'))}\n"
    assert command("networks", "check", "vgg19-lite").code == 0


def test_check_of_missing_parameters_exits_2(command: Command, server: FileServer) -> None:
    assert_refused(command("networks", "check", "fake"), "`vangram networks fetch fake`")


def test_check_of_damaged_parameters_exits_1_with_one_line(
    command: Command, server: FileServer
) -> None:
    command("networks", "fetch", "fake")
    parameters_path("fake").write_bytes(server.content[:-1])
    outcome = command("networks", "check", "fake")
    assert (outcome.code, outcome.out) == (1, "")
    assert "is damaged: its SHA-256 is not what it was" in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_ensure_fetched_brings_what_is_missing_once(server: FileServer) -> None:
    downloads.ensure_fetched("fake")
    downloads.ensure_fetched("fake")
    downloads.ensure_fetched("vgg19-lite")
    assert len(server.asked) == 1
    with pytest.raises(NetworkError, match="no network 'vgg20'"):
        downloads.ensure_fetched("vgg20")


SCRIPT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background of a shell
from vangram.networks import NETWORKS, Network, Topology
NETWORKS["fake"] = Network(Topology((40,), (2,)), sys.argv[1], "none", urls=(sys.argv[2],))
sys.argv = ["vangram", "networks", "fetch", "fake"]
from vangram.cli import main
main()
"""


def test_ctrl_c_keeps_what_has_come_and_exits_130(server: FileServer) -> None:
    def wait(answer: Answer) -> None:
        answer.head(0)
        answer.body(0, 20 * BLOCK)
        answer.server.closing.wait(30)

    server.plans = [wait]
    entry = NETWORKS["fake"]
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, entry.file, entry.urls[0]],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert process.stderr.readline().startswith("fake: 0")
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert "Traceback" not in said
    part = parameters_path("fake").with_name(entry.file + ".part")
    assert part.exists()
    assert not parameters_path("fake").exists()
