"""GIF: its frames, each as a GIF of its own, so that nothing is left to Pillow's composition."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO

from PIL import Image

from vangram.errors import PictureError
from vangram.images.encoded import Data

EXTENSION, IMAGE, TRAILER = 0x21, 0x2C, 0x3B
CONTROL = 0xF9
"""Label of a graphic control extension."""


@dataclass
class Frame:
    """An image descriptor (GIF 89a, section 20) with what its control extension says."""

    left: int
    top: int
    width: int
    height: int
    disposal: int
    """0 and 1: stays, 2: is cleared after it was shown, 3: what was there before comes back."""
    seconds: Fraction
    """Duration."""
    stream: bytes

    def image(self) -> Image.Image:
        """The frame alone, opened by Pillow."""
        return Image.open(BytesIO(self.stream), formats=["GIF"])


def frames_of(data: Data, label: str) -> tuple[tuple[int, int], list[Frame]]:
    """The canvas's (height, width), and the frames; data after damage are left out.

    Raises:
        PictureError: there is no whole frame.
    """
    width, height = (int.from_bytes(data[at : at + 2], "little") for at in (6, 8))
    position = 13 + _palette_bytes(data[10])
    head, control, frames = data[:position], b"", list[Frame]()
    while position < len(data) and data[position] != TRAILER:
        start = position
        if data[position] == EXTENSION:
            position = _after_blocks(data, position + 2)
            if data[start + 1] == CONTROL:
                control = data[start:position]
        elif data[position] == IMAGE:
            left, top, across, down = (
                int.from_bytes(data[at : at + 2], "little") for at in range(start + 1, start + 9, 2)
            )
            position = _after_blocks(data, position + 10 + _palette_bytes(data[position + 9]) + 1)
            # As large as the frame, which lies at its top left.
            screen = head[:6] + data[start + 5 : start + 9] + head[10:]
            image = bytes([IMAGE, 0, 0, 0, 0]) + data[start + 5 : position]
            disposal = control[3] >> 2 & 7 if len(control) == 8 else 0
            # 0 where there is no control.
            seconds = Fraction(int.from_bytes(control[4:6], "little"), 100)
            stream = screen + control + image + bytes([TRAILER])
            frames.append(Frame(left, top, across, down, disposal, seconds, stream))
            control = b""
        else:
            break
    if not frames:
        raise PictureError(f"{label} is damaged (it ends before its pixels); save it again as PNG")
    return (height, width), frames


def _palette_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _after_blocks(data: Data, position: int) -> int:
    """Behind blocks of data, the last of which is empty; at most at the end of the file."""
    while position < len(data) and data[position]:
        position += data[position] + 1
    return min(position + 1, len(data))
