"""The network that teaches `vgg19-lite`: VGG-19, as a function from pictures to targets.

Simonyan and Zisserman 2014. Activations are divided by `SCALE`. It pads by reflection here, so that
no level learns the dark frame that zeros draw around a picture.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from vangram.networks import FeatureNetwork
from vangram.networks.registry import NETWORKS, VGG19_LITE

LEVELS = VGG19_LITE.layers
"""Layers that the student predicts, shallow to deep."""
SCALE = 100.0
"""VGG-19's activations divided by this: about one on photographs, a convenient range to learn."""
VGG19 = NETWORKS["vgg19-caffe"].topology
"""The original network, whose parameters read 0 to 255 minus a mean colour."""


class MixedNetwork(FeatureNetwork):
    """Computes in bfloat16 under autocast, the first convolution excepted.

    That one takes differences of neighbouring pixels, which eight bits of mantissa would drown.
    """

    def _convolve(self, name: str, x: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=_autocast() and name != "1_1"):
            return super()._convolve(name, x)


class Teacher(nn.Module):
    """VGG-19 up to relu5_1, frozen.

    Args:
        file: parameters, named `conv1_1.weight` ..., for RGB input.
        padding: "reflect", or "zeros" for VGG-19 to the letter.
    """

    def __init__(self, file: Path, padding: str = "reflect") -> None:
        super().__init__()
        topology = replace(VGG19, padding=padding).up_to([LEVELS[-1]])
        self.network = MixedNetwork(topology)
        wanted = self.network.state_dict()
        self.network.load_state_dict(
            {name: p.float() for name, p in load_file(file).items() if name in wanted}
        )
        self.network.freeze()

    @torch.no_grad()
    def forward(self, image: Tensor, layers: Collection[str] = LEVELS) -> dict[str, Tensor]:
        """Targets (B, C, H / stride, W / stride) at the layers asked for.

        Args:
            image: (B, 3, H, W), RGB in [0, 1].
            layers: names out of VGG-19's; those between the levels serve as hints.
        """
        return {layer: f / SCALE for layer, f in self.network(image, layers).items()}


def _autocast() -> bool:
    return torch.is_autocast_enabled("cpu")
