"""The standard streams: a run does not fail for want of them, and they say what is meant."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_runner import SECONDS, recorded
from vangram.cli.streams import tell
from vangram.images import read_picture

SMALL = "--size 16 --steps 2 --content-layers relu2_1 --style-layers relu1_1"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no full device")
@pytest.mark.parametrize("redirected", ["2>/dev/full", ">/dev/full", "2>&-", ">&- 2>&-"])
def test_run_with_failing_streams_makes_its_picture(
    photo: Path, painting: Path, tmp_path: Path, redirected: str
) -> None:
    output = tmp_path / "out.png"
    line = f"'{sys.executable}' -m vangram stylize '{photo}' '{painting}' -o '{output}' {SMALL}"
    done = subprocess.run(
        ["sh", "-c", f"{line} {redirected}"], capture_output=True, text=True, timeout=SECONDS
    )
    assert done.returncode == 0, done.stderr
    assert read_picture(output).size == (12, 16)
    assert sorted(os.listdir(tmp_path)) == ["out.png", "painting.png", "photo.png"]
    assert ("cannot be written (No space left" in done.stderr) == (redirected == ">/dev/full")


def printed(text: str) -> bytes:
    """A text as the standard output of a process that knows ASCII has it."""
    script = f"from vangram.cli.streams import protect_streams as p; p(); print({text!a})"
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, env=environment, check=True
    ).stdout


def test_output_has_names_as_their_bytes_and_other_characters_escaped() -> None:
    assert printed("na\udcefve.png") == b"na\xefve.png\n"
    assert printed("α w") == b"\\u03b1 w\n"


def test_told_lines_cannot_forge_others(capsys: pytest.CaptureFixture[str]) -> None:
    tell("note: the style is 'x\x1b[2K\rvangram: error: forged\n\u202e\x9b1m' now, in Kōbe")
    assert capsys.readouterr().err == (
        "vangram: note: the style is 'x\\x1b[2K\\rvangram: error: forged\\n\\u202e\\x9b1m' now,"
        " in Kōbe\n"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX")
@pytest.mark.parametrize("ignored", [False, True])
def test_run_whose_terminal_goes_keeps_its_picture(
    photo: Path, painting: Path, tmp_path: Path, ignored: bool
) -> None:
    output = tmp_path / "out.png"
    words = ["stylize", str(photo), str(painting), "-o", str(output), *SMALL.split()]
    words += ["--steps", "300", "--tolerance", "0"]
    script = "import fcntl, signal, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
    handler = "SIG_IGN" if ignored else "SIG_DFL"  # ignored as after nohup
    script += f"signal.signal(signal.SIGHUP, signal.{handler})\n"
    script += "from vangram.cli import main; main()"
    terminal, end = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", script, *words],
        stdin=end, stdout=end, stderr=end, start_new_session=True,
    )  # fmt: skip
    os.close(end)
    shown = b""
    while b"step" not in shown:
        shown += os.read(terminal, 1000)
    os.close(terminal)
    assert process.wait(timeout=SECONDS) == (0 if ignored else 129)
    assert recorded(output).finished == ignored
