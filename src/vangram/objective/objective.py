"""The loss: a recipe's terms and their targets, as functions of a picture's statistics.

    statistics = objective.measure(features)                 sums over positions, added over tiles
    loss_terms = objective.loss_terms(statistics, image)     terms, and gradients of the moments
    gradient = objective.feature_grad(layer, features, loss_terms)

Two passes instead of one, because the style term's gradient at any position needs the moments of
the whole picture, and nothing else of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add

import torch
from torch import Tensor

from vangram.errors import SettingError, ShapeError
from vangram.kernels import Window
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
from vangram.networks import WHOLE, FeatureNetwork, Topology, Windows
from vangram.networks.tiles import Core, Tile
from vangram.networks.topology import stride_of
from vangram.objective.evaluation import Term, TermKey
from vangram.objective.targets import (
    Region,
    StyleTarget,
    content_targets,
    layer_weights,
    style_targets,
)
from vangram.settings.recipe import Recipe, Units
from vangram.storage.tensors import IN_MEMORY, Storage, row_bands

BAND = 64
"""Rows of pixels of a band, from the top of an image or a part of it, a multiple of the deepest
stride. Statistics are sums over a band, in the features' precision, added up in float64: so they
hardly depend on how an image is divided into parts, and not at all where the bands are the same."""
PIXEL_TERMS = {
    "tv": (total_variation_loss, total_variation_loss_grad),
    "range": (out_of_range_loss, out_of_range_loss_grad),
}
"""Terms computed from the pixels, as sums over them: value and gradient."""


@dataclass(frozen=True)
class Statistics:
    """Sums over positions of an image's features, by term; a function of them is the loss."""

    style: Mapping[TermKey, Moments]
    """G (C, C) each, and s (C,) where the style loss takes them."""
    content: Mapping[TermKey, Tensor]
    """½ Σ w (F − P)² of each band, (bands,) float64."""

    def to(self, dtype: torch.dtype) -> Statistics:
        """The statistics with moments in another precision."""
        style = {key: moments.to(dtype) for key, moments in self.style.items()}
        return Statistics(style, self.content)

    def __add__(self, other: Statistics) -> Statistics:
        """The statistics of two parts of an image together, the second after the first."""
        return Statistics(
            {key: summed + other.style[key] for key, summed in self.style.items()},
            {key: torch.cat([found, other.content[key]]) for key, found in self.content.items()},
        )


@dataclass(frozen=True)
class LossTerms:
    """The terms of a loss, and its gradients with respect to the moments of each style term."""

    terms: tuple[Term, ...]
    moment_grads: Mapping[TermKey, MomentsGrad]

    @property
    def loss(self) -> float:
        """The weighted sum of the terms."""
        return sum(term.weighted for term in self.terms)


@dataclass(frozen=True)
class ContentTerm:
    """The distance of an image's features at a layer from the photograph's."""

    target: Tensor
    """P, (1, C, h, w)."""
    guide: Tensor | None
    """(h, w), how visible each position is; None: all are."""
    weight: float
    """α w_l."""
    normaliser: float
    """The literal formula at features of zero, ½ Σ w P²."""


@dataclass(frozen=True)
class StyleTerm:
    """The distance of an image's moments at a layer, or in a region of it, from their target."""

    target: Moments
    """Per position: A / M_style, (C, C), and the sums where the style loss takes them."""
    guide: Tensor | None
    """(h, w), how much each position counts; None: all count alike."""
    loss: StyleLoss
    positions: float
    """M of the image's features, or the sum of the guide."""
    weight: float
    """β w_l, times the share of the visible positions that the region has."""
    normaliser: float
    """The literal formula at features of zero."""


@dataclass(frozen=True)
class Objective:
    """L_total = α Σ w L_content + β Σ w_l E_l (Gatys et al. 2016, equation 7), and pixel terms.

    In `paper` units the terms are the literal formulas. In `relative` units each is divided by its
    value for features of zero. Pixel terms are means over pixels and channels in both. All sums and
    means are weighted by the photograph's alpha: what is hidden does not count.
    """

    recipe: Recipe
    content: Mapping[TermKey, ContentTerm]
    style: Mapping[TermKey, StyleTerm]
    storage: Storage = IN_MEMORY
    """Where tensors of the image's size live."""
    visible: Tensor | None = None
    """(1, 1, H, W) in [0, 1], how much each pixel counts; None: all count alike."""

    @classmethod
    @torch.no_grad()
    def of(
        cls,
        recipe: Recipe,
        network: FeatureNetwork,
        content: Tensor | None,
        styles: Tensor | Sequence[Tensor] | None,
        *,
        size: tuple[int, int] | None = None,
        regions: Sequence[Region] = (),
        tile: Core | None = None,
        storage: Storage = IN_MEMORY,
        visible: Tensor | None = None,
        alphas: Sequence[Tensor | None] = (),
    ) -> Objective:
        """The objective for an image that has the size of `content`.

        Args:
            recipe: weights, layers and units.
            network: whose features are compared.
            content: (1, 3, H, W); may be None without content terms.
            styles: (1, 3, H', W') of any size, or several that are blended; may be None without
                style terms.
            size: (height, width) of the image, without `content`.
            regions: parts of the image with a style of their own; empty: one style everywhere.
            tile: pixels of a tile's core; None: the targets are computed at once.
            storage: where tensors of the image's size live.
            visible: alpha of `content`, (1, 1, H, W) in [0, 1]; None: opaque.
            alphas: of the paintings, (1, 1, H', W') each, or None for an opaque one; empty: all
                are opaque.

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
            if content is None:
                raise ShapeError("content terms have a weight, and no content picture is given")
            found = content_targets(network, content, recipe.content_layers, tile, storage)
        paintings = [styles] if isinstance(styles, Tensor) else styles
        style = style_targets(
            recipe, network, paintings, regions, tile, visible=visible, alphas=alphas
        )
        return cls.with_targets(recipe, network.topology, size, found, style, storage, visible)

    @classmethod
    def with_targets(
        cls,
        recipe: Recipe,
        topology: Topology,
        size: tuple[int, int],
        content: Mapping[str, Tensor],
        style: Mapping[TermKey, StyleTarget],
        storage: Storage = IN_MEMORY,
        visible: Tensor | None = None,
    ) -> Objective:
        """The objective for an image of `size`, with given targets.

        Args:
            recipe: weights, layers and units.
            topology: of the network.
            size: (height, width).
            content: layer -> P, (1, C, h, w).
            style: by term.
            storage: where tensors of the image's size live.
            visible: (1, 1, H, W) in [0, 1], how much each pixel counts; None: all count alike.
        """
        alphas: dict[str, Tensor] = {}  # by layer, (h, w)
        if visible is not None:
            layers = {*content, *(key.layer for key in style)}
            alphas = layer_weights(visible, topology, layers)
        contents = {
            TermKey("content", layer): ContentTerm(
                target,
                alphas.get(layer),
                recipe.content_weight * recipe.content_layers[layer],
                _content_at_zero(target, alphas.get(layer)) or 1.0,
            )
            for layer, target in content.items()
        }
        styles = {}
        for key, (target, guide) in style.items():
            loss = STYLE_LOSSES[recipe.style_loss](target)
            positions: float = topology.positions(size, key.layer)
            weight = recipe.style_weight * recipe.style_layers[key.layer]
            if guide is not None:  # every visible pixel has the same weight, whatever its region
                positions = float(guide.sum())
                whole = alphas.get(key.layer)
                weight *= positions / float(
                    guide.numel() if whole is None else whole.sum(dtype=torch.float64)
                )
            normaliser = float(loss.value(target.zero, positions)) or 1.0
            styles[key] = StyleTerm(target, guide, loss, positions, weight, normaliser)
        return cls(recipe, contents, styles, storage, visible)

    @property
    def layers(self) -> tuple[str, ...]:
        """Layers of the terms, from shallow to deep."""
        return tuple(sorted({key.layer for key in (*self.content, *self.style)}))

    def measure(self, features: Mapping[str, Tensor], windows: Windows = WHOLE) -> Statistics:
        """Statistics of an image, or of a part of it.

        Args:
            features: layer -> (1, C, h, w).
            windows: layer -> rows and columns of the part; empty: the whole image.

        Returns:
            Moments in float64.
        """
        sums = STYLE_LOSSES[self.recipe.style_loss].needs_sums
        style, content = {}, {}
        for key, term in self.style.items():
            found = features[key.layer]
            guide = _part(term.guide, found, windows.get(key.layer))
            rows = BAND // stride_of(key.layer)
            style[key] = feature_moments(found[0], sums=sums, weights=guide, rows=rows)
        for key, each in self.content.items():
            found, window = features[key.layer], windows.get(key.layer)
            guide = _part(each.guide, found, window)
            content[key] = _content_by_band(found, _target(each, found, window), guide, key.layer)
        return Statistics(style, content)

    def part(self, core: Window, topology: Topology) -> Objective:
        """The objective with the targets and guides of a part of the image, copied.

        Args:
            core: rows and columns in pixels that start at multiples of the deepest stride; windows
                of `measure` and `feature_grad` are then counted from its first pixel.
            topology: of the network.
        """
        windows = Tile(core, core).windows(self.layers, topology)

        def cut(guide: Tensor | None, layer: str) -> Tensor | None:
            return None if guide is None else guide[windows[layer]].clone()

        content, style = {}, {}
        for key, term in self.content.items():
            rows, columns = windows[key.layer]
            rows_first = term.target[:, :, rows, columns].permute(0, 2, 3, 1)
            target = self.storage.empty(tuple(rows_first.shape), rows_first).copy_(rows_first)
            content[key] = replace(
                term, target=target.permute(0, 3, 1, 2), guide=cut(term.guide, key.layer)
            )
        for key, each in self.style.items():
            style[key] = replace(each, guide=cut(each.guide, key.layer))
        return replace(self, content=content, style=style)

    def loss_terms(self, statistics: Statistics, image: Tensor) -> LossTerms:
        """The terms of the loss, from the statistics of the whole image.

        Args:
            statistics: of the whole image.
            image: (1, 3, H, W), for the terms computed from the pixels.

        Raises:
            ShapeError: the moments of a layer have another width than their target.
        """
        terms, moment_grads = [], {}
        for key, literal in statistics.content.items():
            summed = reduce(add, literal.tolist())  # `sum` compensates, which torch would not
            terms.append(self._term(key, self.content[key], summed))
        for key, found in statistics.style.items():
            term = self.style[key]
            shape, wanted = found.products.shape, term.target.products.shape
            if shape != wanted:
                raise ShapeError(f"{key}: Gram {tuple(shape)}, not {tuple(wanted)}")
            value, moment_grads[key] = term.loss.value_and_grad(
                found, term.positions, term.weight / self.unit(term)
            )
            terms.append(self._term(key, term, float(value)))
        for kind, (of_pixels, _) in PIXEL_TERMS.items():
            if weight := self._pixel_weight(kind):
                summed_up = 0.0
                for rows in row_bands(image):
                    summed_up += float(of_pixels(image, rows, self.visible))
                terms.append(Term(kind, "", summed_up / self._values(image), weight))
        return LossTerms(tuple(terms), moment_grads)

    def feature_grad(
        self, layer: str, features: Tensor, loss_terms: LossTerms, windows: Windows = WHOLE
    ) -> Tensor:
        """Gradient of the loss with respect to a layer's features.

        Args:
            layer: one of `layers`.
            features: (1, C, h, w), of the whole image or a part.
            loss_terms: of the whole image.
            windows: as in `measure`.
        """
        gradient: Tensor | None = None
        window = windows.get(layer)
        for key in (key for key in loss_terms.moment_grads if key.layer == layer):
            guide = _part(self.style[key].guide, features, window)
            style = feature_moments_grad(features[0], loss_terms.moment_grads[key], guide)
            # Not `style[None]`, whose strides oneDNN does not recognise.
            style = style.as_strided(features.shape, (style.numel(), *style.stride()))
            gradient = style if gradient is None else gradient.add_(style)
        term = self.content.get(TermKey("content", layer))
        if term is not None:
            target, guide = _target(term, features, window), _part(term.guide, features, window)
            content = content_loss_grad(features, target, guide)
            content *= term.weight / self.unit(term)
            gradient = content if gradient is None else gradient.add_(content)
        assert gradient is not None
        return gradient

    def add_pixel_grad(self, image: Tensor, gradient: Tensor) -> None:
        """Add the gradient of the terms that are computed from the pixels, in place."""
        for kind, (_, grad) in PIXEL_TERMS.items():
            if weight := self._pixel_weight(kind):
                for rows in row_bands(image):
                    part = grad(image, rows, self.visible)
                    gradient[..., rows, :].add_(part, alpha=weight / self._values(image))

    def unit(self, term: ContentTerm | StyleTerm) -> float:
        """Value of the literal formula at which a term has the value 1."""
        return 1.0 if self.recipe.units == "paper" else term.normaliser

    def recipe_in(self, units: Units) -> Recipe:
        """A recipe in other units with the same loss, for this size and these inputs.

        A layer's weight in `paper` units is the one in `relative` units over the term's normaliser.

        Raises:
            SettingError: there are regions, each of which would need weights of its own.
        """
        if self.has_regions:
            raise SettingError("weights of regions differ, and no recipe in other units has them")

        def converted(
            layers: Mapping[str, float], terms: Mapping[TermKey, ContentTerm | StyleTerm]
        ) -> dict[str, float]:
            ratios = {
                key.layer: (term.normaliser if units == "relative" else 1.0) / self.unit(term)
                for key, term in terms.items()
            }
            return {layer: weight * ratios.get(layer, 1.0) for layer, weight in layers.items()}

        recipe = self.recipe
        return recipe.replace(
            units=units,
            content_layers=converted(recipe.content_layers, self.content),
            style_layers=converted(recipe.style_layers, self.style),
            each_style_layers=tuple(
                converted(layers, self.style) for layers in recipe.each_style_layers
            ),
        )

    @property
    def has_regions(self) -> bool:
        """Whether any style term belongs to a region."""
        return any(key.region for key in self.style)

    def _values(self, image: Tensor) -> float:
        """Number of values that the means of pixel terms are over."""
        if self.visible is None:
            return image.numel()
        return max(image.shape[1] * float(self.visible.sum(dtype=torch.float64)), 1.0)

    def _pixel_weight(self, kind: str) -> float:
        weight: float = getattr(self.recipe, f"{kind}_weight")
        return weight

    def _term(self, key: TermKey, term: ContentTerm | StyleTerm, literal: float) -> Term:
        value = literal / self.unit(term)
        return Term(key.kind, key.layer, value, term.weight, key.region)


def _part(guide: Tensor | None, features: Tensor, window: Window | None) -> Tensor | None:
    """The weights of a part of the image, on the device of the features."""
    if guide is None:
        return None
    return (guide if window is None else guide[window]).to(features.device)


def _target(term: ContentTerm, features: Tensor, window: Window | None) -> Tensor:
    """The content target of a part of the image, on the device of the features."""
    part = term.target if window is None else term.target[:, :, window[0], window[1]]
    return part.to(features.device)


def _content_by_band(features: Tensor, target: Tensor, guide: Tensor | None, layer: str) -> Tensor:
    """½ Σ w (F − P)² of each band, (bands,) float64."""
    found = []
    for top in range(0, features.shape[2], BAND // stride_of(layer)):
        rows = slice(top, top + BAND // stride_of(layer))
        weights = None if guide is None else guide[rows]
        found.append(content_loss(features[:, :, rows], target[:, :, rows], weights))
    return torch.stack(found)


def _content_at_zero(target: Tensor, guide: Tensor | None) -> float:
    """½ Σ w P²."""
    total, zero = 0.0, target.new_zeros(())
    for rows in row_bands(target):
        part, weights = target[:, :, rows], None if guide is None else guide[rows]
        total += float(content_loss(part, zero.expand_as(part), weights))
    return total
