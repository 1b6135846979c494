"""Evaluations by several ranks beside the whole engine's; run by `test_distributed` and by hand.

    torchrun --standalone --nproc-per-node=4 -m tests.engines.rank_cases RESULTS [PARAMETERS]

In groups of 4, 3 and 2 ranks, one after the other, rank 0 writes the errors of every case to
RESULTS, a JSON file, how its pictures differ from one process's, and what it says of a rank that
does not answer, and of one that ends. With PARAMETERS, of VGG-19, it is among the networks.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import timedelta
from functools import cache
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
from vangram.networks.tiles import Core
from vangram.objective import Evaluate, Evaluation, Objective, Region
from vangram.run import Run
from vangram.run.resized import ResizedInputs, wrap_evaluate
from vangram.settings.recipe import Recipe
from vangram.storage.tensors import IN_MEMORY

SIZE = 61, 118
"""Multiples of no stride."""
WIDE = 330
"""Width at which all layers of a low picture have Winograd's tiles enough: of fewer positions torch
computes the convolutions, and rounds differently for other sizes."""
STYLE_SIZES = (70, 90), (83, 61)
STEPS, FEW = {"vgg19-lite": 4, "vgg19": 3}, 3
"""Of whole runs by network, and those after which they are compared with the whole engine's: the
optimiser enlarges differences of rounding two- to fivefold with every step."""
DTYPES = torch.float64, torch.float32


class Case(NamedTuple):
    """An objective, and the tiles in which it is evaluated."""

    name: str
    network: FeatureNetwork
    recipe: Recipe
    core: Core | None
    """None: each rank has a strip."""
    size: tuple[int, int] = SIZE
    regions: bool = False
    wrapped: ResizedInputs | None = None
    visible: Tensor | None = None


class Outcome(NamedTuple):
    """How far the ranks' evaluation is from others."""

    ranks: int
    case: str
    dtype: str
    strips: bool
    gradient: float
    """Relative to the whole engine's."""
    loss: float
    again: bool
    """Whether a second evaluation is the same to the last bit."""
    as_alone: bool
    """Whether one process's is: the tiled engine's in the same tiles, or for strips the whole's."""


def cases(parameters: str | None, ranks: int) -> Iterator[Case]:
    """The cases for a number of ranks."""
    tv = Recipe(tv_weight=0.1)
    shallow = tv.replace(content_layers="relu2_1", style_layers="relu1_1")
    high = 64 * ranks + 29, 75
    if ranks == 2:
        yield Case("side by side", load_network("vgg19-lite"), tv, (64, 64))
    for dtype in DTYPES:
        lite = load_network("vgg19-lite").to(dtype)
        if ranks == 4:
            yield Case("lite", lite, tv, (64, 32))
        yield strips("lite", lite, tv, high, wide=dtype == torch.float32)
        if parameters is not None and dtype in {4: DTYPES, 3: DTYPES[:1], 2: DTYPES[1:]}[ranks]:
            network = load_network("vgg19", parameters=parameters).to(dtype)
            yield Case("vgg19", network, tv, (64, 32))
            yield strips("vgg19", network, tv, high, wide=ranks == 2)
    for dtype in DTYPES:
        network = he_initialised(NARROW_VGG19).to(dtype)
        yield Case("shallow strips", network, shallow, None, high)
        yield Case("more ranks than strips", network, tv, None, (150, 75))
        yield Case("small halos", network, shallow, 16)
        yield Case("more ranks than tiles", network, tv, (64, 64))
        yield Case("one tile", network, tv, 128)
        if ranks == 4:
            yield from controls(network, tv, 32, SIZE)
        if ranks == 3:
            yield from controls(network, tv, None, high)


def strips(
    name: str, network: FeatureNetwork, recipe: Recipe, size: tuple[int, int], *, wide: bool
) -> Case:
    """A case of strips; wide ones, which take their time, are the whole's to the bit in float32."""
    if wide:
        return Case(f"strips of {name}", network, recipe, None, (size[0], WIDE))
    return Case(f"narrow strips of {name}", network, recipe, None, size)


def controls(
    network: FeatureNetwork, tv: Recipe, core: int | None, size: tuple[int, int]
) -> Iterator[Case]:
    """Cases of all controls that change an evaluation."""
    dtype = network.mean.dtype
    content, last, hidden, mask = (batched(*size, seed).to(dtype) for seed in (1, 7, 4, 8))
    mask, visible = mask[:, :1], (2 * hidden[:, :1] - 0.5).clamp(0, 1)
    luminance = ResizedInputs(content, None, None, None)
    yield Case("paper units", network, tv.replace(units="paper"), core, size)
    for loss in ("gram+moments", "wasserstein"):
        yield Case(loss, network, tv.replace(style_loss=loss), core, size)
    yield Case("masks", network, tv, core, size, regions=True)
    yield Case("alpha", network, tv.replace(range_weight=1.0), core, size, visible=visible)
    yield Case("masks and alpha", network, tv, core, size, regions=True, visible=visible)
    yield Case("keep", network, tv, core, size, wrapped=ResizedInputs(content, mask, None, None))
    yield Case("luminance", network, tv.replace(colour="luminance"), core, size, wrapped=luminance)
    yield Case(
        "sequence", network, tv, core, size, wrapped=ResizedInputs(content, None, last, mask)
    )
    yield Case("reconstruct", network, Recipe(style_weight=0.0, tv_weight=0.0), core, size)
    yield Case("texture", network, Recipe(content_weight=0.0), core, size)


def evaluated(case: Case, ranks: Ranks) -> Outcome:
    """Evaluate a case by all engines."""
    network, recipe = case.network, case.recipe
    dtype = network.mean.dtype
    content, image = (batched(*case.size, seed).to(dtype) for seed in (1, 3))
    styles = [batched(*size, seed).to(dtype) for seed, size in enumerate(STYLE_SIZES, 5)]
    regions: tuple[Region, ...] = ()
    if case.regions:
        part = batched(*case.size, 9)[:, :1].to(dtype)
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
    alone = whole if case.core is None else found(TiledEngine(network, goal, case.core))
    engine = DistributedEngine(ranks, network, goal, case.size, case.core)
    ours, again = found(engine), found(engine)
    return Outcome(
        ranks.size,
        case.name,
        str(dtype).removeprefix("torch."),
        case.core is None,
        relative_error(ours.gradient, whole.gradient),
        abs(ours.loss / whole.loss - 1),
        torch.equal(ours.gradient, again.gradient),
        torch.equal(ours.gradient, alone.gradient),
    )


class Repainted(NamedTuple):
    """A whole run by ranks beside one process's."""

    ranks: int
    network: str
    strips: bool
    """Whether each rank had a strip."""
    devices: int
    """That shared the picture."""
    again: bool
    """Whether a second run has the same picture to the last bit."""
    as_alone: bool
    """Whether one process has: in the same tiles, or for strips all at once."""
    within_one: float
    """After a few steps, the share of the pixels that differ by one level of 255 at most from those
    of one process that computes all at once."""


def repainted(ranks: Ranks, network: str, parameters: str | None, tile: int | None) -> Repainted:
    """A picture by ranks, twice, and by one process, in tiles and whole."""
    size = (54, 90) if tile else (max(64 * ranks.size + 16, 264), WIDE)
    run = Run.prepare(*_pictures(size), **_settings(network, parameters, size, tile))
    ours, again = _images(run), _images(run)
    alone = _alone(network, parameters, size, tile)
    whole = _alone(network, parameters, size, None)
    few = [(255 * images[FEW - 1].clamp(0, 1)).round() for images in (ours, whole)]
    return Repainted(
        ranks.size,
        network,
        run.plans[-1].strips,
        run.plans[-1].devices,
        all(map(torch.equal, ours, again)),
        all(map(torch.equal, ours, alone)),
        float(((few[0] - few[1]).abs().amax(1) <= 1).double().mean()),
    )


@cache
def _alone(
    network: str, parameters: str | None, size: tuple[int, int], tile: int | None
) -> list[Tensor]:
    joined, Ranks.current = Ranks.current, None
    settings = _settings(network, parameters, size, tile)
    try:
        return _images(Run.prepare(*_pictures(size), **settings))
    finally:
        Ranks.current = joined


def _pictures(size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    return batched(*size, 1)[0], batched(60, 50, 2)[0]


def _settings(network: str, parameters: str | None, size: tuple[int, int], tile: int | None) -> Any:
    settings = {
        "network": network,
        "size": max(size),
        "levels": 1,
        "steps": STEPS[network],
        "tolerance": 0.0,
    }
    given = {"tile": tile, "parameters": parameters}
    return settings | {name: value for name, value in given.items() if value is not None}


def _images(run: Run) -> list[Tensor]:
    """The images after each step."""
    return [step.image.clone() for step in run]


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
    """Evaluate all cases, and make the pictures."""
    networks = [("vgg19-lite", None), *([("vgg19", parameters)] if parameters else [])]

    def work(ranks: Ranks) -> dict[str, Any]:
        return {
            "outcomes": [
                evaluated(each, ranks)._asdict() for each in cases(parameters, ranks.size)
            ],
            "pictures": [
                repainted(ranks, *each, tile)._asdict()
                for each in networks
                for tile in (48, None)
                if tile or ranks.size == 2 or each[1] is None  # VGG-19 takes most of the time
            ],
        }

    found = in_groups((4, 3, 2), work)
    said = [said_of(fails) for fails in ("silent", "ended")]
    if found:
        of_all = {name: [each for group in found for each in group[name]] for name in found[0]}
        Path(results).write_text(json.dumps(of_all | {"said": said}))


if __name__ == "__main__":
    main(*sys.argv[1:])
