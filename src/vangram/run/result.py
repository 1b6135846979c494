"""The result of a run: pixels, alpha, EXIF and record."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vangram import __version__
from vangram.engines.ranks import Ranks
from vangram.errors import ExistsError, OutputError
from vangram.images import (
    Picture,
    PillowImage,
    file_sha256,
    public_exif,
    to_image,
    write_picture,
)
from vangram.networks import FeatureNetwork, network_named
from vangram.run.inputs import RunSource, path_of
from vangram.settings.inputs import Inputs
from vangram.settings.recipe import Recipe
from vangram.settings.record import NETWORK, Input, Record
from vangram.storage.files import quoted

LARGEST_SHOWN = 1024
"""Longer side in pixels of a result in a notebook, which keeps what it shows."""


@dataclass(frozen=True, eq=False, repr=False)
class Painting:
    """The result of a run; `numpy.array` makes it (H, W, 3), or (H, W, 4) with alpha, uint8."""

    pixels: Tensor
    """(1, 3, H, W), sRGB in [0, 1]."""
    alpha: Tensor | None
    """Alpha of the photograph, (1, 1, H, W) in [0, 1]; None: opaque."""
    exif: bytes | None
    """EXIF of the photograph."""
    record: Record

    def __repr__(self) -> str:
        height, width = self.pixels.shape[2:]
        return f"<Painting of {width} x {height} px>"

    def __eq__(self, other: object) -> bool:
        """Whether all fields are equal."""
        if not isinstance(other, Painting):
            return NotImplemented
        if (self.record, self.exif) != (other.record, other.exif):
            return False
        ours, theirs = ([p.pixels, p.alpha] for p in (self, other))
        return all(
            one is two or (one is not None and two is not None and torch.equal(one, two))
            for one, two in zip(ours, theirs, strict=True)
        )

    def to_pil(self) -> PillowImage:
        """The picture as a Pillow image of 8 bits, RGB or RGBA."""
        return to_image(self.pixels, self.alpha)

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("a result is no array; it can only be copied into one")
        return np.array(self.to_pil(), dtype)

    def _repr_png_(self) -> bytes:
        """The picture in a notebook."""
        image, file = self.to_pil(), BytesIO()
        image.thumbnail((LARGEST_SHOWN, LARGEST_SHOWN))
        image.save(file, "PNG")
        return file.getvalue()

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        keep_metadata: bool = False,
        overwrite: bool = False,
    ) -> Path:
        """Write PNG, JPEG, WebP or TIFF by suffix, with the record inside.

        Args:
            path: of the file.
            keep_metadata: whether the photograph's place, serial numbers, owner and comments, and
                absolute paths of the inputs, go into the file as well.
            overwrite: replace a file that is there.

        Raises:
            ExistsError: there is a file, which may not be overwritten.
            OutputError: the file cannot be written.
        """
        if not isinstance(path, str | os.PathLike):
            raise OutputError(
                f"a result is saved to a path, not {type(path).__name__}; see to_pil for an image"
            )
        if not overwrite and os.path.lexists(path):
            raise ExistsError(f"{quoted(path)} exists already; overwrite=True replaces it")
        record = replace(self.record, keep_metadata=keep_metadata or self.record.keep_metadata)
        write_picture(
            path,
            self.pixels,
            alpha=self.alpha,
            exif=self.exif if record.keep_metadata else public_exif(self.exif),
            recipe=record.published(path).to_json(),
            overwrite=overwrite,
        )
        return Path(path)


def record_of(
    recipe: Recipe, inputs: Inputs[RunSource], pictures: Inputs[Picture], network: FeatureNetwork
) -> Record:
    """The record of a run.

    Args:
        recipe: of the run.
        inputs: as they were given.
        pictures: the same, decoded.
        network: the recipe's.

    Raises:
        PictureError: the flow's file cannot be read.
    """
    files = pictures.map(lambda picture: Input(picture.name, picture.sha256))
    flow, back = (
        None if source is None else Input(path := path_of(source, "flow"), file_sha256(path))
        for source in (inputs.flow, inputs.flow_back)
    )
    files = replace(files, flow=flow, flow_back=back)
    versions = versions_on(network.mean.device)
    if inputs.parameters is not None:
        path = path_of(inputs.parameters, "parameters")
        files = replace(files, parameters=Input(path, network.sha256))
    elif version := network_named(recipe.network).version:
        versions[NETWORK] = f"{recipe.network} {version}"
    return Record(recipe=recipe, inputs=files, network_sha256=network.sha256, versions=versions)


def versions_on(device: torch.device) -> dict[str, str]:
    """Versions and settings of the machine that rounding depends on."""
    return {
        "vangram": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "threads": str(torch.get_num_threads()),
        "device": device.type,
    } | ({"ranks": str(Ranks.current.size)} if Ranks.current else {})
