"""The networks that teach `vgg19-lite`, as one function from pictures to targets.

Levels 1 to 3 are VGG-19's own activations (relu1_1, relu2_1, relu3_1; the exact first convolutions,
in their natural scale divided by `SCALE`). Levels 4 and 5 are the heads of a quarter-width VGG-19
(Wang et al., "Collaborative Distillation", CVPR 2020), in which every channel's mean activation is
about one. Both pad by reflection here, so that no level learns the dark frame that zeros draw
around a picture.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from vangram.networks import FeatureNetwork, Topology

LEVELS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
WIDTHS = {"relu1_1": 64, "relu2_1": 128, "relu3_1": 256, "relu4_1": 512, "relu5_1": 512}
EXACT_LEVELS = LEVELS[:3]

SCALE = 100.0
"""VGG-19's activations divided by this: about one on photographs, a convenient range to learn."""

EXACT = Topology(
    widths=(64, 128, 256),
    depths=(2, 2, 4),
    padding="reflect",
    mean=(123.68 / 255, 116.779 / 255, 103.939 / 255),
    std=(1 / 255, 1 / 255, 1 / 255),
)
SMALL = Topology(
    widths=(16, 32, 64, 128, 128), depths=(2, 2, 4, 4, 1), heads=WIDTHS, padding="reflect"
)


class MixedNetwork(FeatureNetwork):
    """Computes in bfloat16 under autocast, the first convolution excepted.

    That one takes differences of neighbouring pixels, which eight bits of mantissa would drown.
    """

    def _convolve(self, name: str, x: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=_autocast() and name != "1_1"):
            return super()._convolve(name, x)


class Teacher(nn.Module):
    """Both teachers behind one call, frozen.

    Args:
        folder: where `vgg19-conv1_1-conv3_4.safetensors` and
            `vgg19-small-conv1_1-conv5_1.safetensors` lie.
        padding: of the exact network; "zeros" gives VGG-19 to the letter.
    """

    def __init__(self, folder: Path, padding: str = "reflect") -> None:
        super().__init__()
        self.exact = MixedNetwork(replace(EXACT, padding=padding))
        self.exact.load_state_dict(load_file(folder / "vgg19-conv1_1-conv3_4.safetensors"))
        small = load_file(folder / "vgg19-small-conv1_1-conv5_1.safetensors")
        self.small = MixedNetwork(SMALL)
        self.input = nn.Conv2d(3, 3, 1)
        self.input.load_state_dict({key: small.pop(f"input.{key}") for key in ("weight", "bias")})
        self.small.load_state_dict(small)
        self.requires_grad_(False)
        self.exact.freeze()
        self.small.freeze()

    def forward(self, image: Tensor, levels: Collection[str] = LEVELS) -> dict[str, Tensor]:
        """Targets (B, C, H / stride, W / stride) at the levels asked for; `image` as usual."""
        exact = [level for level in levels if level in EXACT_LEVELS]
        deep = [level for level in levels if level not in EXACT_LEVELS]
        targets = {}
        if exact:
            targets.update({k: v / SCALE for k, v in self.exact(image, exact).items()})
        if deep:
            targets.update(self.small(self._input(image), deep))
        return targets

    def hints(self, image: Tensor, layers: Collection[str]) -> dict[str, Tensor]:
        """The quarter-width teacher's own narrow activations at the layers named."""
        activations = self.small.activations(self._input(image))
        return {layer: features for layer, features in activations if layer in layers}

    def _input(self, image: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            return self.input(image)  # type: ignore[no-any-return]


def _autocast() -> bool:
    return torch.is_autocast_enabled("cpu")
