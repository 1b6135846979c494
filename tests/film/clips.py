"""Small films for tests, made by PyAV."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

av = pytest.importorskip("av", reason="the extra `film` is not installed")

Levels = npt.NDArray[np.uint8]
"""A frame (H, W, 3)."""
BASE = Fraction(1, 12800)
UNEVEN = (0, 1300, 1812, 2324, 3624, 4136)
"""Ticks of the frames of a variable frame rate."""


def moving(height: int = 48, width: int = 64, count: int = 6) -> list[Levels]:
    """Frames of a square that moves over a gradient."""
    frames: list[Levels] = []
    for number in range(count):
        levels = np.zeros((height, width, 3), np.uint8)
        levels[..., 0] = np.linspace(0, 255, width)
        levels[..., 1] = np.linspace(255, 60, height)[:, None]
        levels[8:24, 4 + 3 * number : 20 + 3 * number] = (250, 240, 40)
        frames.append(levels)
    return frames


def make_clip(
    path: Path,
    frames: Sequence[Levels] | None = None,
    starts: Sequence[int] | None = None,
    *,
    codec: str = "libx264",
    format: str = "yuv420p",
    sound: bool = False,
    rotation: int = 0,
    aspect: Fraction | None = None,
    matrix: int = 1,
    colour_range: int = 1,
    front: bool = False,
) -> Path:
    """Write a film, lossless where the codec is H.264.

    Args:
        path: of the file.
        frames: of one size.
        starts: ticks of `BASE` at which they are shown; default: 25 a second.
        codec: of the video.
        format: of its pixels.
        sound: whether a stream of AAC, a title and two chapters are added.
        rotation: degrees of the display matrix.
        aspect: of a pixel.
        matrix: 1: BT.709, 5: BT.601.
        colour_range: 1: 16 to 235, 2: 0 to 255.
        front: whether an .mp4's index stands before its data.
    """
    frames = moving() if frames is None else frames
    options = {"movie_timescale": "12800"} | ({"movflags": "+faststart"} if front else {})
    with av.open(str(path), "w", container_options=options) as out:
        stream = out.add_stream(codec, rate=25, options={"crf": "0"} if codec == "libx264" else {})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.time_base = format, BASE
        context: Any = stream.codec_context
        context.time_base = BASE
        context.colorspace, context.color_range = matrix, colour_range
        if aspect is not None:
            context.sample_aspect_ratio = aspect
        if rotation:
            stream.set_display_rotation(rotation)
        audio: Any = out.add_stream("aac", rate=44100) if sound else None
        if sound:
            out.metadata["title"] = "A square"
            parts = [(0, 2000), (2000, 4600)]
            out.set_chapters(
                [
                    {
                        "id": n,
                        "start": a,
                        "end": b,
                        "time_base": BASE,
                        "metadata": {"title": str(n)},
                    }
                    for n, (a, b) in enumerate(parts)
                ]
            )
        for number, levels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(levels, "rgb24").reformat(
                format=format, dst_colorspace=matrix, dst_color_range=colour_range
            )
            frame.pts = 512 * number if starts is None else starts[number]
            frame.time_base = BASE
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
        for number in range(20 if audio is not None else 0):
            wave = np.sin(np.arange(1024) / (5 + number)).astype(np.float32) / 3
            tone = av.AudioFrame.from_ndarray(np.stack([wave, wave]), "fltp", layout="stereo")
            tone.sample_rate, tone.pts, tone.time_base = 44100, 1024 * number, Fraction(1, 44100)
            out.mux(audio.encode(tone))
        if audio is not None:
            out.mux(audio.encode())
    return path


def packets(path: Path, kind: str) -> list[tuple[int | None, int | None, bytes]]:
    """Times and bytes of all packets of the streams of a kind."""
    with av.open(str(path)) as file:
        streams = [each for each in file.streams if each.type == kind]
        return [(p.pts, p.dts, bytes(p)) for p in file.demux(streams) if p.size]
