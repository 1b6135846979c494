"""One evaluation's passes over a strip: a part of the image without halos."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from torch import Tensor

from vangram.engines.ranks import Ranks
from vangram.engines.tiled import Part
from vangram.networks import FeatureNetwork
from vangram.networks.strips import StripPass
from vangram.networks.tiles import Tile
from vangram.objective import LossTerms, Objective, Statistics


class StripPasses:
    """`Passes` over one strip, at the same time as the other ranks' over theirs.

    Args:
        network: the network of the features.
        objective: of the strip.
        part: the strip's tile.
        image: (1, 3, h, w), the pixels of its padded tile.
        ranks: the group.
    """

    def __init__(
        self,
        network: FeatureNetwork,
        objective: Objective,
        part: Part,
        image: Tensor,
        ranks: Ranks,
    ) -> None:
        self.network, self.objective, self.image, self.ranks = network, objective, image, ranks
        self.size, (self.tile,) = part.size, part.tiles
        self._passed: StripPass | None = None

    def measure(self) -> Statistics:
        """As `Passes`."""
        layers, exchanging = self.objective.layers, partial(exchange, self.ranks)
        passed = StripPass(self.network, self.image, layers, self.tile, self.size, exchanging)
        self._passed = passed
        return self.objective.measure(passed.features)

    def gradients(self, loss_terms: LossTerms) -> Iterator[tuple[Tile, Tensor]]:
        """As `Passes`; of the strip's own pixels."""
        passed, self._passed = self._passed, None
        assert passed is not None
        grad = passed.backward(partial(self.objective.feature_grad, loss_terms=loss_terms))
        core = self.tile.core
        rows = slice(core[0].start - self.tile.corner[0], core[0].stop - self.tile.corner[0])
        yield replace(self.tile, padded=core), grad[:, :, rows]


def exchange(ranks: Ranks, x: Tensor, own: slice, above: int, below: int) -> None:
    """`networks.strips.Exchange` with the ranks before and after this one."""
    x, sent, received = x.permute(0, 2, 3, 1), {}, {}  # in the order of its memory
    if own.start:
        sent[ranks.rank - 1] = x[:, own.start : own.start + below]
        received[ranks.rank - 1] = x[:, : own.start]
    if own.stop < x.shape[1]:
        sent[ranks.rank + 1] = x[:, own.stop - above : own.stop]
        received[ranks.rank + 1] = x[:, own.stop :]
    ranks.exchange(sent, received)
