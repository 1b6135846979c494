"""The distributed engine: the exact gradient of one image, computed by several ranks.

Rank 0 has the image. Each rank has a part of it, and the targets there: a strip of rows, or where
those would not fit into its memory, a contiguous share of tiles. In each evaluation

    rank 0 sends each rank the pixels that its part sees;
    each rank measures its part; the statistics are added over all ranks, in one flat buffer;
    each rank has the loss's slopes from them, and propagates them back through its part;
    each rank sends the gradient of its pixels to rank 0, which adds them up in the parts' order.

Ranks with strips exchange rows with their neighbours after every convolution, where tiles have
halos. All sums are in the parts' order, or of float32 values in float64, where the order makes no
difference unless one is 2**29 times as large as another. So ranks with strips have the whole
engine's result, and ranks with tiles the tiled engine's.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from vangram.engines.ranks import CPU, Ranks
from vangram.engines.strips import StripPasses
from vangram.engines.tiled import Part, Passes, TilePasses
from vangram.kernels import Window
from vangram.losses import Moments
from vangram.networks import FeatureNetwork
from vangram.networks.strips import strip_tiles
from vangram.networks.tiles import Core, Tile, grid, overlap, relative_to, window_size
from vangram.objective import BAND, Evaluation, Objective, Statistics
from vangram.settings.torchrun import rank_here
from vangram.storage.tensors import IN_MEMORY

T = TypeVar("T")
END, LEVEL, EVALUATE = range(3)
"""Requests of rank 0."""
NOWHERE = slice(0, 0), slice(0, 0)
"""Window of a part without tiles."""


class DistributedEngine:
    """Value and gradient of an image that is shared out over the ranks.

    The result is that of one process up to rounding: in float32 on CPUs with compiled kernels to
    the last bit the whole engine's for strips, and for tiles the tiled engine's in the same tiles,
    whatever the number of ranks.

    Args:
        ranks: the group, of which this process is rank 0.
        network: the network of the features; sent to the other ranks.
        objective: for an image of `size`; targets and guides are cut up and sent.
        size: (height, width).
        core: size of a tile's core; None: each rank has a strip, the last ones none where there are
            too few rows.
    """

    def __init__(
        self,
        ranks: Ranks,
        network: FeatureNetwork,
        objective: Objective,
        size: tuple[int, int],
        core: Core | None = None,
    ) -> None:
        own: Sequence[Sequence[Tile]]
        if core is None:
            tiles = strip_tiles(size, ranks.size, BAND)
            divided: list[Sequence[Tile]] = [[tile] for tile in tiles]
            divided += [[]] * (ranks.size - len(tiles))
            own = [[replace(tile, padded=tile.core) for tile in each] for each in divided]
        else:
            tiles = list(grid(size, core, network.topology, objective.layers))
            own = divided = shares(tiles, ranks.size)
        parts = [Part(size, tiles) for tiles in divided]
        self.bounds = [part.bounds if part.tiles else None for part in parts]
        self.pieces = pieces([Part(size, tiles) for tiles in own])
        bands = [sum(_bands(tile) for tile in part.tiles) for part in parts]
        self.ranks, self.wire = ranks, ranks.wire(network.mean.device)
        known, ranks.network, ranks.engine = ranks.network is network, network, self
        with ranks.together(LEVEL):
            for rank, part in enumerate(parts[1:], 1):
                ranks.send_value(network.mean.device.type, rank)
                ranks.send_value(None if known else network.view(winograd=network.winograd), rank)
                place = sum(bands[:rank]), sum(bands)
                theirs = _Level.of(network, objective, part, place, strip=core is None).objective
                recipe = theirs.recipe.replace(tv_weight=0.0, range_weight=0.0)
                bare = replace(theirs, recipe=recipe, storage=IN_MEMORY, visible=None)
                ranks.send_value((bare, part, place, core is None, self.pieces[rank]), rank)
        place = 0, sum(bands)
        self.level = _Level.of(network, objective, parts[0], place, strip=core is None)

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
        passes = None if ours is None else level.passes(ours.crop(image), ranks)
        found = None if passes is None else passes.measure()
        for rank in range(1, ranks.size):
            _stop_if(ranks.receive_number(rank))
        loss_terms = objective.loss_terms(level.sum_up(ranks, found), image)
        gradient = objective.storage.zeros(image.shape, image)
        if passes is not None:
            for tile, grad in passes.gradients(loss_terms):
                tile.crop(gradient).add_(grad.to(gradient.device))
        for rank, theirs in enumerate(self.pieces[1:], 1):
            if theirs:
                flat = ranks.receive((_numel(theirs) + 1,), dtype, self.wire, rank)
                _stop_if(int(flat[-1]))
                add_pieces(theirs, flat, gradient)
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
        passes = level.passes(image, ranks)
    if level.strip:  # a neighbour waits for this rank's rows: it ends where all are in step
        computing = nullcontext
    try:
        with computing():
            found = None if passes is None else passes.measure()
    except KeyboardInterrupt:
        number = asked_to_end()
    number = number or (asked_to_end() if level.strip else 0)
    ranks.send_number(number, 0)
    if number:
        return  # as rank 0 does
    loss_terms = level.objective.loss_terms(level.sum_up(ranks, found), image)
    if passes is not None:
        # The gradient, and whether it is complete.
        flat = image.new_zeros(_numel(level.pieces) + 1)
        try:
            with computing():
                add_to_pieces(level.pieces, flat, passes.gradients(loss_terms))
        except KeyboardInterrupt:
            flat[-1] = asked_to_end()
        if level.strip:
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
    place: tuple[int, int]
    """Number of the part's first band, and of all bands."""
    strip: bool
    """Whether the part is a strip."""
    pieces: Sequence[Piece] = ()
    """In which this rank sends its gradient."""

    @classmethod
    def of(
        cls,
        network: FeatureNetwork,
        objective: Objective,
        part: Part,
        place: tuple[int, int],
        *,
        strip: bool,
    ) -> _Level:
        """A part of the level that `objective` is for."""
        core = part.bounds.core if part.tiles else NOWHERE
        return cls(network, objective.part(core, network.topology), part, place, strip)

    def passes(self, image: Tensor, ranks: Ranks) -> Passes:
        """The passes over the part, of the pixels of its bounds."""
        if self.strip:
            return StripPasses(self.network, self.objective, self.part, image, ranks)
        return TilePasses(self.network, self.objective, self.part, image)

    def sum_up(self, ranks: Ranks, found: Statistics | None) -> Statistics:
        """The statistics of all ranks together.

        They travel as float64, of each symmetric matrix one half. Of the content terms, which are
        no float32, each band has a place of its own, and they are added in the bands' order.

        Args:
            ranks: the group.
            found: what this rank has measured; None where it has no tiles.
        """
        like = self.network.mean
        parts: list[Tensor] = []
        for key, term in self.objective.style.items():
            moments = term.target.zero if found is None else found.style[key]
            parts.append(moments.products[_upper(len(moments.products), like.device)])
            parts += [] if moments.sums is None else [moments.sums]
        first, count = self.place
        for key in self.objective.content:
            values = like.new_zeros(count, dtype=torch.float64)
            if found is not None:
                values[first : first + len(found.content[key])] = found.content[key]
            parts.append(values)
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
            content[key] = next(summed)
        return Statistics(style, content)


def _bands(tile: Tile) -> int:
    """Number of a tile's bands."""
    return -(-window_size(tile.core)[0] // BAND)


def shares(values: Sequence[T], count: int) -> list[Sequence[T]]:
    """Values divided into `count` contiguous parts of nearly equal number, the first the least."""
    return [
        values[index * len(values) // count : (index + 1) * len(values) // count]
        for index in range(count)
    ]


class Piece(NamedTuple):
    """Pixels of a rank's gradient that are added to the image's at once."""

    window: Window
    """Rows and columns of the image."""
    tile: int | None
    """The tile of the rank, from 0, whose gradient it is; None: the sum of all of them."""


def pieces(parts: Sequence[Part]) -> list[list[Piece]]:
    """The pieces of each part's gradient, which add up in the order of the tiles.

    Where tiles of earlier parts may reach, each tile's gradient is a piece: (a + b) + c is not
    a + (b + c). Elsewhere the part's own sum is complete.

    Args:
        parts: contiguous tiles, in order.
    """
    found: list[list[Piece]] = []
    lowest = rightmost = 0  # that earlier parts reach
    for part in parts:
        found.append([])
        if not part.tiles:
            continue
        rows, columns = part.bounds.padded
        middle = min(max(rows.start, lowest), rows.stop)
        centre = min(max(columns.start, rightmost), columns.stop)
        upper, lower = slice(rows.start, middle), slice(middle, rows.stop)
        for number, tile in enumerate(part.tiles):
            shared = overlap(tile.padded, (upper, slice(columns.start, centre)))
            if shared is not None:
                found[-1].append(Piece(shared, number))
        own = (lower, columns), (upper, slice(centre, columns.stop))
        found[-1] += [Piece(window, None) for window in own if math.prod(window_size(window))]
        lowest, rightmost = max(lowest, rows.stop), max(rightmost, columns.stop)
    return found


def add_to_pieces(
    pieces: Sequence[Piece], flat: Tensor, gradients: Iterable[tuple[Tile, Tensor]]
) -> None:
    """Add the gradients of a rank's tiles to its pieces.

    Args:
        pieces: of the rank.
        flat: their values, one piece after the other; more values may follow.
        gradients: the rank's tiles, and the gradient (1, 3, h, w) of each.
    """
    views = _views(pieces, flat)
    for number, (tile, grad) in enumerate(gradients):
        for piece, there in views:
            shared = overlap(piece.window, tile.padded)
            if shared is not None and piece.tile in (None, number):
                rows, columns = relative_to(shared, piece.window)
                from_rows, from_columns = relative_to(shared, tile.padded)
                there[:, :, rows, columns].add_(grad[:, :, from_rows, from_columns])


def add_pieces(pieces: Sequence[Piece], flat: Tensor, gradient: Tensor) -> None:
    """Add a rank's pieces to the gradient (1, 3, H, W) of the image; as `add_to_pieces`."""
    for piece, there in _views(pieces, flat):
        rows, columns = piece.window
        gradient[:, :, rows, columns].add_(there.to(gradient.device))


def _numel(pieces: Sequence[Piece]) -> int:
    """Number of the gradient's values in pieces."""
    return sum(3 * math.prod(window_size(piece.window)) for piece in pieces)


def _views(pieces: Sequence[Piece], flat: Tensor) -> list[tuple[Piece, Tensor]]:
    """Pieces and their gradients (1, 3, h, w), one after the other in `flat`."""
    found, start = [], 0
    for piece in pieces:
        shape = (1, 3, *window_size(piece.window))
        stop = start + math.prod(shape)
        found.append((piece, flat[start:stop].view(shape)))
        start = stop
    return found


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
