"""RGB colour spaces given by primaries and a transfer function: conversion to sRGB.

PNG's gAMA, cHRM and cICP chunks and the nclx boxes of AVIF and HEIC describe colours this way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vangram.errors import PictureError

Array = npt.NDArray[np.float64]
Samples = npt.NDArray[np.float32]

Chromaticities = tuple[float, float, float, float, float, float, float, float]
"""x and y of white, red, green and blue (CIE 1931)."""

D65 = (0.3127, 0.329)
SRGB_PRIMARIES: Chromaticities = (*D65, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)

PRIMARIES: dict[int, Chromaticities] = {
    1: SRGB_PRIMARIES,
    2: SRGB_PRIMARIES,  # not specified
    4: (0.31, 0.316, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*D65, 0.64, 0.33, 0.29, 0.6, 0.15, 0.06),
    6: (*D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    7: (*D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    8: (0.31, 0.316, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049),
    9: (*D65, 0.708, 0.292, 0.17, 0.797, 0.131, 0.046),
    10: (1 / 3, 1 / 3, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0),
    11: (0.314, 0.351, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
    12: (*D65, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
    22: (*D65, 0.63, 0.34, 0.295, 0.605, 0.155, 0.077),
}
"""By ITU-T H.273, table 2."""

SRGB_TRANSFER = 0.0
GAMMAS = {
    **dict.fromkeys((1, 2, 6, 13, 14, 15), SRGB_TRANSFER),
    4: 2.2,
    5: 2.8,
    8: 1.0,
}
"""Exponents by ITU-T H.273, table 3. BT.709's curve is the camera's; viewers show it as sRGB."""
HDR = {16: "PQ", 18: "HLG"}

BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
"""Cone responses for the adaptation of white (ICC.1, annex E)."""


@dataclass(frozen=True)
class RGBSpace:
    """A colour space: linear light = encoded ^ gamma, or sRGB's curve."""

    primaries: Chromaticities = SRGB_PRIMARIES
    gamma: float = SRGB_TRANSFER
    """`SRGB_TRANSFER`: sRGB's piecewise curve."""
    full_range: bool = True
    """Whether 0 is black and 1 white; otherwise 16/255 and 235/255."""

    @classmethod
    def of_codes(cls, primaries: int, transfer: int, full_range: bool, label: str) -> RGBSpace:
        """The colour space of ITU-T H.273's code points; unknown ones count as sRGB's.

        Raises:
            PictureError: the transfer function has a high dynamic range.
        """
        if transfer in HDR:
            raise PictureError(
                f"{label} has a high dynamic range ({HDR[transfer]}), which 8 bits of sRGB cannot"
                " show; export it with a standard dynamic range"
            )
        found = PRIMARIES.get(primaries, SRGB_PRIMARIES)
        return cls(found, GAMMAS.get(transfer, SRGB_TRANSFER), full_range)

    @property
    def is_srgb(self) -> bool:
        """Whether conversion would change nothing but by rounding.

        Files in sRGB often carry a gamma of 1 / 2.2 and rounded primaries, which the PNG
        specification recommends beside an sRGB chunk (11.3.2.5).
        """
        near = max(abs(a - b) for a, b in zip(self.primaries, SRGB_PRIMARIES, strict=True)) < 2e-3
        return near and self.full_range and (self.gamma == 0 or abs(self.gamma - 2.2) < 0.01)

    def to_srgb(self, values: Samples) -> Samples:
        """Convert (h, w, 3) or grey (h, w) values; colours outside sRGB are clipped."""
        linear = values.astype(np.float64)
        if not self.full_range:
            linear = ((linear * 255 - 16) / 219).clip(0, 1)
        linear = _srgb_to_linear(linear) if self.gamma == SRGB_TRANSFER else linear**self.gamma
        if values.ndim == 3:
            to_srgb = np.linalg.inv(_to_xyz(SRGB_PRIMARIES)) @ _to_xyz(self.primaries)
            linear = linear @ to_srgb.T
        linear = linear.clip(0, 1)
        encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
        return encoded.astype(np.float32)


def _srgb_to_linear(encoded: Array) -> Array:
    """IEC 61966-2-1, 5.2."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def _to_xyz(primaries: Chromaticities) -> Array:
    """The matrix from linear RGB to XYZ, white adapted to D65 (Lindbloom; ICC.1, annex E)."""
    white, *colours = (np.array([x / y, 1, (1 - x - y) / y]) for x, y in _pairs(primaries))
    matrix = np.stack(colours, axis=1)
    matrix = matrix * np.linalg.solve(matrix, white)
    d65 = np.array([D65[0] / D65[1], 1, (1 - sum(D65)) / D65[1]])
    adapted = np.diag((BRADFORD @ d65) / (BRADFORD @ white))
    result: Array = np.linalg.inv(BRADFORD) @ adapted @ BRADFORD @ matrix
    return result


def _pairs(values: Chromaticities) -> list[tuple[float, float]]:
    # A blue of y = 0, as XYZ's, has no finite X / Y.
    return [(x, max(y, 1e-9)) for x, y in zip(values[::2], values[1::2], strict=True)]
