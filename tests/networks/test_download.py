"""Downloads from a server on this machine: resumed, checked, done once; told of in one line."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
import torch
from requests.adapters import HTTPAdapter
from safetensors.torch import save

from tests.networks.server import (
    Answer,
    FileServer,
    Plan,
    cut,
    give_another_part,
    ignore_range,
    refuse,
    serve,
    serving,
    stall,
    without_length,
)
from vangram.errors import NetworkError
from vangram.networks import (
    NETWORKS,
    FeatureNetwork,
    Network,
    Topology,
    download,
    fetch_network,
    load_network,
    parameters_path,
)

BLOCK = 1000
TOPOLOGY = Topology(widths=(40,), depths=(2,))


def parameters() -> bytes:
    """A file of 60 kB."""
    torch.manual_seed(0)
    return save(dict(FeatureNetwork(TOPOLOGY).state_dict()))


CONTENT = parameters()
SHA256 = hashlib.sha256(CONTENT).hexdigest()
LENGTH = len(CONTENT)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """A server of the network "fake", a cache of its own, and little patience."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(download, "BLOCK", BLOCK)
    monkeypatch.setattr(download, "READ_SECONDS", 0.3)
    monkeypatch.setattr(download, "PAUSE_SECONDS", 0.0)
    with serving(CONTENT) as server:
        fake = Network(
            TOPOLOGY,
            file=f"fake-{SHA256[:8]}.safetensors",
            licence="none",
            source="nobody",
            size=LENGTH,
            urls=(f"{server.address}/fake",),
        )
        monkeypatch.setitem(NETWORKS, "fake", fake)
        yield server


def urls(*given: str) -> None:
    NETWORKS["fake"] = replace(NETWORKS["fake"], urls=given)


def beside(suffix: str) -> Path:
    path = parameters_path("fake")
    return path.with_name(path.name + suffix)


def refused(*said: str) -> str:
    """What a fetch that fails says, on one line and with what to do."""
    with pytest.raises(NetworkError) as caught:
        fetch_network("fake")
    message = str(caught.value)
    assert "\n" not in message
    assert not parameters_path("fake").exists()
    for words in (
        *said,
        repr(str(parameters_path("fake"))),
        "`vangram networks fetch fake`",
        "--network vgg19-lite works offline",
    ):
        assert words in message
    return message


def test_fetched_file_is_in_torchs_cache_and_loads(server: FileServer, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    path = fetch_network("fake", lambda done, total: told.append((done, total)))
    assert path == parameters_path("fake")
    assert path.parent == tmp_path / "hub" / "checkpoints"
    assert path.read_bytes() == CONTENT
    assert load_network("fake").sha256 == SHA256
    assert told[0] == (0, LENGTH)
    assert told[-1] == (LENGTH, LENGTH)
    assert told == sorted(told)
    assert len(told) > LENGTH // BLOCK
    left = {each.name for each in path.parent.iterdir()} - {f"{path.name}.lock"}
    assert left == {path.name, f"{path.name}.sha256"}
    assert beside(".sha256").read_text().split() == [SHA256, path.name]


def test_cached_file_is_not_fetched_again(server: FileServer) -> None:
    parameters_path("fake").parent.mkdir(parents=True)
    parameters_path("fake").write_bytes(CONTENT)
    fetch_network("fake")
    fetch_network("fake")
    assert server.asked == []


def test_cached_file_is_found_in_a_read_only_folder(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(path: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    path = fetch_network("fake")
    monkeypatch.setattr("filelock.FileLock", denied)
    assert fetch_network("fake") == path
    path.unlink()
    refused("cannot be written (Permission denied)", "TORCH_HOME")


def test_damaged_cached_file_is_fetched_again(server: FileServer) -> None:
    fetch_network("fake").write_bytes(CONTENT[:-1])
    assert fetch_network("fake").read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_cut_is_resumed_within_one_call_and_no_byte_fetched_twice(server: FileServer) -> None:
    server.plans = [cut(20 * BLOCK), cut(10 * BLOCK)]
    assert fetch_network("fake").read_bytes() == CONTENT
    assert [asked.get("Range") for asked in server.asked] == [
        None,
        f"bytes={20 * BLOCK}-",
        f"bytes={30 * BLOCK}-",
    ]
    assert server.asked[1]["If-Range"] == server.etag
    assert server.sent == LENGTH


def test_later_call_resumes_from_the_part(server: FileServer) -> None:
    server.plans = [cut(20 * BLOCK), refuse(503)]
    refused("it answers 503")
    assert beside(".part").stat().st_size == 20 * BLOCK
    fetch_network("fake")
    assert server.asked[-1]["Range"] == f"bytes={20 * BLOCK}-"
    assert server.sent == LENGTH


def test_interrupted_fetch_keeps_its_part(server: FileServer) -> None:
    def interrupt(done: int, total: int | None) -> None:
        if done >= 20 * BLOCK:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_network("fake", interrupt)
    assert beside(".part").read_bytes() == CONTENT[: 20 * BLOCK]
    with pytest.raises(NetworkError, match="are not here"):
        load_network("fake")
    fetch_network("fake")
    assert server.asked[-1]["Range"] == f"bytes={20 * BLOCK}-"


@pytest.mark.parametrize("plan", [ignore_range, give_another_part])
def test_server_without_ranges_is_read_from_the_first_byte(server: FileServer, plan: Plan) -> None:
    server.plans = [cut(20 * BLOCK), plan]
    assert fetch_network("fake").read_bytes() == CONTENT


def test_part_of_another_version_is_not_resumed(server: FileServer) -> None:
    server.content = bytes(LENGTH)
    server.plans = [cut(20 * BLOCK), refuse(503)]
    refused()
    server.content, server.etag = CONTENT, '"second"'
    assert fetch_network("fake").read_bytes() == CONTENT
    assert len(server.asked) == 3  # the server itself answered with the whole


@pytest.mark.parametrize("length", [20 * BLOCK, LENGTH, LENGTH + 5])
def test_unknown_part_that_does_not_fit_is_fetched_again(server: FileServer, length: int) -> None:
    beside("").parent.mkdir(parents=True)
    beside(".part").write_bytes(bytes(length))
    assert fetch_network("fake").read_bytes() == CONTENT


def test_complete_part_is_not_fetched_again(server: FileServer) -> None:
    beside("").parent.mkdir(parents=True)
    beside(".part").write_bytes(CONTENT)
    assert fetch_network("fake").read_bytes() == CONTENT
    assert server.sent < LENGTH


def test_wrong_hash_is_refused_and_nothing_left(server: FileServer) -> None:
    server.content = bytes(LENGTH)
    wrong = hashlib.sha256(bytes(LENGTH)).hexdigest()[:8]
    refused(server.address, f"not the right file, its SHA-256 begins with {wrong}")
    assert not beside(".part").exists()
    assert not beside(".sha256").exists()


def test_dead_link_is_in_the_error(server: FileServer) -> None:
    server.plans = [refuse(404)]
    refused(f"{server.address}/fake (it answers 404)")
    assert len(server.asked) == 1


def test_mirror_is_tried_after_the_first_address(server: FileServer, closed_port: int) -> None:
    urls(f"http://127.0.0.1:{closed_port}/a", f"{server.address}/b", f"{server.address}/c")
    server.plans = [refuse(404), cut(20 * BLOCK), serve]
    assert fetch_network("fake").read_bytes() == CONTENT
    assert len(server.asked) == 3


def test_part_of_one_address_is_resumed_from_another(server: FileServer) -> None:
    urls(f"{server.address}/a", f"{server.address}/b")
    server.plans = [cut(20 * BLOCK), refuse(503), serve]
    assert fetch_network("fake").read_bytes() == CONTENT
    assert server.sent == LENGTH
    assert "If-Range" not in server.asked[-1]  # a version's name means nothing elsewhere


def test_stalled_server_times_out(server: FileServer) -> None:
    server.plans = [stall(0)]
    started = time.monotonic()
    refused("nothing came for 0.3 s")
    assert time.monotonic() - started < 5


def test_server_that_stalls_midway_is_retried(server: FileServer) -> None:
    server.plans = [stall(20 * BLOCK)]
    assert fetch_network("fake").read_bytes() == CONTENT
    assert server.sent == LENGTH


def test_retries_are_limited(server: FileServer) -> None:
    server.plans = [cut(BLOCK)] * 100
    refused("the connection broke off")
    assert len(server.asked) == download.MAX_RETRIES + 1


def test_refused_connection_is_in_the_error(server: FileServer, closed_port: int) -> None:
    urls(f"http://127.0.0.1:{closed_port}/fake")
    refused(f"http://127.0.0.1:{closed_port}/fake (connection refused)")


def test_unknown_host_error_suggests_being_offline(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*arguments: object, **options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    urls("http://nowhere.invalid/fake")
    refused("is this machine offline?")


def test_file_that_cannot_grow_is_in_the_error(server: FileServer) -> None:
    resource = pytest.importorskip("resource")
    urls(f"{server.address}/a", f"{server.address}/b")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LENGTH // 2, before[1]))
    try:
        refused("cannot be written (File too large)", "free some space")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(server.asked) == 1  # no mirror makes room


def test_folder_that_cannot_be_created_is_in_the_error(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "hub").write_text("a file where a folder is to be")
    refused("cannot be written", "TORCH_HOME")


def test_file_changed_after_the_download_is_refused(server: FileServer) -> None:
    path = fetch_network("fake")
    path.write_bytes(CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]))
    with pytest.raises(NetworkError) as caught:
        load_network("fake")
    assert str(caught.value) == (
        f"'{path}' is damaged: its SHA-256 is not what it was;"
        " `vangram networks fetch fake` brings it anew"
    )


def test_whole_hash_first_seen_is_compared(server: FileServer) -> None:
    path = fetch_network("fake")
    another = SHA256[:8] + "0" * 56
    beside(".sha256").write_text(f"{another}  {path.name}\n")
    with pytest.raises(NetworkError, match="its SHA-256 is not what it was"):
        load_network("fake")


def test_download_of_another_program_is_used_and_its_hash_kept(server: FileServer) -> None:
    parameters_path("fake").parent.mkdir(parents=True)
    parameters_path("fake").write_bytes(CONTENT)
    assert load_network("fake").sha256 == SHA256
    assert SHA256 in beside(".sha256").read_text()


def test_whole_hash_of_the_registry_is_compared(server: FileServer) -> None:
    NETWORKS["fake"] = replace(NETWORKS["fake"], sha256=SHA256)
    path = fetch_network("fake")
    assert load_network("fake").sha256 == SHA256
    assert not beside(".sha256").exists()  # which it has no need of
    path.unlink()
    NETWORKS["fake"] = replace(NETWORKS["fake"], sha256=SHA256[:8] + "0" * 56)
    refused(f"not the right file, its SHA-256 begins with {SHA256[:8]}")


@pytest.mark.parametrize("plan", [serve, without_length])
def test_download_is_bounded_in_size(
    server: FileServer, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "HEADERS", 10 * BLOCK)
    server.content = CONTENT + bytes(40_000_000)
    server.plans = [plan]
    refused(f"more than {LENGTH + 10 * BLOCK} bytes")
    assert not beside(".part").exists()
    if plan is without_length:  # the other writes all at once
        assert server.sent < 20_000_000  # sockets buffer some
    # The companion: a little more, as headers, is a wrong file and not a large one.
    server.content = CONTENT + bytes(9 * BLOCK)
    refused("not the right file, its SHA-256 begins with")


class Redirecting(HTTPAdapter):
    """Answers as an https server would that redirects elsewhere."""

    def __init__(self, to: str) -> None:
        super().__init__()
        self.to = to

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        response = requests.Response()
        response.status_code, response.request, response.url = 302, request, str(request.url)
        response.headers["Location"], response.raw = self.to, io.BytesIO()
        return response


def test_https_is_not_redirected_to_plain_http(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = requests.Session.__init__

    def mounted(self: requests.Session) -> None:
        made(self)
        for scheme in ("http", "https"):
            self.mount(f"{scheme}://named.invalid", Redirecting(f"{server.address}/fake"))

    monkeypatch.setattr(requests.Session, "__init__", mounted)
    urls("https://named.invalid/fake")
    refused("https://named.invalid/fake (it redirects to plain http)")
    assert server.asked == []
    # The companion: such a redirect is followed from plain http.
    urls("http://named.invalid/fake")
    assert fetch_network("fake").read_bytes() == CONTENT


needs_links = pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="links are followed here")


@needs_links
@pytest.mark.parametrize("suffix", ["", ".part", ".part.from", ".sha256"])
def test_no_link_in_the_cache_is_written_through(
    server: FileServer, suffix: str, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    beside("").parent.mkdir(parents=True)
    beside(suffix).symlink_to(precious)
    assert fetch_network("fake").read_bytes() == CONTENT
    assert precious.read_bytes() == b"precious"
    assert not parameters_path("fake").is_symlink()


@needs_links
def test_link_in_the_cache_is_not_read(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(CONTENT)
    beside("").parent.mkdir(parents=True)
    beside("").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NetworkError, match="is a symbolic link, which is not followed"):
        load_network("fake")


SCRIPT = """
import json, sys
from vangram.networks import NETWORKS, Network, Topology, fetch_network
file, address = json.loads(sys.argv[1])
NETWORKS["fake"] = Network(Topology((40,), (2,)), file, "none", urls=(address,))
import filelock, requests
print("ready", flush=True)
sys.stdin.readline()
print(fetch_network("fake"))
"""


def serve_slowly(answer: Answer) -> None:
    time.sleep(0.5)  # so that both are at it
    serve(answer)


def test_concurrent_processes_fetch_once(server: FileServer) -> None:
    server.plans = [serve_slowly, serve_slowly]
    entry = NETWORKS["fake"]
    given = json.dumps([entry.file, entry.urls[0]])
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, given],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        assert process.communicate(timeout=60)[0].strip() == str(parameters_path("fake"))
        assert process.returncode == 0
    assert len(server.asked) == 1
    assert server.sent == LENGTH
    assert parameters_path("fake").read_bytes() == CONTENT
