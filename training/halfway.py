"""Pictures halfway through an optimisation, to learn from and to be evaluated on."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from vangram import Recipe, Run

SIZES = (128, 160, 192, 256, 384)
SIZE_SHARES = (4, 4, 4, 3, 1)
"""Large pictures take long, and give more crops each."""
STEPS = (1, 2, 4, 8, 15, 30, 60)


def make(
    parameters: Path,
    photographs: Sequence[Path],
    paintings: Sequence[Path],
    folder: Path,
    *,
    count: int,
    seed: int,
    sizes: Sequence[int] = SIZES,
) -> list[Path]:
    """Repaint photographs, in the style of paintings or of each other, and stop somewhere.

    Starts from noise or from the photograph, and takes a random number of steps. Pictures that the
    folder has already are not made again.

    Args:
        parameters: of the `vgg19-lite` whose features the optimisations follow.
        photographs: to choose from.
        paintings: to choose from.
        folder: made if need be.
        count: pictures in all.
        seed: of every choice.
        sizes: longer sides to choose from.
    """
    choose = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(count):
        shares = SIZE_SHARES if sizes == SIZES else None
        recipe = Recipe(
            init=choose.choice(["content", "noise"]),
            seed=seed + number,
            size=choose.choices(sizes, shares)[0],
            steps=choose.choice(STEPS),
            levels=1,
            style_weight=10 ** choose.uniform(0, 2.5),
        )
        content = choose.choice(photographs)
        style = choose.choice(paintings if choose.random() < 0.5 else photographs)
        paths.append(folder / f"halfway-{number:04d}.png")
        if not paths[-1].exists():
            run = Run.prepare(content, style, recipe=recipe, parameters=parameters)
            *_, last = run
            run.painting(last.image, finished=False).save(paths[-1])
    return paths
