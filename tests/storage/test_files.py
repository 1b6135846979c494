"""Files: the old one stays until the new one is whole, and nothing else is left."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vangram.errors import OutputError
from vangram.storage.files import replacing


def test_file_is_replaced_when_complete(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with replacing(path) as handle:
        handle.write(b"new")
        handle.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["file"]


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
