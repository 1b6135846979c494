"""The distributed engine: the exact gradient of one image, computed by several ranks.

Rank 0 has the image. Each rank has a contiguous part of the tiles, and the targets there. In each
evaluation

    rank 0 sends each rank the pixels that its tiles see;
    each rank measures its tiles; the statistics are added over all ranks, in one flat buffer;
    each rank has the loss's slopes from them, and propagates them back through its tiles;
    each rank sends the gradient of its pixels to rank 0, which adds them up in the ranks' order.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeVar

import torch
from torch import Tensor

from vangram.engines.ranks import CPU, Ranks
from vangram.engines.tiled import Part, TilePasses
from vangram.losses import Moments
from vangram.networks import FeatureNetwork
from vangram.networks.geometry import Core, grid, window_size
from vangram.objective import Evaluation, Objective, Statistics
from vangram.settings.torchrun import rank_here
from vangram.storage.tensors import IN_MEMORY

T = TypeVar("T")
END, LEVEL, EVALUATE = range(3)
"""Requests of rank 0."""
NOWHERE = slice(0, 0), slice(0, 0)
"""Window of a part without tiles."""


class DistributedEngine:
    """Value and gradient of an image whose tiles are shared out over the ranks.

    The result is the whole engine's up to rounding, and the same to the last bit with as many
    ranks.

    Args:
        ranks: the group, of which this process is rank 0.
        network: the network of the features; sent to the other ranks.
        objective: for an image of `size`; targets and guides are cut up and sent.
        size: (height, width).
        core: size of a tile's core.
    """

    def __init__(
        self,
        ranks: Ranks,
        network: FeatureNetwork,
        objective: Objective,
        size: tuple[int, int],
        core: Core,
    ) -> None:
        tiles = list(grid(size, core, network.topology, objective.layers))
        parts = [Part(size, share) for share in shares(tiles, ranks.size)]
        self.bounds = [part.bounds if part.tiles else None for part in parts]
        self.ranks, self.wire = ranks, ranks.wire(network.mean.device)
        known, ranks.network, ranks.engine = ranks.network is network, network, self
        with ranks.together(LEVEL):
            for rank, part in enumerate(parts[1:], 1):
                ranks.send_value(network.mean.device.type, rank)
                ranks.send_value(None if known else network.view(winograd=network.winograd), rank)
                theirs = _Level.of(network, objective, part).objective
                recipe = theirs.recipe.replace(tv_weight=0.0, range_weight=0.0)
                bare = replace(theirs, recipe=recipe, storage=IN_MEMORY, visible=None)
                ranks.send_value((bare, part), rank)
        self.level = _Level.of(network, objective, parts[0])

    def __call__(self, image: Tensor) -> Evaluation:
        """Evaluate at (1, 3, H, W), which is not changed.

        Raises:
            RankError: a rank has ended, or does not answer.
            KeyboardInterrupt: a rank was asked to end.
        """
        assert self.ranks.engine is self, "the other ranks have a later engine's level"
        with self.ranks.together(EVALUATE):
            return self._evaluate(image.detach())

    def _evaluate(self, image: Tensor) -> Evaluation:
        ranks, level, objective = self.ranks, self.level, self.level.objective
        (ours, *others), dtype = self.bounds, image.dtype
        for rank, bounds in enumerate(others, 1):
            if bounds is not None:
                ranks.send(bounds.crop(image).to(self.wire), rank)
        passes = None if ours is None else level.passes(ours.crop(image))
        found = None if passes is None else passes.measure()
        for rank in range(1, ranks.size):
            _stop_if(ranks.receive_number(rank))
        loss_terms = objective.loss_terms(level.sum_up(ranks, found), image)
        gradient = objective.storage.zeros(image.shape, image)
        if passes is not None and ours is not None:
            passes.add_gradient(loss_terms, ours.crop(gradient))
        for rank, bounds in enumerate(others, 1):
            if bounds is not None:
                there = bounds.crop(gradient)
                flat = ranks.receive((there.numel() + 1,), dtype, self.wire, rank)
                _stop_if(int(flat[-1]))
                there.add_(flat[:-1].view(there.shape).to(there.device))
        objective.add_pixel_grad(image, gradient)
        return Evaluation(loss_terms.loss, loss_terms.terms, gradient)


def serve(
    ranks: Ranks,
    computing: Callable[[], AbstractContextManager[object]],
    asked_to_end: Callable[[], int],
) -> None:
    """Compute what rank 0 requests, until it says that this is all.

    Args:
        ranks: the group, of which this process is not rank 0.
        computing: the context in which tiles are computed, where a KeyboardInterrupt may occur.
        asked_to_end: number of the signal that it is for.

    Raises:
        RankError: rank 0 has ended, or does not answer.
        SettingError: there is no device here of the kind that rank 0 has.
    """
    level: _Level | None = None
    while (request := ranks.next_request()) != END:
        if request == LEVEL:
            kind = ranks.receive_value(0)
            network = ranks.receive_value(0, _device(kind))
            if network is None:
                assert level is not None
                network = level.network
            level = None  # before the next one is there
            level = _Level(network, *ranks.receive_value(0, _device(kind)))
        else:
            assert level is not None
            _serve(ranks, level, computing, asked_to_end)


def _serve(
    ranks: Ranks,
    level: _Level,
    computing: Callable[[], AbstractContextManager[object]],
    asked_to_end: Callable[[], int],
) -> None:
    """Do this rank's part of one evaluation."""
    device, dtype = level.network.mean.device, level.network.mean.dtype
    wire, passes, found, number = ranks.wire(device), None, None, 0
    bounds = level.part.bounds if level.part.tiles else None
    shape = (1, 3, *window_size(bounds.padded if bounds else NOWHERE))
    image = torch.empty(shape, dtype=dtype, device=device)
    if bounds is not None:
        image = ranks.receive(shape, dtype, wire, 0)
        passes = level.passes(image)
    try:
        with computing():
            found = None if passes is None else passes.measure()
    except KeyboardInterrupt:
        number = asked_to_end()
    ranks.send_number(number, 0)
    if number:
        return  # as rank 0 does
    loss_terms = level.objective.loss_terms(level.sum_up(ranks, found), image)
    if passes is not None:
        flat = image.new_zeros(image.numel() + 1)  # the gradient, and whether it is complete
        try:
            with computing():
                passes.add_gradient(loss_terms, flat[:-1].view(shape))
        except KeyboardInterrupt:
            flat[-1] = asked_to_end()
        ranks.send(flat, 0)
    ranks.sent()


@dataclass(frozen=True, eq=False)
class _Level:
    """A rank's part of a level."""

    network: FeatureNetwork
    objective: Objective
    """For the bounds of the part."""
    part: Part

    @classmethod
    def of(cls, network: FeatureNetwork, objective: Objective, part: Part) -> _Level:
        """A part of the level that `objective` is for."""
        core = part.bounds.core if part.tiles else NOWHERE
        return cls(network, objective.part(core, network.topology), part)

    def passes(self, image: Tensor) -> TilePasses:
        """The passes over the part's tiles, of the pixels of its bounds."""
        return TilePasses(self.network, self.objective, self.part, image)

    def sum_up(self, ranks: Ranks, found: Statistics | None) -> Statistics:
        """The statistics of all ranks together.

        They travel as float64, of each symmetric matrix one half.

        Args:
            ranks: the group.
            found: of this rank; None where it has no tiles.
        """
        like = self.network.mean
        parts: list[Tensor] = []
        for key, term in self.objective.style.items():
            moments = term.target.zero if found is None else found.style[key]
            parts.append(moments.products[_upper(len(moments.products), like.device)])
            parts += [] if moments.sums is None else [moments.sums]
        for key in self.objective.content:
            parts.append((like.new_zeros(()) if found is None else found.content[key]).view(1))
        wire = ranks.wire(like.device)
        flat = torch.cat([part.to(wire, torch.float64) for part in parts])
        ranks.sum_up(flat)
        summed = iter(torch.split(flat, [len(part) for part in parts]))
        style, content = {}, {}
        for key, term in self.objective.style.items():
            products = torch.empty_like(term.target.products)
            upper = _upper(len(products), like.device)
            products[upper] = products.mT[upper] = next(summed).to(products)
            sums = None if term.target.sums is None else next(summed).to(term.target.sums)
            style[key] = Moments(products, sums)
        for key in self.objective.content:
            content[key] = next(summed)[0].to(like.device)
        return Statistics(style, content)


def shares(values: Sequence[T], count: int) -> list[Sequence[T]]:
    """Values divided into `count` contiguous parts of nearly equal number, the first the least."""
    return [
        values[index * len(values) // count : (index + 1) * len(values) // count]
        for index in range(count)
    ]


@lru_cache(maxsize=16)
def _upper(size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Rows and columns of the upper triangle of a matrix (size, size)."""
    rows, columns = torch.triu_indices(size, size, device=device)
    return rows, columns


def _device(kind: str) -> torch.device:
    """The device of this rank, of the kind that rank 0 has."""
    return torch.device(kind, rank_here()) if kind == "cuda" else CPU


def _stop_if(number: int) -> None:
    """Stop, as if a signal that another rank was sent had been sent here."""
    if number:
        signal.raise_signal(number)
        raise KeyboardInterrupt
