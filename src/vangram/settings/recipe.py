"""The settings of a run: frozen, validated, and the only home of their defaults."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

from vangram.errors import RecipeError, SettingError

Units = Literal["relative", "paper"]
OptimizerName = Literal["lbfgs", "adam"]
Precision = Literal["float32", "tf32"]
Init = Literal["content", "noise", "picture", "before"]
Pooling = Literal["max", "average"]
Colour = Literal["style", "luminance", "match", "histogram"]
StyleLossName = Literal["gram", "gram+moments", "wasserstein"]

LARGEST_SIZE = 32_768
"""Pixels of the longer side; beyond it, a mistyped number is likelier than a wish."""
SMALLEST_TILE = 32
"""Below it a tile is nearly all halo."""
LARGEST_SCALE = 8.0
"""Of a painting beside the result; its time grows with the square."""
LARGEST_WEIGHT = 1e30
"""Beyond it, float32 ends."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that decides how a picture comes out, its inputs aside.

    Raises:
        SettingError: a setting is out of range; the message names it, and what it may be.
    """

    size: int = 512
    """Longer side of the result in pixels."""
    proportions: tuple[int, int] | None = None
    """Height to width of a result without a photograph; None: the painting's."""
    network: str = "vgg19-lite"
    """Name of the network whose features are compared."""
    pooling: Pooling = "max"
    """How the network goes from block to block; the authors found averages more pleasing."""
    normalise: bool = False
    """Rescale the network's filters so that each channel's mean activation is one."""
    content_layers: Mapping[str, float] = field(default_factory=lambda: {"relu4_2": 1.0})
    """Layer -> its weight among the content terms."""
    style_layers: Mapping[str, float] = field(
        default_factory=lambda: {f"relu{block}_1": 0.2 for block in range(1, 6)}
    )
    """Layer -> its weight w_l among the style terms."""
    each_style_layers: tuple[Mapping[str, float], ...] = ()
    """By painting, the layers that it gives, with weights; `style_layers` follows from them."""
    blend: tuple[float, ...] = ()
    """Share of each painting; none: equal ones."""
    style_size: float = 1.0
    """Longer side of the paintings over the result's: twice is strokes of twice the size."""
    style_loss: StyleLossName = "gram"
    """What of the features is style: "gram", the paper's; "gram+moments", which keeps contrast; or
    "wasserstein", how far features are from the painting's as normal distributions."""
    content_weight: float = 1.0
    """α of the paper, in `units`."""
    style_weight: float = 40.0
    """β of the paper, in `units`."""
    tv_weight: float = 0.5
    """Weight of the total variation per pixel and channel; not part of the paper."""
    range_weight: float = 300.0
    """Weight of what cannot be shown, squared, per pixel and channel; not part of the paper."""
    units: Units = "relative"
    """"relative": each term over what its target weighs; "paper": the literal formulas."""
    init: Init = "content"
    """What the first image is: the content, white noise, a picture that is given, or the result of
    the frame before, moved."""
    flicker_weight: float = 300.0
    """Weight of the squared difference from the frame before, moved, per pixel and channel."""
    noise_range: float = 1.0
    """Range of the white noise, around grey."""
    seed: int = 0
    """Of the white noise."""
    optimizer: OptimizerName = "lbfgs"
    colour: Colour = "style"
    """Whose colours: the painting's, or the photograph's by luminance, match or histogram."""
    steps: int = 200
    """Optimiser steps at the full size, at most; at coarser levels before it a quarter as many."""
    tolerance: float = 0.03
    """Share by which the loss must fall over 20 steps for a level to go on; 0: to the last step."""
    levels: int | None = None
    """How many sizes, each twice the last one, lead up to `size`; None: as many as make sense."""
    memory: int | None = None
    """Bytes that the process may take; None: a safe part of what is free when the run begins."""
    tile: int | None = None
    """Evaluate tile by tile, so many pixels a side, whatever the memory; None: as it suffices."""
    device: str = "auto"
    """"auto", or a device as torch names it: "cpu", "cuda", "cuda:1"."""
    precision: Precision = "float32"
    """"tf32": let a GPU round what it convolves; faster, with gradients to two digits."""

    def __post_init__(self) -> None:
        """Check every setting, and the few that depend on each other."""
        object.__setattr__(self, "content_layers", _layers("content_layers", self.content_layers))
        object.__setattr__(self, "blend", _blend(self.blend))
        object.__setattr__(self, "each_style_layers", _each(self.each_style_layers))
        if self.each_style_layers:
            object.__setattr__(self, "style_layers", self._layers_together())
        object.__setattr__(self, "style_layers", _layers("style_layers", self.style_layers))
        _from_to("style_size", self.style_size, 1 / LARGEST_SCALE, LARGEST_SCALE)
        _whole("size", self.size, 2, LARGEST_SIZE)
        if self.proportions is not None:
            object.__setattr__(self, "proportions", _proportions(self.proportions))
        _whole("steps", self.steps, 1, 1_000_000)
        _whole("seed", self.seed, 0, 2**63 - 1)
        if self.levels is not None:
            _whole("levels", self.levels, 1, 16)
        if self.memory is not None:
            _whole("memory", self.memory, 1, 2**50)
        if self.tile is not None:
            _whole("tile", self.tile, SMALLEST_TILE, LARGEST_SIZE)
        _from_to("noise_range", self.noise_range, 0, 1)
        _from_to("tolerance", self.tolerance, 0, 1)
        for name in (
            "content_weight",
            "style_weight",
            "tv_weight",
            "range_weight",
            "flicker_weight",
        ):
            object.__setattr__(self, name, _weight(name, getattr(self, name)))
        _one_of("units", self.units, get_args(Units))
        _one_of("init", self.init, get_args(Init))
        _one_of("colour", self.colour, get_args(Colour))
        _one_of("pooling", self.pooling, get_args(Pooling))
        _one_of("style_loss", self.style_loss, get_args(StyleLossName))
        _one_of("precision", self.precision, get_args(Precision))
        _one_of("optimizer", self.optimizer, get_args(OptimizerName))
        for name in ("network", "device"):
            if not isinstance(getattr(self, name), str) or not getattr(self, name):
                raise SettingError(f"{name} needs a name, not {getattr(self, name)!r}")
        if not isinstance(self.normalise, bool):
            raise SettingError(f"normalise is true or false, not {self.normalise!r}")
        if not (self.wants_content or self.wants_style):
            raise SettingError(
                "content_weight and style_weight (or all of their layers) are zero: "
                "nothing is asked for; raise one of them"
            )

    @property
    def layers(self) -> tuple[str, ...]:
        """Every layer that a term with weight needs, sorted, so shallow to deep."""
        content = self.content_layers if self.wants_content else {}
        style = self.style_layers if self.wants_style else {}
        return tuple(sorted({layer for layers in (content, style) for layer in layers}))

    @property
    def wants_content(self) -> bool:
        """Whether any content term counts."""
        return self.content_weight > 0 and bool(self.content_layers)

    @property
    def wants_style(self) -> bool:
        """Whether any style term counts."""
        return self.style_weight > 0 and bool(self.style_layers)

    def shares(self, paintings: int) -> tuple[Mapping[str, float], ...]:
        """By painting, its share in the target of each layer that it gives.

        Args:
            paintings: how many there are.

        Raises:
            SettingError: there are not as many shares, or sets of layers.
        """
        for name in ("blend", "each_style_layers"):
            given = len(getattr(self, name))
            if given not in (0, paintings):
                raise SettingError(
                    f"{name} has {given} parts, and there are {paintings} paintings: give each one"
                )
        parts = self.blend or (1.0,) * paintings
        sets = self.each_style_layers or (self.style_layers,) * paintings
        whole = {
            layer: sum(part for part, layers in zip(parts, sets, strict=True) if layer in layers)
            for layer in self.style_layers
        }
        return tuple(
            {layer: part / whole[layer] for layer in layers if part and whole.get(layer)}
            for part, layers in zip(parts, sets, strict=True)
        )

    def _layers_together(self) -> dict[str, float]:
        """Each layer's weight: the mean of its weights, by the shares of who gives it."""
        sets = self.each_style_layers
        if len(self.blend) not in (0, len(sets)):
            raise SettingError(
                f"blend has {len(self.blend)} parts, each_style_layers {len(sets)}: give as many"
            )
        parts = self.blend or (1.0,) * len(sets)
        together: dict[str, float] = {}
        for layer in {layer for layers in sets for layer in layers}:
            pairs = [(p, s[layer]) for p, s in zip(parts, sets, strict=True) if layer in s]
            if whole := sum(part for part, _ in pairs):
                together[layer] = sum(part * weight for part, weight in pairs) / whole
        return together

    def to_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON; `from_dict` gives an equal recipe back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Recipe:
        """A recipe from plain values; what is left out takes its default.

        Raises:
            RecipeError: a setting is unknown here.
            SettingError: a setting is out of range.
        """
        known = {setting.name for setting in fields(cls)}
        unknown = sorted(set(settings) - known)
        if unknown:
            raise RecipeError(
                f"unknown setting {unknown[0]!r} in the recipe (made by a newer vangram?); "
                f"known are {', '.join(sorted(known))}"
            )
        return cls(**settings)


RECONSTRUCTION: dict[str, Any] = {
    "style_weight": 0.0,
    "tv_weight": 0.0,
    "init": "noise",
    "levels": 1,
    "noise_range": 0.04,
}
"""What content reconstruction changes of the defaults: a layer's features and nothing else, so no
smoothness and no coarser sizes, whose features would tell more than the layer knows. What a layer
does not see of the noise stays in the picture: with the full range one from relu1_1 keeps a
checkerboard, and is at 24 dB instead of 50. The authors' own code starts from as little."""

TEXTURE: dict[str, Any] = {"content_weight": 0.0, "init": "noise"}
"""What texture synthesis changes of the defaults.

It keeps the full range of noise: from grey, where all positions have the same gradient, low layers
draw a frame and a glow in the middle.
"""


def layers_up_to(deepest: str) -> dict[str, float]:
    """The first layer of each block up to that of `deepest`: the paper's cumulative layer sets.

    Gatys et al. 2016, figure 1: conv1_1; conv1_1 and conv2_1; ... Their weights sum to one.

    Raises:
        SettingError: it is no first layer of a block.
    """
    found = re.fullmatch(r"relu([1-5])_1", deepest)
    if not found:
        raise SettingError(f"{deepest!r} ends no such set; they end in relu1_1, ... relu5_1")
    blocks = range(1, int(found[1]) + 1)
    return {f"relu{block}_1": 1 / len(blocks) for block in blocks}


def _layers(name: str, layers: object) -> dict[str, float]:
    if not isinstance(layers, Mapping):
        raise SettingError(f"{name} needs a mapping of layer to weight, not {layers!r}")
    checked = {str(layer): _weight(f"{name}: {layer}", weight) for layer, weight in layers.items()}
    return {layer: weight for layer, weight in sorted(checked.items()) if weight > 0}


def _blend(parts: object) -> tuple[float, ...]:
    if not isinstance(parts, tuple | list):
        raise SettingError(f"blend needs a share for each painting, not {parts!r}")
    shares = tuple(_weight("blend", part) for part in parts)
    if shares and not sum(shares):
        raise SettingError("blend gives every painting a share of zero; raise one of them")
    return shares


def _each(sets: object) -> tuple[dict[str, float], ...]:
    if not isinstance(sets, tuple | list):
        raise SettingError(f"each_style_layers needs a mapping for each painting, not {sets!r}")
    return tuple(_layers("each_style_layers", layers) for layers in sets)


def _from_to(name: str, value: object, least: float, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise SettingError(f"{name} needs a number from {least:g} to {most:g}, not {value!r}")


def _proportions(value: object) -> tuple[int, int]:
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise SettingError(f"proportions needs a height and a width, not {value!r}")
    for side in value:
        _whole("proportions", side, 1, LARGEST_SIZE)
    return value[0], value[1]


def _weight(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise SettingError(f"{name} needs a number, not {value!r}")
    if not 0 <= value <= LARGEST_WEIGHT:
        raise SettingError(f"{name} needs a number from 0 to {LARGEST_WEIGHT:g}, not {value!s:.20}")
    return float(value)


def _whole(name: str, value: object, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise SettingError(f"{name} needs a whole number from {least} to {most}, not {value!r}")


def _one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise SettingError(f"{name} needs one of {', '.join(allowed)}, not {value!r}")
