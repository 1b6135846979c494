"""Video files by FFmpeg: frames with their times in, frames with the other streams out.

The only file that knows PyAV.
"""

from __future__ import annotations

import heapq
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vangram.errors import OutputError, PictureError, SettingError
from vangram.images import resize
from vangram.images.colour_space import RGBSpace
from vangram.storage.files import counted, open_regular, quoted, reason, replacing

RECIPE = "vangram"
"""Name of the recipe among a container's metadata."""
ENCODERS: Mapping[str, tuple[str, ...]] = {
    ".mp4": ("libx264", "libsvtav1"),
    ".webm": ("libvpx-vp9", "libsvtav1"),
    ".mkv": ("libvpx-vp9", "libsvtav1"),
}
"""Suffix -> encoders, the first that FFmpeg's build has."""
# The bytes of x264 depend on the number of its threads; B frames would change durations in .mp4.
QUALITY: Mapping[str, dict[str, str]] = {
    "libx264": {"crf": "12", "bf": "0", "threads": "4"},
    "libvpx-vp9": {"crf": "18", "b": "0", "deadline": "good", "cpu-used": "3"},
    "libsvtav1": {"crf": "20", "preset": "6"},
}
"""Encoder -> its options: nearly without visible loss, as brush strokes are fine."""
COPIED = ("audio", "subtitle")
"""Kinds of streams that are copied packet by packet."""
NOT_COPIED = (RECIPE, "encoder", "major_brand", "minor_version", "compatible_brands")
"""Metadata of the source that describe its file."""
WIDE = (9, 11, 12)
"""Primaries (ITU-T H.273) that are converted: BT.2020, P3. Players show all others as sRGB's."""
BT709, BT601, NARROW, FULL = 1, 5, 1, 2
"""FFmpeg's numbers of matrices for conversion, and of the ranges 16 to 235 and 0 to 255."""
LAST_TICK = (1 << 62) - 1
"""Beyond any film; FFmpeg counts in 64 bits."""
HD = 720
"""Height in pixels from which a film that does not name its matrix has BT.709's."""


@dataclass(frozen=True)
class Timing:
    """When the frames of a film are shown."""

    base: Fraction
    """Seconds of a tick."""
    starts: tuple[int, ...] = ()
    """Ticks at which each frame is shown first, ascending."""
    last: int = 1
    """Ticks for which the last frame is shown."""

    @property
    def seconds(self) -> list[float]:
        """Seconds from the first frame to each."""
        return [float((start - self.starts[0]) * self.base) for start in self.starts]

    @property
    def durations(self) -> list[Fraction]:
        """Seconds for which each frame is shown."""
        shown = [after - start for start, after in pairwise(self.starts)]
        return [ticks * self.base for ticks in (*shown, self.last)]


def clock(seconds: float) -> str:
    """A time as people write it, as "0:02", "1:30.25" or "1:00:00"."""
    hundredths = round(seconds * 100)
    minutes, rest = divmod(hundredths, 6000)
    hours, minutes = divmod(minutes, 60)
    past = f"{rest / 100:05.2f}".removesuffix("0").removesuffix(".0")
    return f"{hours}:{minutes:02}:{past}" if hours else f"{minutes}:{past}"


def no_frame(label: str, since: float, until: float | None, end: float | None) -> PictureError:
    """The error of a film that has no frame between two times.

    Args:
        label: of the film.
        since: seconds after the film's start.
        until: seconds; None: the film's end.
        end: seconds at which the film ends; None: there is a frame from `until` on.
    """
    if end is not None:
        return PictureError(f"{label} ends at {clock(end)}; give an earlier --from")
    return PictureError(
        f"{label} has no frame from {clock(since)} to {clock(until or 0)}; give a later --to"
    )


def pyav() -> Any:
    """The module that reads and writes videos.

    Raises:
        SettingError: it is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise SettingError("films need PyAV: pip install 'vangram[film]'") from error
    return av  # whose own log is silent unless it is asked for


@dataclass
class Video:
    """A video file, open for reading."""

    label: str
    container: Any
    stream: Any
    notes: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    last: int = 1

    @property
    def timing(self) -> Timing:
        """When the frames that were read are shown."""
        return Timing(Fraction(self.stream.time_base), tuple(self.starts), self.last)

    @property
    def beside(self) -> list[str]:
        """The streams beside the frames that could be copied, as "audio of 'in.mp4' (aac)"."""
        streams = [each for each in self.container.streams if each.type in COPIED]
        return [named(self.label, each) for each in streams]

    def frames(self, since: float = 0.0, until: float | None = None) -> Iterator[Tensor]:
        """Decode the frames, upright and with square pixels, one at a time.

        Args:
            since: seconds after the film's start before which frames are left out.
            until: seconds from which on they are left out.

        Yields:
            (1, 3, H, W) sRGB in [0, 1], float32.

        Raises:
            PictureError: there is no frame, or its size changes.
        """
        base, first = Fraction(self.stream.time_base), self.stream.start_time or 0
        if since:
            ticks = min(first + int(since / base), LAST_TICK)
            with _reading(self.label):
                self.container.seek(ticks, stream=self.stream)
        size: tuple[int, int] | None = None
        gap, last, end = 0, None, None
        for frame in self._decoded():
            start = gap + (first if frame.pts is None and last is None else frame.pts or 0)
            if last is not None and (frame.pts is None or start <= last):
                # No time, or one that has been: the film is spliced.
                gap, start = gap + last + self._ticks(frame) - start, last + self._ticks(frame)
            last = start
            at = float((start - first) * base)
            if at < since:
                end = at + float(self._ticks(frame) * base)
                continue
            if until is not None and at >= until:
                end = None
                break
            if size is not None and (frame.height, frame.width) != size:
                raise PictureError(
                    f"{self.label} changes from {size[1]} x {size[0]} to {frame.width} x"
                    f" {frame.height} px after {at:.1f} seconds; convert it to one size first"
                )
            size = frame.height, frame.width
            self.starts.append(start)
            self.last = self._ticks(frame)
            yield self._upright(frame)
        if last is None and since >= (length := float((self.stream.duration or 0) * base)) > 0:
            raise no_frame(self.label, since, until, length)  # nothing follows the place sought
        if not self.starts and last is not None:
            raise no_frame(self.label, since, until, end)
        if not self.starts:
            raise PictureError(f"{self.label} has no frame that can be decoded; check it")
        if not since and until is None and len(self.starts) < self.stream.frames:
            self.notes.append(
                f"{self.label} is damaged: {counted(self.stream.frames, 'frame')} announced,"
                f" {len(self.starts)} whole and taken"
            )

    def _decoded(self) -> Iterator[Any]:
        """Frames as they are stored; damaged ones are left out, with one note."""
        errors = pyav().error
        try:
            for packet in self.container.demux(self.stream):
                try:
                    yield from packet.decode()
                except errors.InvalidDataError:
                    self._note_damage()
        except errors.FFmpegError:  # the file ends before its data
            self._note_damage()

    def _note_damage(self) -> None:
        note = f"{self.label} is damaged; the frames that cannot be decoded are left out"
        if note not in self.notes:
            self.notes.append(note)

    def _ticks(self, frame: Any) -> int:
        """Duration of a frame that its container gives, or that its rate has."""
        rate = self.stream.guessed_rate or self.stream.average_rate or 25
        return int(frame.duration or 0) or max(1, round(1 / (rate * self.stream.time_base)))

    def _upright(self, frame: Any) -> Tensor:
        deep = max(part.bits for part in frame.format.components) > 8
        matrix = frame.colorspace
        if matrix not in (1, 4, 5, 6, 7, 9):
            matrix = BT709 if frame.height >= HD else BT601
        rgb = frame.format.is_rgb
        array = frame.reformat(
            format="rgb48le" if deep else "rgb24",  # 8 bits as 16 are rounded down
            src_colorspace=BT601 if rgb else matrix,
            src_color_range=FULL if rgb or frame.color_range == FULL else NARROW,
            dst_color_range=FULL,
            interpolation=_exact(),
        ).to_ndarray()
        values = array.astype(np.float32) / np.float32(65535 if deep else 255)
        primaries = frame.color_primaries if frame.color_primaries in WIDE else BT709
        space = RGBSpace.of_codes(primaries, frame.color_trc, True, self.label)
        if primaries != BT709:
            values = space.to_srgb(values)
        pixels = torch.from_numpy(values).permute(2, 0, 1)[None]
        aspect = self.stream.sample_aspect_ratio or 1
        if aspect != 1:
            pixels = resize(pixels, (frame.height, max(1, round(frame.width * aspect))))
        return _turned(pixels, frame).contiguous()


def _exact() -> int:
    """The conversion without shortcuts."""
    ways = pyav().video.reformatter.Interpolation
    return int(ways.BICUBIC | ways.ACCURATE_RND | ways.FULL_CHR_H_INT | ways.FULL_CHR_H_INP)


def _turned(pixels: Tensor, frame: Any) -> Tensor:
    """Pixels as the display matrix shows them; of turns other than by right angles, as stored."""
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            # Rows (a b u), (c d v), (x y w): a point goes to (a x + c y, b x + d y).
            a, b, _, c, d = np.sign(np.frombuffer(bytes(data), "<i4")[:5]).tolist()
            if (a, d) == (0, 0) and b and c:
                pixels, a, d = pixels.transpose(2, 3), c, b
            elif b or c:
                return pixels
            return pixels.flip([side for side, sign in ((3, a), (2, d)) if sign < 0])
    return pixels


def named(label: str, stream: Any) -> str:
    """A stream of a film, in words."""
    codec = stream.codec_context.name if stream.codec_context else "unknown"
    return f"{stream.type} of {label} ({codec})"


@contextmanager
def open_video(path: str | os.PathLike[str]) -> Iterator[Video]:
    """Open a video file.

    Raises:
        PictureError: it cannot be read, or has no video.
        SettingError: PyAV is not installed.
    """
    library, label = pyav(), quoted(path)
    with ExitStack() as opened:
        with _reading(label):
            handle = opened.enter_context(open_regular(path))
            if not os.fstat(handle.fileno()).st_size:
                raise PictureError(f"{label} is empty; give a film")
            # Playlists, which name other files and addresses, are refused.
            alone = {"protocol_whitelist": "crypto"}
            file = opened.enter_context(
                library.open(handle, container_options=alone, metadata_errors="replace")
            )
            stream = _video_of(file)
        if stream is None:
            raise PictureError(f"{label} has no video; give a film")
        video = Video(label, file, stream)
        if stream.codec_context.format and any(
            part.is_alpha for part in stream.codec_context.format.components
        ):
            video.notes.append(f"{label} has transparency, which is left out")
        stream.thread_type = "AUTO"
        yield video


@contextmanager
def _reading(label: str) -> Iterator[None]:
    """Errors of a film's file, and none of what is made of its frames, told as the film's."""
    try:
        yield
    except (OSError, pyav().error.FFmpegError) as error:
        raise PictureError(
            f"{label} cannot be read as a film ({reason(error)}); check the path, or save it again"
        ) from error


def _video_of(file: Any) -> Any:
    """The first video stream that is no cover."""
    attached = pyav().stream.Disposition.attached_pic
    found = (each for each in file.streams.video if not each.disposition & attached)
    return next((each for each in found if each.codec_context is not None), None)


def check_encoder(path: str | os.PathLike[str]) -> str:
    """Name of the encoder for a video's suffix.

    Raises:
        OutputError: FFmpeg's build has none for it.
    """
    library = pyav()
    for name in ENCODERS[Path(path).suffix.lower()]:
        try:
            library.Codec(name, "w")
        except library.error.FFmpegError:
            continue
        return name
    raise OutputError(f"FFmpeg has no encoder for {quoted(path)}; choose {', '.join(ENCODERS)}")


def write_video(
    path: str | os.PathLike[str],
    frames: Iterable[Tensor],
    timing: Timing,
    *,
    source: str | None = None,
    span: tuple[float, float | None] = (0.0, None),
    recipe: str | None = None,
    overwrite: bool = True,
) -> list[str]:
    """Write a video: H.264 in .mp4, VP9 or AV1 in .webm and .mkv.

    The same frames give the same bytes. A side of an odd length gets one more row or column, as
    pixels of 4:2:0 need.

    Args:
        path: of the file.
        frames: (1, 3, H, W) sRGB in [0, 1] each, of one size.
        timing: of the frames.
        source: the film whose sound, subtitles, chapters and titles are copied.
        span: seconds of the source that the frames are from, its end None; where it has a
            beginning, the times of the copied packets begin with it as well.
        recipe: text for the container's metadata.
        overwrite: False refuses to replace a file.

    Returns:
        What of the source could not be copied, a line each.

    Raises:
        ExistsError: there is a file, which may not be overwritten.
        OutputError: the file cannot be written; an existing one is untouched.
    """
    encoder, library = check_encoder(path), pyav()
    # Without `bitexact`, Matroska's files have random numbers.
    options = {"fflags": "+bitexact", "movflags": "use_metadata_tags"}
    # Otherwise MP4 counts a delay before the first frame in milliseconds.
    options |= dict.fromkeys(
        ("movie_timescale", "video_track_timescale"), str(timing.base.denominator)
    )
    format = {".mkv": "matroska"}.get(suffix := Path(path).suffix.lower(), suffix[1:])
    with replacing(path, overwrite=overwrite) as handle:
        sink = _Sink(handle)
        try:
            with (
                _signals_held() as let_through,
                library.open(sink, "w", format=format, container_options=options) as out,
            ):
                return _mux(out, encoder, frames, timing, source, span, recipe, let_through)
        except library.error.FFmpegError as error:
            if sink.error is not None:
                raise sink.error from None
            raise OutputError(f"{quoted(path)} cannot be encoded ({reason(error)})") from error


@contextmanager
def _signals_held() -> Iterator[Callable[[], None]]:
    """Hold signals back, until the function given is called, or to the end.

    PyAV prints an exception that a handler raises while FFmpeg calls Python, and goes on: the film
    would be damaged, and nobody told.
    """
    came: list[tuple[int, FrameType | None]] = []
    handlers: dict[int, Callable[[int, FrameType | None], object]] = {}

    def let_through() -> None:
        while came:
            number, frame = came.pop(0)
            handlers[number](number, frame)

    if threading.current_thread() is threading.main_thread():  # others have no signals
        for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGINT)):
            handler = signal.getsignal(number)
            if callable(handler) and number not in handlers:
                handlers[number] = handler
                signal.signal(number, lambda number, frame: came.append((number, frame)))
    try:
        yield let_through
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        let_through()


class _Sink:
    """A file to write, with the error of the disk that FFmpeg replaces by one of its own."""

    def __init__(self, handle: BinaryIO) -> None:
        self.handle, self.error = handle, None  # type: tuple[BinaryIO, OSError | None]
        self.seek, self.tell = handle.seek, handle.tell

    def write(self, data: bytes) -> int:
        try:
            return self.handle.write(data)
        except OSError as error:
            self.error = error
            raise


def _mux(
    out: Any,
    encoder: str,
    frames: Iterable[Tensor],
    timing: Timing,
    source: str | None,
    span: tuple[float, float | None],
    recipe: str | None,
    let_through: Callable[[], None],
) -> list[str]:
    if recipe is not None:
        out.metadata[RECIPE] = recipe
    if source is None:
        for packet in _encoded(out, encoder, frames, timing):
            out.mux(packet)
            let_through()
        return []
    with open_video(source) as video:
        first = video.stream.start_time or 0
        origin = first * video.stream.time_base
        shift = span[0] and float(timing.starts[0] * timing.base)
        if shift:
            timing = replace(timing, starts=tuple(t - timing.starts[0] for t in timing.starts))
        packets = _encoded(out, encoder, frames, timing)
        copies, notes = _copies(out, video)
        _copy_metadata(out, video, shift)
        others = _copied(video, copies, shift, None if span[1] is None else span[1] + origin)
        for packet in heapq.merge(packets, others, key=_time_of):
            out.mux(packet)
            let_through()
    return notes


def _time_of(packet: Any) -> float:
    at = packet.pts if packet.dts is None else packet.dts
    return float((at or 0) * packet.time_base)


def _encoded(out: Any, encoder: str, frames: Iterable[Tensor], timing: Timing) -> Iterator[Any]:
    """The video's packets; the stream is added before the first is asked for."""
    library = pyav()
    rate = Fraction(len(timing.starts), 1) / max(Fraction(1, 1000), sum(timing.durations))
    stream = out.add_stream(encoder, rate=rate.limit_denominator(1000), options=QUALITY[encoder])
    stream.pix_fmt = "yuv420p"
    context = stream.codec_context
    stream.time_base = context.time_base = timing.base
    context.color_range, context.colorspace = NARROW, BT709
    context.color_primaries = context.color_trc = BT709

    def encoded() -> Iterator[Any]:
        for start, pixels in zip(timing.starts, frames, strict=True):
            height, width = pixels.shape[2:]
            even = F.pad(pixels, (0, width % 2, 0, height % 2), mode="replicate")
            levels = (even[0].clamp(0, 1) * 255 + 0.5).to(torch.uint8).permute(1, 2, 0)
            if start == timing.starts[0]:
                stream.height, stream.width = levels.shape[:2]
            frame = library.VideoFrame.from_ndarray(levels.contiguous().numpy(), "rgb24").reformat(
                format="yuv420p",
                dst_colorspace=BT709,
                dst_color_range=NARROW,
                interpolation=_exact(),
            )
            frame.pts, frame.time_base = start, timing.base
            yield from stream.encode(frame)
        yield from stream.encode()

    def packets() -> Iterator[Any]:
        for packet in encoded():
            if packet.pts == timing.starts[-1]:
                packet.duration = timing.last  # not the mean
            yield packet

    return packets()


def _copies(out: Any, video: Video) -> tuple[dict[int, Any], list[str]]:
    """The streams that are copied, by index, and notes of those that the container cannot hold."""
    copies, notes = {}, []
    for stream in video.container.streams:
        if stream.type not in COPIED:
            continue
        if stream.codec_context and stream.codec.canonical_name in out.supported_codecs:
            copies[stream.index] = out.add_stream_from_template(stream)
            copies[stream.index].metadata.update(stream.metadata)
        else:
            notes.append(
                f"the {named(video.label, stream)} is left out, as"
                f" .{out.format.name} cannot hold it; .mkv can hold most"
            )
    return copies, notes


def _copied(
    video: Video, copies: Mapping[int, Any], shift: float, until: float | None
) -> Iterator[Any]:
    streams = [each for each in video.container.streams if each.index in copies]
    if not streams:
        return
    last: dict[int, int] = {}
    if shift:
        with _reading(video.label):
            video.container.seek(int(shift * 1_000_000))
    for packet in _demuxed(video, streams):
        if packet.dts is None:
            continue
        at, index = _time_of(packet), packet.stream.index
        if (shift and at < shift) or (until is not None and at >= until):
            continue
        if packet.dts < last.get(index, packet.dts):  # spliced; the container refuses it
            continue
        last[index] = packet.dts
        if shift:
            ticks = round(shift / packet.time_base)
            packet.pts = None if packet.pts is None else packet.pts - ticks
            packet.dts -= ticks
        packet.stream = copies[index]
        yield packet


def _demuxed(video: Video, streams: list[Any]) -> Iterator[Any]:
    """Packets of streams, as far as the file is whole; its frames have told of damage."""
    with suppress(pyav().error.FFmpegError):
        yield from video.container.demux(streams)


def _copy_metadata(out: Any, video: Video, shift: float) -> None:
    given = video.container.metadata
    out.metadata.update({key: text for key, text in given.items() if key not in NOT_COPIED})
    if not shift:
        out.set_chapters(video.container.chapters())


def recipe_in(path: str | os.PathLike[str]) -> str | None:
    """The recipe text in a video's metadata; None if there is none.

    Raises:
        PictureError: the file is no video.
    """
    with open_video(path) as video:
        found = video.container.metadata
    return next((text for key, text in found.items() if key.lower() == RECIPE), None)
