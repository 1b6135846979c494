"""Evaluations by several ranks beside the whole engine's; run by `test_distributed` and by hand.

    torchrun --standalone --nproc-per-node=4 -m tests.engines.rank_cases RESULTS [PARAMETERS]

In groups of 4, 3 and 2 ranks, one after the other, rank 0 writes the errors of every case to
RESULTS, a JSON file, and what it says of a rank that does not answer, and of one that ends. With
PARAMETERS, a file of VGG-19's, its gradient is among the cases.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from tests.support import NARROW_VGG19, batched, he_initialised, relative_error
from vangram.engines import DistributedEngine, TiledEngine, WholeEngine
from vangram.engines.distributed import END, serve
from vangram.engines.ranks import Ranks
from vangram.errors import RankError
from vangram.networks import FeatureNetwork, load_network
from vangram.networks.geometry import Core
from vangram.objective import Evaluate, Evaluation, Objective, Region
from vangram.run.resized import ResizedInputs, wrap_evaluate
from vangram.settings.recipe import Recipe
from vangram.storage.tensors import IN_MEMORY

SIZE = 101, 170
"""Multiples of no stride."""
STYLE_SIZES = (70, 90), (83, 61)


class Case(NamedTuple):
    """An objective, and the tiles in which it is evaluated."""

    name: str
    network: FeatureNetwork
    recipe: Recipe
    core: Core
    regions: bool = False
    wrapped: ResizedInputs | None = None
    visible: Tensor | None = None


class Outcome(NamedTuple):
    """How far the ranks' evaluation is from others."""

    ranks: int
    case: str
    dtype: str
    gradient: float
    """Relative to the whole engine's."""
    loss: float
    again: bool
    """Whether a second evaluation is the same to the last bit."""
    as_tiled: bool
    """Whether the tiled engine's, in the same tiles, is."""


def cases(parameters: str | None, ranks: int) -> Iterator[Case]:
    """The cases for a number of ranks."""
    narrow, tv = he_initialised(NARROW_VGG19), Recipe(tv_weight=0.1)
    mask = batched(*SIZE, 8)[:, :1]
    visible = (2 * batched(*SIZE, 4)[:, :1] - 0.5).clamp(0, 1)
    content, last = batched(*SIZE, 1), batched(*SIZE, 7)
    luminance = ResizedInputs(content, None, None, None)
    if ranks == 2:
        yield Case("two strips", load_network("vgg19-lite"), tv, (112, 96))
    if ranks == 4:
        for dtype in (torch.float64, torch.float32):
            yield Case("lite", load_network("vgg19-lite").to(dtype), tv, (112, 48))
    if parameters is not None:
        for dtype in (torch.float64, torch.float32):
            network = load_network("vgg19", parameters=parameters).to(dtype)
            yield Case("vgg19", network, tv, 48)
    yield Case("paper units", narrow, tv.replace(units="paper"), 48)
    yield Case("more ranks than tiles", narrow, tv, (112, 96))
    yield Case("one tile", narrow, tv, 256)
    if ranks != 4:
        return
    for loss in ("gram+moments", "wasserstein"):
        yield Case(loss, narrow, tv.replace(style_loss=loss), 48)
    yield Case("masks", narrow, tv, 32, regions=True)
    yield Case("alpha", narrow, tv.replace(range_weight=1.0), 48, visible=visible)
    yield Case("masks and alpha", narrow, tv, 48, regions=True, visible=visible)
    yield Case("keep", narrow, tv, 48, wrapped=ResizedInputs(content, mask, None, None))
    yield Case("luminance", narrow, tv.replace(colour="luminance"), 48, wrapped=luminance)
    yield Case("sequence", narrow, tv, 48, wrapped=ResizedInputs(content, None, last, mask))
    yield Case("reconstruct", narrow, Recipe(style_weight=0.0, tv_weight=0.0), 48)
    yield Case("texture", narrow, Recipe(content_weight=0.0), 48)


def evaluated(case: Case, ranks: Ranks) -> Outcome:
    """Evaluate a case by all engines."""
    network, recipe = case.network, case.recipe
    dtype = network.mean.dtype
    content, image = (batched(*SIZE, seed).to(dtype) for seed in (1, 3))
    styles = [batched(*size, seed).to(dtype) for seed, size in enumerate(STYLE_SIZES, 5)]
    regions: tuple[Region, ...] = ()
    if case.regions:
        part = batched(*SIZE, 9)[:, :1].to(dtype)
        everything = [torch.ones(1, 1, *size, dtype=dtype) for size in STYLE_SIZES]
        regions = (
            Region("#000000", 1 - part, (everything[0], None)),
            Region("#ffffff", part, (None, everything[1])),
        )
    goal = Objective.of(recipe, network, content, styles, regions=regions, visible=case.visible)

    def found(engine: Evaluate) -> Evaluation:
        if case.wrapped is not None:
            engine = wrap_evaluate(engine, case.wrapped, recipe, IN_MEMORY)
        return engine(image)

    whole = found(WholeEngine(network, goal))
    tiled = found(TiledEngine(network, goal, case.core))
    engine = DistributedEngine(ranks, network, goal, SIZE, case.core)
    ours, again = found(engine), found(engine)
    return Outcome(
        ranks.size,
        case.name,
        str(dtype).removeprefix("torch."),
        relative_error(ours.gradient, whole.gradient),
        abs(ours.loss / whole.loss - 1),
        torch.equal(ours.gradient, again.gradient),
        torch.equal(ours.gradient, tiled.gradient),
    )


def said_of(fails: str) -> str | None:
    """What rank 0 says of rank 1, which is "silent" or has "ended"; ends the latter."""
    if int(os.environ["RANK"]) > 1:
        return None
    again = {"silent": "10", "ended": "11"}[fails]
    os.environ |= {"WORLD_SIZE": "2", "TORCHELASTIC_RESTART_COUNT": again, "VANGRAM_TIMEOUT": "1"}
    ranks = Ranks.join()
    if ranks.rank:
        if fails == "ended":
            os._exit(0)
        ranks.store.wait([fails], timedelta(minutes=10))
        ranks.leave()
        return None
    try:
        ranks.receive_number(1)
    except RankError as error:
        return str(error)
    finally:
        ranks.store.set(fails, "")
        ranks.leave()
    return None


def in_groups(sizes: tuple[int, ...], work: Callable[[Ranks], Any]) -> list[Any]:
    """What `work` returns at rank 0, in groups of the first ranks."""
    found = []
    for size in sizes:
        if int(os.environ["RANK"]) >= size:
            break
        # Each group meets under names of its own, as after a restart.
        os.environ |= {"WORLD_SIZE": str(size), "TORCHELASTIC_RESTART_COUNT": str(size)}
        ranks = Ranks.join()
        if ranks.rank:
            serve(ranks, nullcontext, lambda: 0)
        else:
            found.append(work(ranks))
            with ranks.together(END):
                pass
        ranks.leave()
    return found


def main(results: str, parameters: str | None = None) -> None:
    """Evaluate all cases."""
    found = in_groups(
        (4, 3, 2),
        lambda ranks: [evaluated(case, ranks)._asdict() for case in cases(parameters, ranks.size)],
    )
    said = [said_of(fails) for fails in ("silent", "ended")]
    if found:
        outcomes = [each for group in found for each in group]
        Path(results).write_text(json.dumps({"outcomes": outcomes, "said": said}))


if __name__ == "__main__":
    main(*sys.argv[1:])
