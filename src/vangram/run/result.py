"""The result of a run: pixels and record."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

import torch
from torch import Tensor

from vangram.images import Picture, file_sha256, public_exif, write_picture
from vangram.networks import FeatureNetwork, network_named
from vangram.run.inputs import RunSource, path_of
from vangram.settings.inputs import Inputs
from vangram.settings.recipe import Recipe
from vangram.settings.record import NETWORK, Input, Record


@dataclass(frozen=True)
class Painting:
    """The result of a run."""

    pixels: Tensor
    """(1, 3, H, W), sRGB in [0, 1]."""
    alpha: Tensor | None
    """(1, 1, H, W) in [0, 1], the photograph's; None: opaque."""
    exif: bytes | None
    """The photograph's."""
    record: Record

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        keep_metadata: bool = False,
        overwrite: bool = True,
    ) -> Path:
        """Write PNG, JPEG, WebP or TIFF by suffix, with the record inside.

        Args:
            path: of the file.
            keep_metadata: whether the photograph's place, serial numbers, owner and comments, and
                absolute paths of the inputs, go into the file as well.
            overwrite: False refuses to replace a file.

        Raises:
            ExistsError: there is a file, which may not be overwritten.
            OutputError: the file cannot be written.
        """
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
    if inputs.flow is not None:
        path = path_of(inputs.flow, "flow")
        files = replace(files, flow=Input(path, file_sha256(path)))
    versions = versions_on(network.mean.device)
    if inputs.parameters is not None:
        path = path_of(inputs.parameters, "parameters")
        files = replace(files, parameters=Input(path, network.sha256))
    elif version := network_named(recipe.network).version:
        versions[NETWORK] = f"{recipe.network} {version}"
    return Record(recipe=recipe, inputs=files, network_sha256=network.sha256, versions=versions)


def versions_on(device: torch.device) -> dict[str, str]:
    """Everything that the arithmetic depends on beside the network."""
    return {
        "vangram": metadata.version("vangram"),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "threads": str(torch.get_num_threads()),
        "device": device.type,
    }
