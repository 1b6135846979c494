"""Videos: times, sound and colours the same after the way through; what cannot be read, refused."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.film.clips import BASE, UNEVEN, av, make_clip, moving, packets
from vangram.errors import ExistsError, OutputError, PictureError
from vangram.film import video
from vangram.film.video import Timing, open_video, recipe_in, write_video
from vangram.images import deep_png, read_picture
from vangram.storage.files import replacing


def decoded(
    path: Path, since: float = 0, until: float | None = None
) -> tuple[list[Tensor], Timing]:
    with open_video(path) as video:
        frames = list(video.frames(since, until))
    return frames, video.timing


def notes_of(path: Path) -> list[str]:
    with open_video(path) as video:
        list(video.frames())
    return video.notes


def copied(path: Path, target: Path) -> tuple[Timing, Timing]:
    """Timings of a film, and of the film written with its frames."""
    frames, timing = decoded(path)
    write_video(target, frames, timing, source=str(path), recipe="made")
    return timing, decoded(target)[1]


def test_times_sound_and_titles_are_identical_after_the_way_through(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "in.mp4", starts=UNEVEN, sound=True)
    was, now = copied(clip, tmp_path / "out.mp4")
    assert was.starts == UNEVEN
    assert now == was
    assert len(packets(clip, "audio")) > 20
    assert packets(tmp_path / "out.mp4", "audio") == packets(clip, "audio")
    with av.open(str(clip)) as old, av.open(str(tmp_path / "out.mp4")) as new:
        assert new.metadata["title"] == "A square"
        titles = [[c["metadata"]["title"] for c in file.chapters()] for file in (old, new)]
        assert titles == [["0", "1"], ["0", "1"]]
    assert recipe_in(tmp_path / "out.mp4") == "made"
    assert recipe_in(clip) is None


def test_delay_before_the_first_frame_is_kept(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "in.mp4", starts=[start + 777 for start in UNEVEN], sound=True)
    was, now = copied(clip, tmp_path / "out.mp4")
    assert was.starts[0] == 777
    assert now == was


@pytest.mark.parametrize("suffix", [".webm", ".mkv"])
def test_matroska_keeps_times_to_its_millisecond(suffix: str, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "in.mp4", starts=UNEVEN)
    was, now = copied(clip, tmp_path / f"out{suffix}")
    for one, two in zip(was.seconds, now.seconds, strict=True):
        assert abs(one - two) <= 0.0005 + 1e-9  # times are rounded to milliseconds
    assert recipe_in(tmp_path / f"out{suffix}") == "made"


def test_sound_that_the_container_cannot_hold_is_told(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "in.mp4", sound=True)
    frames, timing = decoded(clip)
    (note,) = write_video(tmp_path / "out.webm", frames, timing, source=str(clip))
    assert "audio" in note
    assert ".webm" in note
    assert write_video(tmp_path / "out.mkv", frames, timing, source=str(clip)) == []
    assert [p[2] for p in packets(tmp_path / "out.mkv", "audio")] == [
        p[2] for p in packets(clip, "audio")
    ]


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_same_frames_give_the_same_bytes(suffix: str, tmp_path: Path) -> None:
    frames, timing = decoded(make_clip(tmp_path / "in.mp4", sound=True))
    for name in "ab":
        path = tmp_path / f"{name}{suffix}"
        write_video(path, frames, timing, source=str(tmp_path / "in.mp4"), recipe="made")
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


BARS = np.zeros((64, 256, 3), np.uint8)
for number, colour in enumerate(np.ndindex(2, 2, 2)):
    BARS[:, 32 * number : 32 * number + 32] = 16 + 200 * np.array(colour)
"""Eight bars, from black to white."""


def inner(pixels: Tensor) -> Tensor:
    """The middle of each bar, (3, rows, bars, columns), beyond the blur of the chroma."""
    return pixels[0].reshape(3, 64, 8, 32)[:, 8:-8, :, 8:-8]


WANTED = torch.from_numpy(BARS).permute(2, 0, 1)[None] / 255


def furthest(pixels: Tensor, other: Tensor = WANTED) -> int:
    """Largest difference inside the bars, in levels of 8 bits."""
    levels = [(inner(each) * 255).round() for each in (pixels, other)]
    return int((levels[0] - levels[1]).abs().max())


@pytest.mark.parametrize("matrix", [1, 5])
@pytest.mark.parametrize("colour_range", [1, 2])
@pytest.mark.parametrize("format", ["yuv420p", "yuv420p10le"])
def test_bars_keep_their_values(
    matrix: int, colour_range: int, format: str, tmp_path: Path
) -> None:
    clip = make_clip(
        tmp_path / "in.mkv", [BARS] * 3, matrix=matrix, colour_range=colour_range, format=format
    )
    frames, timing = decoded(clip)
    write_video(tmp_path / "out.mp4", frames, timing)
    again, _ = decoded(tmp_path / "out.mp4")
    # A level of chroma is 2.1 levels of blue, and 8 bits of luma and chroma are rounded.
    assert furthest(frames[1]) <= 2
    assert furthest(again[1], frames[1]) <= 2


def test_wrong_matrix_would_change_the_bars(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "in.mkv", [BARS] * 3, matrix=5)
    with open_video(clip) as video:
        (frame, *_) = video.container.decode(video.stream)
        frame.colorspace = 1
        shown = video._upright(frame)
    assert furthest(shown) > 10


def test_ten_bits_are_taken_as_16(tmp_path: Path) -> None:
    grey = np.repeat(np.linspace(60, 68, 64)[None, :, None], 3, 2).repeat(48, 0) * 257
    with av.open(str(tmp_path / "in.mkv"), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": "0"})
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p10le"
        frame = av.VideoFrame.from_ndarray(grey.astype(np.uint16), "rgb48le")
        out.mux(stream.encode(frame.reformat(format="yuv420p10le")))
        out.mux(stream.encode())
    ((pixels,), _) = decoded(tmp_path / "in.mkv")
    assert len(set(pixels[0, 0, 24].tolist())) > 20  # 8 levels of 8 bits
    (tmp_path / "frame.png").write_bytes(deep_png(pixels))
    kept = read_picture(tmp_path / "frame.png").pixels
    assert float((kept - pixels).abs().max()) <= 0.5 / 65535 + 1e-7  # float32's own rounding


@pytest.mark.parametrize(("rotation", "turns"), [(90, 1), (180, 2), (270, 3)])
def test_rotation_turns_the_pixels(rotation: int, turns: int, tmp_path: Path) -> None:
    plain = decoded(make_clip(tmp_path / "a.mp4"))[0][2]
    turned = decoded(make_clip(tmp_path / "b.mp4", rotation=rotation))[0][2]
    # FFmpeg counts degrees counter-clockwise.
    assert torch.equal(turned, torch.rot90(plain, turns, (2, 3)))


def test_pixels_become_square(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "in.mp4", aspect=Fraction(3, 2))
    assert decoded(clip)[0][0].shape == (1, 3, 48, 96)


def test_odd_sides_are_written_one_larger(tmp_path: Path) -> None:
    frames, timing = decoded(make_clip(tmp_path / "in.mp4"))
    odd = [frame[..., :47, :63] for frame in frames]
    write_video(tmp_path / "out.mp4", odd, timing)
    again = decoded(tmp_path / "out.mp4")[0]
    assert again[0].shape == (1, 3, 48, 64)


def test_single_frame_is_a_film(tmp_path: Path) -> None:
    was, now = copied(make_clip(tmp_path / "in.mp4", moving(count=1)), tmp_path / "out.mp4")
    assert len(was.starts) == 1
    assert now == was


def test_part_of_a_film_begins_at_its_time(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "in.mp4", moving(count=20), sound=True)
    frames, timing = decoded(clip)
    part, times = decoded(clip, 0.2, 0.52)
    assert times.starts == timing.starts[5:13]
    assert all(map(torch.equal, part, frames[5:13]))
    write_video(tmp_path / "out.mp4", part, times, source=str(clip), span=(0.2, 0.52))
    assert decoded(tmp_path / "out.mp4")[1].starts == tuple(512 * n for n in range(8))
    sound = packets(clip, "audio")
    cut = [each[2] for each in packets(tmp_path / "out.mp4", "audio")]
    wanted = [p[2] for p in sound if 0.2 * 44100 <= (p[0] or 0) < 0.52 * 44100]
    assert cut == wanted


def changed_in_the_middle(tmp_path: Path) -> Path:
    parts = [make_clip(tmp_path / "1.ts"), make_clip(tmp_path / "2.ts", moving(64, 48, 3))]
    (tmp_path / "in.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    return tmp_path / "in.ts"


def cut_short(tmp_path: Path, front: bool) -> Path:
    whole = make_clip(tmp_path / "whole.mp4", moving(count=30), front=front).read_bytes()
    (tmp_path / "in.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    return tmp_path / "in.mp4"


def test_truncated_film_is_read_as_far_as_it_is_whole(tmp_path: Path) -> None:
    path = cut_short(tmp_path, front=True)
    frames, _ = decoded(path)
    whole, _ = decoded(tmp_path / "whole.mp4")
    assert 2 < len(frames) < 30
    assert all(map(torch.equal, frames[:-1], whole))
    assert any("damaged" in note for note in notes_of(path))
    assert notes_of(tmp_path / "whole.mp4") == []


def sound_alone(tmp_path: Path) -> Path:
    with av.open(str(tmp_path / "in.m4a"), "w", format="mp4") as out:
        stream = out.add_stream("aac", rate=44100)
        tone = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", layout="stereo")
        tone.sample_rate, tone.pts = 44100, 0
        out.mux(stream.encode(tone))
        out.mux(stream.encode())
    return tmp_path / "in.m4a"


def playlist(tmp_path: Path) -> Path:
    make_clip(tmp_path / "1.ts")
    lines = "#EXTM3U", "#EXT-X-TARGETDURATION:9", "#EXTINF:9,", "1.ts", "#EXT-X-ENDLIST"
    (tmp_path / "in.m3u8").write_text("\n".join(lines))
    return tmp_path / "in.m3u8"


def written(name: str, content: bytes) -> Callable[[Path], Path]:
    def write(tmp_path: Path) -> Path:
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return write


def pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "in.mp4")
    return tmp_path / "in.mp4"


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda tmp_path: tmp_path / "in.mp4", "No such file"),
    "empty": (written("in.mp4", b""), "empty"),
    "noise": (written("in.mp4", bytes(range(256)) * 9), "cannot be read as a film"),
    "cut before its index": (lambda path: cut_short(path, front=False), "cannot be read as a film"),
    "sound alone": (sound_alone, "no video"),
    "playlist": (playlist, "cannot be read as a film"),
    "without an end": (lambda tmp_path: Path("/dev/zero"), "no regular file"),
    "pipe": (pipe, "no regular file"),
    "size changes": (changed_in_the_middle, "changes from 64 x 48 to 48 x 64 px"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_film_is_refused_in_one_line(case: str, tmp_path: Path) -> None:
    make, said = REFUSED[case]
    with pytest.raises(PictureError, match=said) as refused:
        decoded(make(tmp_path))
    assert "\n" not in str(refused.value)
    assert "Errno" not in str(refused.value)


def test_existing_file_is_untouched(tmp_path: Path) -> None:
    frames, timing = decoded(make_clip(tmp_path / "in.mp4"))
    (tmp_path / "out.mp4").write_bytes(b"mine")
    with pytest.raises(ExistsError):
        write_video(tmp_path / "out.mp4", frames, timing, overwrite=False)
    assert (tmp_path / "out.mp4").read_bytes() == b"mine"
    assert {path.name for path in tmp_path.iterdir()} == {"in.mp4", "out.mp4"}


class Full:
    """A file on a disk that has room for some bytes."""

    def __init__(self, handle: BinaryIO, room: int) -> None:
        self.handle, self.room = handle, room
        self.seek, self.tell = handle.seek, handle.tell

    def write(self, data: bytes) -> int:
        self.room -= len(data)
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.handle.write(data)


@pytest.mark.parametrize("room", [0, 600, 9000])  # at the first byte, in the film, at its end
@pytest.mark.parametrize("copies", [False, True])
def test_full_disk_is_told_of_the_output(
    room: int, copies: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = make_clip(tmp_path / "in.mp4", sound=True)
    frames, timing = decoded(clip)

    @contextmanager
    def full(path: Path, *, overwrite: bool) -> Iterator[Full]:
        with replacing(path, overwrite=overwrite) as handle:
            yield Full(handle, room if copies else min(room, 600))

    monkeypatch.setattr("vangram.film.video.replacing", full)
    with pytest.raises(OutputError, match=r"out\.mp4' cannot be written \(No space left"):
        write_video(tmp_path / "out.mp4", frames, timing, source=str(clip) if copies else None)
    assert {path.name for path in tmp_path.iterdir()} == {"in.mp4"}


def test_durations_are_those_between_the_times() -> None:
    timing = Timing(BASE, (5, 9, 10), 3)
    assert timing.durations == [4 * BASE, BASE, 3 * BASE]
    assert timing.seconds == [0, 4 / 12800, 5 / 12800]


@pytest.mark.parametrize("at", [1, 2, 4])
def test_interrupt_while_ffmpeg_writes_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """PyAV would swallow it, and the file would be damaged."""
    write, calls = video._Sink.write, 0

    def interrupted(self: Any, data: bytes) -> int:
        nonlocal calls
        calls += 1
        if calls == at:
            signal.raise_signal(signal.SIGINT)
        return write(self, data)

    monkeypatch.setattr(video._Sink, "write", interrupted)
    handler = signal.getsignal(signal.SIGINT)
    frames, timing = decoded(make_clip(tmp_path / "in.mp4", sound=True))
    for source in (None, str(tmp_path / "in.mp4")):
        calls = 0
        with pytest.raises(KeyboardInterrupt):
            write_video(tmp_path / "out.mp4", frames, timing, source=source)
        assert not (tmp_path / "out.mp4").exists()
    assert signal.getsignal(signal.SIGINT) is handler
