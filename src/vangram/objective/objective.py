"""What is minimised: targets and weights that turn a picture's statistics into a loss.

    statistics = objective.measure(features)          sums over positions: add them up over tiles
    judgement = objective.judge(statistics, image)    the loss, its terms, each layer's slope
    gradient = objective.feature_gradient(layer, features, judgement)

Two passes instead of one, because the style term's gradient at any position needs the moments of
the whole picture, its Gram matrices and where a style loss asks for them its sums, and nothing else
of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import torch
from torch import Tensor

from vangram.errors import SettingError, ShapeError
from vangram.losses import (
    STYLE_LOSSES,
    Moments,
    MomentsGrad,
    StyleLoss,
    content_loss,
    content_loss_grad,
    feature_moments,
    feature_moments_grad,
    out_of_range_loss,
    out_of_range_loss_grad,
    total_variation_loss,
    total_variation_loss_grad,
)
from vangram.networks import WHOLE, FeatureNetwork, Windows
from vangram.networks.geometry import Core
from vangram.objective.evaluation import Term
from vangram.objective.targets import (
    LEAST_POSITIONS,
    Region,
    blended,
    content_targets,
    layer_weights,
)
from vangram.settings.recipe import Recipe, Units
from vangram.storage.tensors import IN_MEMORY, Storage, bands

T = TypeVar("T")

PIXEL_TERMS = {
    "tv": (total_variation_loss, total_variation_loss_grad),
    "range": (out_of_range_loss, out_of_range_loss_grad),
}
"""Terms taken on the pixels themselves, as sums over them: value and gradient."""


@dataclass(frozen=True)
class Statistics:
    """All that a loss needs to know of features: sums over positions, by layer."""

    style: Mapping[str, Moments]
    """G (C, C) each, and s (C,) where the style loss takes them."""
    content: Mapping[str, Tensor]
    """½ Σ (F − P)², float64 scalars."""

    def __add__(self, other: Statistics) -> Statistics:
        """Of two parts of a picture together."""
        return Statistics(
            {layer: summed + other.style[layer] for layer, summed in self.style.items()},
            {layer: summed + other.content[layer] for layer, summed in self.content.items()},
        )


@dataclass(frozen=True)
class Judgement:
    """A loss, and what it gains with each layer's moments, which its gradient needs."""

    terms: tuple[Term, ...]
    slopes: Mapping[str, MomentsGrad]

    @property
    def loss(self) -> float:
        """The weighted sum of the terms."""
        return sum(term.weighted for term in self.terms)


@dataclass(frozen=True)
class Objective:
    """L_total = α Σ w L_content + β Σ w_l E_l (Gatys et al. 2016, equation 7), and pixel terms.

    In `paper` units the terms are the literal formulas. In `relative` units each is divided by what
    it would be for features of zero, so by what the target weighs. Pixel terms are means over
    pixels and channels in both.
    """

    recipe: Recipe
    content: Mapping[str, Tensor]
    """Layer -> target P, (1, C, h, w)."""
    style: Mapping[str, Moments]
    """Layer -> target moments per position: A / M_style, (C, C), and what else is needed."""
    distances: Mapping[str, StyleLoss]
    """Layer -> how far an image is from them."""
    positions: Mapping[str, float]
    """Layer -> M, the positions of the image's features there, of a region the sum of weights."""
    weighs: Mapping[str, float]
    """"content relu4_1" -> what the literal formula gives for features of zero."""
    storage: Storage = IN_MEMORY
    """Where tensors of the picture's size live."""
    guides: Mapping[str, Tensor] = field(default_factory=dict)
    """By name of a style term, how much each position (h, w) counts; all alike where none is."""

    @classmethod
    @torch.no_grad()
    def of(
        cls,
        recipe: Recipe,
        network: FeatureNetwork,
        content: Tensor | None,
        styles: Tensor | Sequence[Tensor] | None,
        tile: Core | None = None,
        storage: Storage = IN_MEMORY,
        size: tuple[int, int] | None = None,
        regions: Sequence[Region] = (),
        painted: Mapping[str, Moments] | None = None,
    ) -> Objective:
        """The objective for an image of the size of `content`.

        Args:
            recipe: weights, layers and units.
            network: whose features are compared.
            content: (1, 3, H, W), the photograph; None where no content term counts.
            styles: (1, 3, H', W'), the painting, of any size, or several that are blended; none
                where no style term counts.
            tile: pixels of a tile's core; None: all at once.
            storage: where tensors of the picture's size shall live.
            size: (height, width) of the image where there is no `content`.
            regions: parts of the picture with a style of their own; all of it, if none.
            painted: the `style` of an objective with the same paintings at the same sizes, which
                need not be looked at again.

        Raises:
            ShapeError: a picture that a term needs, or the size, is missing.
            LayerError: the network lacks a layer.
            SizeError: a picture is too small for a layer.
        """
        if content is not None:
            size = (content.shape[2], content.shape[3])
        if size is None:
            raise ShapeError("an objective needs a content picture or the image's size")
        found: dict[str, Tensor] = {}
        if recipe.wants_content:
            found = content_targets(
                network, _given(content, "content"), recipe.content_layers, tile, storage
            )
        kind, guides = STYLE_LOSSES[recipe.style_loss], dict[str, Tensor]()
        if painted is None:
            painted, guides = _style(recipe, network, styles, tile, storage, regions)
        distances = {name: kind(target) for name, target in painted.items()}
        positions = {
            name: float(guides[name].sum())
            if name in guides
            else network.topology.positions(size, name)
            for name in painted
        }
        weighs = {}
        for layer, features in found.items():
            weighs[f"content {layer}"] = _weight(features, storage)
        for layer, distance in distances.items():
            nothing = distance.value(painted[layer].zero, positions[layer])
            weighs[f"style {layer}"] = float(nothing)
        weighs = {name: weight or 1.0 for name, weight in weighs.items()}
        return cls(recipe, found, painted, distances, positions, weighs, storage, guides)

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers whose features are needed, shallow to deep."""
        return tuple(sorted(self.content.keys() | set(map(_layer, self.style))))

    def measure(self, features: Mapping[str, Tensor], windows: Windows = WHOLE) -> Statistics:
        """Statistics of an image's features (1, C, h, w), by layer, or of a part of them.

        Args:
            features: of the part.
            windows: by layer, the rows and columns that the part takes of the whole; all, if none.
        """
        sums = STYLE_LOSSES[self.recipe.style_loss].needs_sums
        return Statistics(
            style={
                name: feature_moments(
                    features[_layer(name)][0], sums=sums, weights=self._guide(name, windows)
                )
                for name in self.style
            },
            content={
                layer: content_loss(features[layer], self._target(layer, features[layer], windows))
                for layer in self.content
            },
        )

    def judge(self, statistics: Statistics, image: Tensor) -> Judgement:
        """The terms and slopes that follow from the whole picture's statistics.

        Args:
            statistics: of the whole picture.
            image: (1, 3, H, W), for the total variation.
        """
        terms, slopes = [], {}
        for layer, literal in statistics.content.items():
            terms.append(self._term("content", layer, literal))
        for layer, found in statistics.style.items():
            shape, wanted = found.products.shape, self.style[layer].products.shape
            if shape != wanted:
                raise ShapeError(f"{layer}: Gram {tuple(shape)}, not {tuple(wanted)}")
            literal, slopes[layer] = self.distances[layer].value_and_grad(
                found, self.positions[layer], self._slope("style", layer)
            )
            terms.append(self._term("style", layer, literal))
        for kind, (value, _) in PIXEL_TERMS.items():
            if weight := self._pixel_weight(kind):
                summed_up = 0.0
                for rows in bands(image):
                    summed_up += float(value(image, rows))
                    self.storage.release()
                terms.append(Term(kind, "", summed_up / image.numel(), weight))
        return Judgement(tuple(terms), slopes)

    def feature_gradient(
        self, layer: str, features: Tensor, judgement: Judgement, windows: Windows = WHOLE
    ) -> Tensor:
        """Gradient of the loss with respect to a layer's features.

        Args:
            layer: one of `layers`.
            features: (1, C, h, w), of the whole picture or a part.
            judgement: of the whole picture.
            windows: as in `measure`.
        """
        gradient: Tensor | None = None
        for name in (name for name in judgement.slopes if _layer(name) == layer):
            guide = self._guide(name, windows)
            style = feature_moments_grad(features[0], judgement.slopes[name], guide)
            # Not `style[None]`, whose strides oneDNN does not recognise.
            style = style.as_strided(features.shape, (style.numel(), *style.stride()))
            gradient = style if gradient is None else gradient.add_(style)
        if layer in self.content:
            content = content_loss_grad(features, self._target(layer, features, windows))
            content *= self._slope("content", layer)
            gradient = content if gradient is None else gradient.add_(content)
        assert gradient is not None
        return gradient

    def add_image_gradient(self, image: Tensor, gradient: Tensor) -> None:
        """Add the gradient of the terms that are taken on the pixels themselves."""
        for kind, (_, slope) in PIXEL_TERMS.items():
            if weight := self._pixel_weight(kind):
                for rows in bands(image):
                    part = slope(image, rows)
                    gradient[..., rows, :].add_(part, alpha=weight / image.numel())
                    self.storage.release()

    def _pixel_weight(self, kind: str) -> float:
        weight: float = getattr(self.recipe, f"{kind}_weight")
        return weight

    def unit(self, kind: str, layer: str) -> float:
        """What one unit of a term is in the literal formulas."""
        return 1.0 if self.recipe.units == "paper" else self.weighs[f"{kind} {layer}"]

    def recipe_in(self, units: Units) -> Recipe:
        """A recipe in other units with the same loss, at this size and with these pictures.

        A weight in `paper` units is one in `relative` units over what the target weighs. α and β
        are taken into the layers' weights.

        Raises:
            SettingError: there are regions, each of which would need weights of its own.
        """
        if self.guides:
            raise SettingError("weights of regions differ, and no recipe in other units has them")

        def converted(kind: str, layers: Iterable[str]) -> dict[str, float]:
            return {
                layer: self._slope(kind, layer)
                * (self.weighs[f"{kind} {layer}"] if units == "relative" else 1.0)
                for layer in layers
            }

        return replace(
            self.recipe,
            units=units,
            content_weight=float(bool(self.content)),
            style_weight=float(bool(self.style)),
            content_layers=converted("content", self.content),
            style_layers=converted("style", self.style),
        )

    def _term(self, kind: str, layer: str, literal: Tensor) -> Term:
        value = float(literal) / self.unit(kind, layer)
        return Term(kind, layer, value, self._weight(kind, layer))

    def _weight(self, kind: str, layer: str) -> float:
        if kind == "content":
            return self.recipe.content_weight * self.recipe.content_layers[layer]
        weight = self.recipe.style_weight * self.recipe.style_layers[_layer(layer)]
        if layer in self.guides:  # so that pixels weigh alike, whichever region they belong to
            weight *= self.positions[layer] / self.guides[layer].numel()
        return weight

    def _guide(self, name: str, windows: Windows) -> Tensor | None:
        guide, window = self.guides.get(name), windows.get(_layer(name))
        return guide if guide is None or window is None else guide[window]

    def _target(self, layer: str, features: Tensor, windows: Windows) -> Tensor:
        """The content target of a part of the picture, on the device of its features."""
        target, window = self.content[layer], windows.get(layer)
        part = target if window is None else target[:, :, window[0], window[1]]
        return part.to(features.device)

    def _slope(self, kind: str, layer: str) -> float:
        """What the loss gains per unit of a literal term."""
        return self._weight(kind, layer) / self.unit(kind, layer)


def _style(
    recipe: Recipe,
    network: FeatureNetwork,
    styles: Tensor | Sequence[Tensor] | None,
    tile: Core | None,
    storage: Storage,
    regions: Sequence[Region],
) -> tuple[dict[str, Moments], dict[str, Tensor]]:
    """Targets of the style terms by name, and of a region's how much each position counts."""
    if not recipe.wants_style:
        return {}, {}
    paintings = [styles] if isinstance(styles, Tensor) else _given(styles, "style")
    shares, sums = recipe.shares(len(paintings)), STYLE_LOSSES[recipe.style_loss].needs_sums
    if not regions:
        return blended(network, paintings, shares, tile, sums=sums, storage=storage), {}
    painted, guides = {}, {}
    for region in regions:
        here = blended(
            network, paintings, shares, tile, sums=sums, parts=region.parts, storage=storage
        )
        counts = layer_weights(region.weights, network.topology, here)
        for layer in (layer for layer in here if counts[layer].sum() >= LEAST_POSITIONS):
            painted[f"{layer} {region.name}"] = here[layer]
            guides[f"{layer} {region.name}"] = counts[layer]
    return painted, guides


def _layer(name: str) -> str:
    """The layer of a style term, which is named by it, and by its region where there is one."""
    return name.partition(" ")[0]


def _given(pictures: T | None, kind: str) -> T:
    if pictures is None:
        raise ShapeError(f"{kind} terms count, and no {kind} picture is given")
    return pictures


def _weight(target: Tensor, storage: Storage) -> float:
    """What a content target weighs: ½ Σ P²."""
    total, nothing = 0.0, target.new_zeros(())
    for rows in bands(target):
        part = target[:, :, rows]
        total += float(content_loss(part, nothing.expand_as(part)))
        storage.release()
    return total
