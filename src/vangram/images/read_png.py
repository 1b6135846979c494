"""PNG: chunks with their checksums, metadata within limits, colours of 16 bits, APNG's frames.

References are to the PNG specification, third edition. Pillow is given the chunks of the pixels
alone, so that no other chunk can make it fail.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from fractions import Fraction
from io import BytesIO
from typing import NamedTuple

import numpy as np
from PIL import Image
from PIL.ImageFile import ImageFile

from vangram.errors import PictureError
from vangram.images.colour_space import (
    GAMMAS,
    HDR,
    PRIMARIES,
    SRGB_PRIMARIES,
    Chromaticities,
    RGBSpace,
)
from vangram.images.encoded import Data, Rows, Samples

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Samples of a pixel by colour type (11.2.1)."""
PIXEL_CHUNKS = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS"}
FRAME_CHUNKS = {b"acTL", b"fcTL", b"fdAT"}
METADATA_CHUNKS = {b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"eXIf"}
TEXT_CHUNKS = {b"tEXt", b"zTXt", b"iTXt"}
TEXTS = {"XML:com.adobe.xmp", "Raw profile type exif"}
"""Keywords of the texts that are read: XMP, and ImageMagick's EXIF."""
MAX_METADATA = 16 * 2**20
"""Most bytes of a text or a profile, expanded."""
ADAM7 = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
"""Offsets and steps of interlacing's reduced pictures, across and down (8.1)."""
PIECE = 2**16
"""Bytes that are inflated at a time."""
MOST_INFLATED = 1032
"""Bytes that one of deflate's can become at most."""


class Header(NamedTuple):
    """IHDR (11.2.1)."""

    width: int
    height: int
    depth: int
    colour: int
    compression: int
    filter: int
    interlace: int

    @property
    def row_bytes(self) -> int:
        """Bytes of a row of the whole picture, with its filter type."""
        return 1 + (self.width * CHANNELS[self.colour] * self.depth + 7) // 8

    @property
    def raw_bytes(self) -> int:
        """Bytes of all rows; of the seven reduced pictures where they are interlaced."""
        if not self.interlace:
            return self.height * self.row_bytes
        parts = (
            self._replace(width=-(-(self.width - x) // dx), height=-(-(self.height - y) // dy))
            for x, y, dx, dy in ADAM7
        )
        return sum(part.height * part.row_bytes for part in parts if part.width > 0)


@dataclass
class Frame:
    """A frame of an animation, by fcTL (11.3.6.2)."""

    width: int
    height: int
    left: int
    top: int
    disposal: int
    """0: stays, 1: is cleared after it was shown, 2: what was there before comes back."""
    blends: bool
    """Whether it is drawn over what is there, or replaces it."""
    seconds: Fraction
    """Duration."""
    data: list[memoryview] = field(default_factory=list)


@dataclass
class Png:
    """The chunks of a file."""

    label: str
    header: Header
    pixels: list[tuple[bytes, memoryview]]
    """Chunks that the pixels depend on, in order, IEND left out."""
    metadata: dict[bytes, bytes] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    frames: list[Frame] = field(default_factory=list)
    damaged_frames: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def is_deep(self) -> bool:
        """Whether it has several channels of 16 bits, which Pillow truncates to 8."""
        return self.header.depth == 16 and self.header.colour in (2, 4, 6)

    def image(self, frame: Frame | None = None) -> ImageFile:
        """The picture, or a frame of the animation, opened by Pillow, with its EXIF and XMP."""
        image = _opened(self._stream(frame))
        if b"eXIf" in self.metadata:
            image.info["exif"] = b"Exif\0\0" + self.metadata[b"eXIf"]
        image.info.update(self.texts)
        if profile := self.profile:
            image.info["icc_profile"] = profile
        return image

    @property
    def profile(self) -> bytes | None:
        """The ICC profile, unless cICP, which has precedence, says otherwise (4.3, table 8)."""
        return None if b"cICP" in self.metadata else self.metadata.get(b"iCCP")

    @property
    def space(self) -> RGBSpace | None:
        """The colour space by cICP, or by gAMA and cHRM where no other chunk has precedence."""
        chunks = self.metadata
        if code := chunks.get(b"cICP"):
            primaries, transfer, _, full = code
            return RGBSpace.of_codes(primaries, transfer, bool(full), self.label)
        if b"iCCP" in chunks or b"sRGB" in chunks or not {b"gAMA", b"cHRM"} & set(chunks):
            return None
        space = RGBSpace()
        if b"gAMA" in chunks:
            space = RGBSpace(gamma=1e5 / int.from_bytes(chunks[b"gAMA"], "big"))
        if b"cHRM" in chunks:
            space = RGBSpace(_chromaticities(chunks[b"cHRM"]) or SRGB_PRIMARIES, space.gamma)
        return space

    def rows(self, frame: Frame | None = None) -> Rows:
        """Values of 16 bits, exactly; for `is_deep`.

        Pillow's decoder is run twice, for the high bytes and, as if these came last, for the low.
        """
        stream, colour = self._stream(frame), self.header.colour
        if colour == 4:  # as four channels of 8 bits: grey's two bytes, alpha's two
            image = _opened(stream)
            image._mode = "RGBA"
            bytes_of = [_with_layout(image, "RGBA")]
        else:
            mode = "RGB" if colour == 2 else "RGBA"
            bytes_of = [_with_layout(_opened(stream), f"{mode};16{order}") for order in "BL"]
        hidden = self._transparent_levels

        def rows(at: slice) -> tuple[Samples, Samples | None]:
            box = (0, at.start, bytes_of[0].width, at.stop)
            parts = [np.asarray(image.crop(box)).astype(np.uint16) for image in bytes_of]
            high, low = parts if colour != 4 else (parts[0][..., ::2], parts[0][..., 1::2])
            levels = high * 256 + low
            values: Samples = levels.astype(np.float32) / np.float32(65535)
            if colour == 2:
                if hidden is None:
                    return values, None
                shown: Samples = (levels != hidden).any(-1).astype(np.float32)
                return values, shown
            return values[..., 0] if colour == 4 else values[..., :3], values[..., -1]

        return rows

    @property
    def _transparent_levels(self) -> tuple[int, ...] | None:
        """The colour that is transparent, where there is one (tRNS, 11.3.2.1)."""
        found = [bytes(body) for name, body in self.pixels if name == b"tRNS"]
        return struct.unpack(">3H", found[-1][:6]) if found and len(found[-1]) >= 6 else None

    def _stream(self, frame: Frame | None) -> BytesIO:
        """A PNG of the pixels alone; of a frame, as a picture of its own."""
        chunks: list[tuple[bytes, bytes | memoryview]] = list(self.pixels)
        if frame is not None:
            header = self.header._replace(width=frame.width, height=frame.height)
            chunks = [(name, body) for name, body in chunks[1:] if name != b"IDAT"]
            chunks = [(b"IHDR", struct.pack(">2I5B", *header)), *chunks]
            chunks += [(b"IDAT", body) for body in frame.data]
        return BytesIO(b"".join((SIGNATURE, *(_chunk(*each) for each in chunks), _chunk(b"IEND"))))


def parse(data: Data, label: str) -> Png:
    """Read the chunks of a PNG; the pixels themselves are left to `check_pixels`.

    Raises:
        PictureError: a chunk that the pixels depend on is damaged.
    """
    png: Png | None = None
    ignored: dict[str, None] = {}
    position, name, view = len(SIGNATURE), b"", memoryview(data)
    while name != b"IEND" and position + 12 <= len(data):
        length, name = struct.unpack(">I4s", view[position : position + 8])
        end = position + 12 + length
        if not name.isalpha() or end > len(data):
            break
        body, check = view[position + 8 : end - 4], int.from_bytes(view[end - 4 : end], "big")
        whole, position = zlib.crc32(body, zlib.crc32(name)) == check, end
        critical = name in PIXEL_CHUNKS or name[:1].isupper()
        if critical and not whole:
            raise _damaged(label, f"the checksum of its {name.decode()} chunk is wrong")
        if png is None:
            if name != b"IHDR" or length != 13:
                raise _damaged(label, "its header is missing")
            png = Png(label, _header(body, label), [(name, body)])
        elif critical and name != b"IEND":
            if name not in PIXEL_CHUNKS:
                raise _damaged(label, f"nothing is known of its {name.decode()} chunk")
            png.pixels.append((name, body))
            if name == b"IDAT" and png.frames:
                png.frames[-1].data.append(body)
        elif name in FRAME_CHUNKS:
            png.damaged_frames |= not (whole and _add_frame(png, name, body))
        elif not (critical or (whole and _add_metadata(png, name, body))):
            ignored[name.decode()] = None
    if png is None or not any(each == b"IDAT" for each, _ in png.pixels):
        raise _damaged(label, "it ends before its pixels")
    if name != b"IEND":
        png.notes.append("its end is missing")
    if ignored:
        png.notes.append(f"ignored, as damaged or too long: {', '.join(ignored)}")
    return png


def check_pixels(png: Png, frame: Frame | None = None) -> None:
    """Check that the compressed pixels are all there, before room is made for them.

    Raises:
        PictureError: they are damaged or end early.
    """
    header, data = png.header, [body for name, body in png.pixels if name == b"IDAT"]
    if frame is not None:
        header, data = header._replace(width=frame.width, height=frame.height), frame.data
    wanted, inflated = header.raw_bytes, 0
    if wanted > MOST_INFLATED * sum(map(len, data)):
        raise _damaged(png.label, "its pixels end early")
    inflater = zlib.decompressobj()
    try:
        for body in data:
            for first in range(0, len(body), PIECE):
                piece: bytes | memoryview = body[first : first + PIECE]
                while piece:
                    inflated += len(inflater.decompress(piece, PIECE))
                    piece = inflater.unconsumed_tail
    except zlib.error as error:
        raise _damaged(png.label, f"its pixels cannot be inflated, {error}") from None
    if inflated < wanted:
        raise _damaged(png.label, "its pixels end early")


def _header(body: memoryview, label: str) -> Header:
    header = Header(*struct.unpack(">2I5B", body))
    depths = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
    known = header.depth in depths.get(header.colour, ())
    if not known or header.compression or header.filter or header.interlace > 1:
        raise _damaged(label, "its header is none")
    return header


def _add_frame(png: Png, name: bytes, body: memoryview) -> bool:
    """Take a chunk of the animation; whether that is possible."""
    if name == b"fcTL" and len(body) == 26:
        *place, over, under, disposal, blend = struct.unpack(">4x4I2H2B", body)
        width, height, left, top = place
        seconds = Fraction(over, under or 100)
        png.frames.append(Frame(width, height, left, top, disposal, blend == 1, seconds))
        inside = left + width <= png.header.width and top + height <= png.header.height
        return bool(inside and min(width, height) > 0)
    if name == b"fdAT" and png.frames:
        png.frames[-1].data.append(body[4:])
        return True
    return name == b"acTL"


def _add_metadata(png: Png, name: bytes, body: memoryview) -> bool:
    """Take a chunk that says something of the picture; False where it is none of its kind."""
    if name in TEXT_CHUNKS:
        return _add_text(png, name, body)
    if name not in METADATA_CHUNKS:
        return True
    value: bytes | None = bytes(body[:MAX_METADATA])
    if name == b"iCCP":  # a name, a compression method, the profile
        named = bytes(body[:80]).find(b"\0")
        value = _inflated(body[named + 2 :]) if named > 0 else None
    elif name == b"cICP":
        known = len(body) == 4 and body[0] in PRIMARIES and body[1] in GAMMAS.keys() | HDR.keys()
        value = value if known and body[2] == 0 else None
    elif name == b"gAMA":
        value = value if len(body) == 4 and any(body) else None
    elif name == b"cHRM":
        value = value if len(body) == 32 and _chromaticities(body) is not None else None
    if value is None or len(body) > MAX_METADATA:
        return False
    png.metadata.setdefault(name, value)
    return True


def _add_text(png: Png, name: bytes, body: memoryview) -> bool:
    """Take a text with a keyword of `TEXTS` (11.3.3); False where it cannot be read."""
    key, _, rest = bytes(body[:MAX_METADATA]).partition(b"\0")
    keyword = key.decode("latin-1")
    if keyword not in TEXTS:
        return True
    text: bytes | None = rest
    if name == b"zTXt":
        text = _inflated(rest[1:])
    elif name == b"iTXt":  # compressed or not, method, language, translated keyword, text
        flags, (_, _, *last) = rest[:2], rest[2:].split(b"\0", 2)
        text = _inflated(last[0]) if last and flags[:1] == b"\1" else b"".join(last)
    if text is None or len(body) > MAX_METADATA:
        return False
    png.texts[keyword] = text.decode("utf-8" if name == b"iTXt" else "latin-1", "replace")
    return True


def _inflated(data: bytes | memoryview) -> bytes | None:
    """Inflate metadata; None where it is damaged or too long."""
    inflater = zlib.decompressobj()
    try:
        found = inflater.decompress(data, MAX_METADATA)
    except zlib.error:
        return None
    return found if inflater.eof else None


def _chromaticities(body: bytes | memoryview) -> Chromaticities | None:
    """The values of a cHRM chunk; None where they enclose no colours."""
    values = tuple(value / 1e5 for value in struct.unpack(">8I", body))
    x, y = values[2::2], values[3::2]
    area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])
    sound = max(values) <= 1 and values[1] > 0.01 and abs(area) > 1e-3
    return values if sound else None


def _opened(stream: BytesIO) -> ImageFile:
    image = Image.open(stream, formats=["PNG"])
    assert isinstance(image, ImageFile)
    return image


def _with_layout(image: ImageFile, layout: str) -> ImageFile:
    """Decode with another meaning of the stored bytes."""
    image.tile = [tile._replace(args=layout) for tile in image.tile]
    image.load()
    return image


def _chunk(name: bytes, body: bytes | memoryview = b"") -> bytes:
    check = zlib.crc32(body, zlib.crc32(name))
    return b"".join((struct.pack(">I4s", len(body), name), body, check.to_bytes(4, "big")))


def _damaged(label: str, reason: str) -> PictureError:
    return PictureError(f"{label} is damaged ({reason}); save it again as PNG or JPEG")
