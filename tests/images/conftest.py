"""Colour profiles written by hand, so that what they ask for is known without the colour engine."""

import struct
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

LINEAR = struct.pack(">4s4xI", b"curv", 0)
"""A tone curve that changes nothing (ICC.1, 10.6)."""

D50 = (0.9642, 1.0, 0.8249)

P3_COLUMNS = ((0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407))
"""XYZ of the primaries of Display P3, adapted to D50."""

SRGB_COLUMNS = (
    (0.43607, 0.22249, 0.01392),
    (0.38515, 0.71687, 0.09708),
    (0.14307, 0.06061, 0.7141),
)
"""XYZ of the primaries of sRGB, adapted to D50 (IEC 61966-2-1)."""


def _xyz(values: tuple[float, float, float]) -> bytes:
    return struct.pack(">4s4x3i", b"XYZ ", *(round(value * 65536) for value in values))


def _profile(kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    """Lay out a profile of version 2.4 (ICC.1:2001-04)."""
    text = b"hand-made\0"
    described = struct.pack(">4s4xI", b"desc", len(text)) + text + bytes(78)
    tags = {b"desc": described, b"wtpt": _xyz(D50), **tags}
    table, data = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        table += struct.pack(">4sII", name, start + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    header = struct.pack(
        ">I4xI4s4s4s12x4s28x3i48x",
        start + len(data),
        0x02400000,
        kind,
        space,
        connection,
        b"acsp",
        *(round(value * 65536) for value in D50),
    )
    return header + table + data


def _rgb(columns: tuple[tuple[float, float, float], ...], gamma: bytes) -> bytes:
    names = (b"rXYZ", b"gXYZ", b"bXYZ")
    tags = {name: _xyz(column) for name, column in zip(names, columns, strict=True)}
    return _profile(
        b"mntr", b"RGB ", b"XYZ ", tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), gamma)
    )


@pytest.fixture(scope="session")
def linear_p3_profile() -> bytes:
    """Display P3's primaries with linear light: far from sRGB in hue and in tone."""
    return _rgb(P3_COLUMNS, LINEAR)


@pytest.fixture(scope="session")
def other_srgb_profile() -> bytes:
    """Another program's sRGB: the standard's curve, sampled, and primaries rounded otherwise."""
    encoded = torch.linspace(0, 1, 1024, dtype=torch.float64)
    linear = torch.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    samples = [round(float(value) * 65535) for value in linear]
    red, green, blue = SRGB_COLUMNS
    columns = ((red[0] + 2e-4, *red[1:]), (green[0] - 2e-4, *green[1:]), blue)
    return _rgb(columns, struct.pack(">4s4xI1024H", b"curv", 1024, *samples))


@pytest.fixture(scope="session")
def linear_grey_profile() -> bytes:
    """Grey of linear light."""
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": LINEAR})


@pytest.fixture(scope="session")
def four_greys_profile() -> bytes:
    """A press whose four inks are all grey: each takes a quarter of the lightness."""
    corners = b"".join(
        bytes([round(255 * (1 - bin(corner).count("1") / 4)), 128, 128]) for corner in range(16)
    )
    identity = bytes(range(256))
    table = struct.pack(
        ">4s4x4B9i", b"mft1", 4, 3, 2, 0, *(65536 if i % 4 == 0 else 0 for i in range(9))
    )
    return _profile(
        b"prtr", b"CMYK", b"Lab ", {b"A2B0": table + identity * 4 + corners + identity * 3}
    )


@pytest.fixture
def picture() -> Callable[..., Tensor]:
    """Make a picture of random 8-bit levels: (1, channels, height, width) in [0, 1]."""

    def make(height: int = 5, width: int = 7, channels: int = 3, seed: int = 0) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        levels = torch.randint(0, 256, (1, channels, height, width), generator=generator)
        return levels.to(torch.float32) / 255

    return make
