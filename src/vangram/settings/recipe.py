"""The settings of a run: a frozen, validated model, the only home of their defaults and help."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from vangram.errors import RecipeError, SettingError
from vangram.settings.fields import documented, refusal, setting, settings_of, shown
from vangram.settings.text import DISTANCES, LAYERS, MEMORY, SHARES, parse_each_layers
from vangram.storage.files import counted

if TYPE_CHECKING:
    from pydantic import ModelWrapValidatorHandler
    from typing_extensions import Self

LARGEST_SIZE = 32_768
"""Largest longer side in pixels; a larger number is likelier a typing error."""
SMALLEST_TILE = 32
"""Smallest side of a tile in pixels; a smaller tile is nearly all halo."""
LARGEST_SCALE = 8.0
"""Largest ratio of a painting's size to the result's; time grows with its square."""
LARGEST_WEIGHT = 1e30
"""Largest weight of a loss; products with larger ones exceed float32."""
DEFAULT_STRENGTH = 1.0
"""The strength where none is given: that of every recipe as it is, so it has to be 1."""
STRENGTHS = 0.1, 10.0
"""Smallest and largest strength; beyond them the result is the photograph, or a texture."""
STRENGTH_EXPONENT = 2.0
"""Exponent of the strength in the style weight.

Measured for three pairs at 192 px: from a tenth of the default weight to ten times it, each half
decade adds nearly the same to the content term (0.34, 0.34, 0.29, 0.27 for one of them), so the
rule is a power. With the square, 0.1 to 10 is the visible range and 0.5, 1, 2 are clear steps.
"""

Units = Literal["relative", "paper"]
OptimizerName = Literal["lbfgs", "adam"]
Precision = Literal["float32", "tf32"]
Init = Literal["content", "noise", "picture", "before"]
Pooling = Literal["max", "average"]
Colour = Literal["style", "luminance", "match", "histogram"]
StyleLossName = Literal["gram", "gram+moments", "wasserstein"]
Weight = Annotated[float, Field(ge=0, le=LARGEST_WEIGHT)]


def _with_weight(layers: Mapping[str, float]) -> dict[str, float]:
    """The layers whose weight is above zero, sorted by name."""
    return {layer: weight for layer, weight in sorted(layers.items()) if weight > 0}


def _as_tuple(values: object) -> object:
    """A list, which JSON and TOML have instead of tuples, as a tuple."""
    return tuple(values) if isinstance(values, list) else values


def _each_parsed(values: object) -> object:
    """Layers of each painting; where they are texts, layers without weights share them."""
    texts = isinstance(values, list | tuple) and all(isinstance(each, str) for each in values)
    return parse_each_layers(values) if texts and values else _as_tuple(values)  # type: ignore


Layers = Annotated[Mapping[str, Weight], AfterValidator(_with_weight)]
Name = Annotated[str, Field(min_length=1)]
Distance = Annotated[int, Field(ge=1, le=1000)]
Side = Annotated[int, Field(ge=1, le=LARGEST_SIZE)]


@documented
class Recipe(BaseModel):
    """Everything that determines a result, apart from its inputs.

    Raises:
        SettingError: a setting is unknown or out of range, or two contradict each other; the
            message names the setting, and what it may be.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    # fmt: off
    size: int = setting(512, "Longer side of the result.", group="Picture", least=2,
        most=LARGEST_SIZE, unit="px")
    proportions: Annotated[tuple[Side, Side] | None, BeforeValidator(_as_tuple)] = setting(None,
        "Height and width of a texture, to take their ratio.", group="Picture",
        unset="the painting's", allowed="a height and a width", option=False, needs=("texture",))
    steps: int = setting(200,
        "Optimiser steps at full size, at most; a quarter at each coarser size.", group="Picture",
        least=1, most=1_000_000)
    init: Init = setting("content",
        "First image: the photograph, white noise, or the picture at a path.", group="Picture",
        metavar="[content|noise|PATH]", needs=("content", "style"))
    seed: int = setting(0, "Seed of the white noise.", group="Picture", least=0, most=2**63 - 1,
        needs=("noise",))
    content_weight: Weight = setting(1.0, "Weight α of the photograph's content.", group="Weights",
        needs=("content", "style"))
    style_weight: Weight = setting(40.0, "Weight β of the painting's style.", group="Weights",
        needs=("content", "style"))
    tv_weight: Weight = setting(0.5, "Weight of the total variation: smoothness.", group="Weights")
    range_weight: Weight = setting(300.0, "Weight of the penalty on values beyond black and white.",
        group="Weights")
    content_layers: Annotated[Layers, LAYERS] = setting({"relu4_2": 1.0},
        "Content layers, as relu4_2 or relu3_1=0.5,relu4_2=2; those without weights share 1.",
        group="Weights", allowed="a mapping of layer to weight", needs=("content",))
    blend: Annotated[tuple[Weight, ...], BeforeValidator(_as_tuple), SHARES] = setting((),
        "Share of each painting, as 0.7,0.3.", group="Weights", unset="equal shares",
        allowed="a share for each painting", needs=("styles",))
    each_style_layers: Annotated[tuple[Layers, ...], BeforeValidator(_each_parsed)] = setting((),
        "Style layers of each painting, instead of the same for all.", group="Weights",
        unset="the same layers", allowed="a mapping of layer to weight for each painting",
        option=False, needs=("styles",))
    style_layers: Annotated[Layers, LAYERS, Field(validate_default=True)] = setting(
        {f"relu{block}_1": 0.2 for block in range(1, 6)},
        "Style layers, as relu1_1,relu2_1 or relu1_1=0.5,relu2_1=2; those without weights "
        "share 1.", group="Weights", allowed="a mapping of layer to weight",
        each="each_style_layers", needs=("style",))
    style_loss: StyleLossName = setting("gram",
        "Style statistics: Gram matrices, as in the paper; these and moments, which keep "
        "contrast; or the Wasserstein distance of normal distributions.", group="Weights",
        needs=("style",))
    units: Units = setting("relative",
        "Units of the losses: relative to what each target weighs, or the paper's formulas.",
        group="Weights")
    style_size: float = setting(1.0,
        "Size of the paintings over the result's: 2 for strokes of twice the size.", group="Method",
        least=1 / LARGEST_SCALE, most=LARGEST_SCALE, needs=("style",))
    colour: Colour = setting("style",
        "Whose colours: the painting's, or the photograph's by luminance, match or histogram.",
        group="Method", needs=("content", "style"))
    network: Name = setting("vgg19-lite",
        "Network whose features are compared; `vangram networks` lists them.", group="Method",
        metavar="NAME")
    pooling: Pooling = setting("max", "How the network pools; the paper prefers averages.",
        group="Method")
    normalise: bool = setting(False,
        "Rescale the network so that each channel's mean activation is 1.", group="Method")
    noise_range: float = setting(1.0, "Range of the white noise, around grey.", group="Method",
        least=0, most=1, needs=("noise",))
    optimizer: OptimizerName = setting("lbfgs", "Optimiser of the pixels.", group="Method")
    tolerance: float = setting(0.08,
        "A size ends when its loss falls by a smaller share over 20 steps; 0: at its last "
        "step.", group="Method", least=0, most=1)
    levels: int | None = setting(None, "Number of sizes up to the full one, each twice the last.",
        group="Method", least=1, most=16, unset="as many as make sense")
    memory: Annotated[int | None, MEMORY] = setting(None,
        "Memory that the process may take, as 4GB.", group="Machine", least=1, most=2**50,
        unit="bytes", unset="a safe part of what is free")
    tile: int | None = setting(None, "Side of the tiles in which a picture is evaluated.",
        group="Machine", least=SMALLEST_TILE, most=LARGEST_SIZE, unit="px",
        unset="as the memory suffices")
    device: Name = setting("auto",
        "Where to compute: auto, or a device of torch, as cpu, cuda or cuda:1.", group="Machine",
        metavar="NAME")
    precision: Precision = setting("float32",
        "Precision of convolutions on a GPU; tf32 is faster, its gradients have two digits.",
        group="Machine")
    flicker_weight: Weight = setting(1000.0,
        "Weight of the squared difference from other frames' results, warped to this frame.",
        group="Sequences", needs=("before",))
    frame_steps: int = setting(8,
        "Optimiser steps of a film's frame in each pass, after the first of a shot.",
        group="Sequences", least=1, most=1_000_000, needs=("before", "film"))
    passes: int = setting(2,
        "Passes over a film's shot, forward and backward in turn.", group="Sequences", least=1,
        most=100, needs=("before", "film"))
    remember: Annotated[tuple[Distance, ...], BeforeValidator(_as_tuple), DISTANCES] = setting(
        (1, 2, 4, 8), "Frames further back that a film's frame is held to, as 1,2,4.",
        group="Sequences", allowed="a whole number for each frame", needs=("before", "film"))
    # fmt: on

    @model_validator(mode="wrap")
    @classmethod
    def _refused_in_one_line(cls, values: Any, check: ModelWrapValidatorHandler[Self]) -> Self:
        if isinstance(values, dict):  # whose numbers may be NumPy's
            values = {k: v.item() if getattr(v, "ndim", 1) == 0 else v for k, v in values.items()}
        try:
            recipe = check(values)
        except ValidationError as error:
            raise SettingError(refusal(cls, error)) from None
        if not (recipe.wants_content or recipe.wants_style):
            raise SettingError(
                "content_weight and style_weight (or all of their layers) are zero: "
                "nothing is asked for; raise one of them"
            )
        return recipe

    @field_validator("blend")
    @classmethod
    def _not_all_zero(cls, shares: tuple[float, ...]) -> tuple[float, ...]:
        if shares and not sum(shares):
            raise SettingError("blend gives every painting a share of zero; raise one of them")
        return shares

    @field_validator("style_layers")
    @classmethod
    def _together(cls, layers: dict[str, float], others: ValidationInfo) -> dict[str, float]:
        """Weights of all paintings' layers: of each layer the mean, weighted by `blend`."""
        sets, blend = others.data.get("each_style_layers"), others.data.get("blend")
        if not sets or blend is None:
            return layers
        if len(blend) not in (0, len(sets)):
            raise SettingError(
                f"blend has {len(blend)} parts, each_style_layers {len(sets)}: give as many"
            )
        parts = blend or (1.0,) * len(sets)
        together: dict[str, float] = {}
        for layer in {layer for layers in sets for layer in layers}:
            pairs = [(p, s[layer]) for p, s in zip(parts, sets, strict=True) if layer in s]
            if whole := sum(part for part, _ in pairs):
                together[layer] = sum(part * weight for part, weight in pairs) / whole
        return _with_weight(together)

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers of all terms of a weight above zero, from shallow to deep."""
        content = self.content_layers if self.wants_content else {}
        style = self.style_layers if self.wants_style else {}
        return tuple(sorted({layer for layers in (content, style) for layer in layers}))

    @property
    def wants_content(self) -> bool:
        """Whether there is a content term of a weight above zero."""
        return self.content_weight > 0 and bool(self.content_layers)

    @property
    def wants_style(self) -> bool:
        """Whether there is a style term of a weight above zero."""
        return self.style_weight > 0 and bool(self.style_layers)

    def shares(self, paintings: int) -> tuple[Mapping[str, float], ...]:
        """Share of each painting in the target of each of its layers; a layer's shares sum to 1.

        Args:
            paintings: their number.

        Raises:
            SettingError: `blend` or `each_style_layers` has another number of parts.
        """
        for name in ("blend", "each_style_layers"):
            given = len(getattr(self, name))
            if given not in (0, paintings):
                there = counted(paintings, "painting")
                raise SettingError(f"{name} has {counted(given, 'part')} for {there}: give as many")
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

    def replace(self, **changes: Any) -> Self:
        """The recipe with other values of some settings.

        Raises:
            SettingError: as `Recipe` does.
        """
        return type(self)(**self.to_dict() | changes)

    def strengthened(self, strength: float | str) -> Self:
        """The recipe with its style weight multiplied by a power of the strength.

        Strength is no setting of its own. `DEFAULT_STRENGTH`, 1, changes nothing; equal factors
        look like equal steps.

        Raises:
            SettingError: the strength is no number, or out of range.
        """
        least, most = STRENGTHS
        with suppress(TypeError, ValueError, OverflowError):
            factor = float(strength)
            if least <= factor <= most and not isinstance(strength, bool):
                weight = self.style_weight * math.pow(factor, STRENGTH_EXPONENT)
                return self.replace(style_weight=weight)
        raise SettingError(
            f"strength needs a number from {least:g} to {most:g}, such as 1.5, not "
            f"{shown(strength)}"
        )

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain values for JSON; the inverse of `from_dict`."""
        return self.model_dump()

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Self:
        """A recipe from plain values; settings that are left out have their defaults.

        Raises:
            RecipeError: there is no setting of some name.
            SettingError: a setting is out of range.
        """
        known = settings_of(cls)
        unknown = sorted(set(settings) - set(known))
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
"""Defaults of content reconstruction.

A layer's features are the only term: no smoothness, and no coarser sizes, whose features hold more
than the layer's. Noise that the layer does not see stays in the image: with the full range, a
reconstruction from relu1_1 keeps a checkerboard, at 24 dB instead of 50. The authors' code starts
from as little noise.
"""

TEXTURE: dict[str, Any] = {"content_weight": 0.0, "init": "noise"}
"""Defaults of texture synthesis.

The noise has its full range: from grey, where all positions have the same gradient, low layers draw
a frame and a glow in the middle.
"""


def layers_up_to(deepest: str) -> dict[str, float]:
    """The first layer of each block up to that of `deepest`: the paper's cumulative layer sets.

    Gatys et al. 2016, figure 1: conv1_1; conv1_1 and conv2_1; ... Their weights sum to one.

    Raises:
        SettingError: `deepest` is not the first layer of a block.
    """
    found = re.fullmatch(r"relu([1-5])_1", deepest)
    if not found:
        raise SettingError(
            f"{deepest!r} is not the first layer of a block: relu1_1, relu2_1, ... relu5_1"
        )
    blocks = range(1, int(found[1]) + 1)
    return {f"relu{block}_1": 1 / len(blocks) for block in blocks}
