"""Files: the old one stays until the new one is whole, and nothing else is left."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from vangram.errors import ExistsError, OutputError
from vangram.storage.files import counted, open_regular, replacing
from vangram.storage.locks import claim


def test_file_is_replaced_when_complete(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with replacing(path) as handle:
        handle.write(b"new")
        handle.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize(("number", "text"), [(0, "0 tiles"), (1, "1 tile"), (2, "2 tiles")])
def test_one_thing_is_singular(number: int, text: str) -> None:
    assert counted(number, "tile") == text


def write(path: Path, reason: BaseException) -> None:
    with replacing(path) as handle:
        handle.write(b"new")
        raise reason


@pytest.mark.parametrize("reason", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_failed_write_leaves_the_old_file_only(tmp_path: Path, reason: BaseException) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    wanted = OutputError if isinstance(reason, OSError) else KeyboardInterrupt
    with pytest.raises(wanted) as caught:
        write(path, reason)
    if wanted is OutputError:
        assert "No space left on device" in str(caught.value)
        assert "\n" not in str(caught.value)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_part_of_a_killed_process_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(b"half")
    with replacing(tmp_path / "file", "file.part") as handle:
        handle.write(b"new")
        assert sorted(os.listdir(tmp_path)) == ["file.part"]
    assert (tmp_path / "file").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["file"]


def test_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "folder" / "file")
    with replacing(tmp_path / "link") as handle:
        handle.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "folder" / "file").read_bytes() == b"new"


def test_missing_folder_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"), replacing(tmp_path / "no" / "file"):
        pass


def test_link_itself_is_replaced_on_request(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with replacing(tmp_path / "link", follow_links=False) as handle:
        handle.write(b"new")
    assert (tmp_path / "target").read_bytes() == b"old"
    assert not (tmp_path / "link").is_symlink()
    assert (tmp_path / "link").read_bytes() == b"new"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_pipes_and_devices_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(OSError, match="it is no regular file"), open_regular(path):
            raise AssertionError


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="links are followed here")
def test_link_is_refused_on_request(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"whole")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with open_regular(tmp_path / "link") as handle:
        assert handle.read() == b"whole"
    with pytest.raises(OSError, match="link"), open_regular(tmp_path / "link", follow_links=False):
        raise AssertionError


def test_file_that_appears_meanwhile_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*arguments: object) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    for _ in range(2):
        with replacing(tmp_path / "new", overwrite=False) as handle:
            handle.write(b"new")
        assert (tmp_path / "new").read_bytes() == b"new"
        path = tmp_path / "file"
        with (
            pytest.raises(ExistsError, match="exists already"),
            replacing(path, overwrite=False) as handle,
        ):
            path.write_bytes(b"precious")
        assert path.read_bytes() == b"precious"
        assert sorted(os.listdir(tmp_path)) == ["file", "new"]
        (tmp_path / "new").unlink()
        path.unlink()
        monkeypatch.setattr(os, "link", refused)


@pytest.mark.skipif(sys.platform == "win32", reason="no such locks")
def test_leftovers_of_killed_processes_are_swept_and_nothing_else(tmp_path: Path) -> None:
    left = [".vangram-0123456789abcdef.part", ".vangram-cat.png.lock"]
    others = [".vangram-notes.part", "cat.vangram-0123456789abcdef.part", ".vangram-x.lock.txt"]
    for name in (*left, *others):
        (tmp_path / name).write_bytes(b"half")
    (tmp_path / ".vangram-folder.lock").mkdir()
    (tmp_path / ".vangram-link.lock").symlink_to(tmp_path / others[0])
    with replacing(tmp_path / "working") as working:
        assert not set(left) & set(os.listdir(tmp_path))
        (part,) = {*os.listdir(tmp_path)} - {*others, ".vangram-folder.lock", ".vangram-link.lock"}
        held = claim(tmp_path / "busy")
        script = "import sys; from vangram.storage.locks import sweep; sweep(sys.argv[1])"
        subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, timeout=60)
        assert {part, ".vangram-busy.lock"} < set(os.listdir(tmp_path))
        working.write(b"whole")
    assert held is not None
    held.release()
    assert (tmp_path / "working").read_bytes() == b"whole"
    kept = [*others, ".vangram-folder.lock", ".vangram-link.lock", "working"]
    assert sorted(os.listdir(tmp_path)) == sorted(kept)


@pytest.mark.skipif(sys.platform == "win32", reason="no such locks")
def test_lock_waits_for_the_file_that_is_there(tmp_path: Path) -> None:
    """A lock won on a file that its last owner has removed is none."""
    locked, entered = 0, []

    def work() -> None:
        nonlocal locked
        for _ in range(50):
            lock = claim(tmp_path / "file", wait=True)
            assert lock is not None
            locked += 1
            entered.append(locked)
            time.sleep(0)
            locked -= 1
            lock.release()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert entered == [1] * 200
    assert os.listdir(tmp_path) == []
