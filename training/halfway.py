"""Make pictures halfway through an optimisation, for training and evaluation.

    python -m training.halfway --photos DIR --styles DIR --out DIR [--held-out]

Photographs are repainted in the style of paintings, or of each other, from noise or from
themselves, and stopped after a random number of steps.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from training.pictures import held_out_photographs, listed, training_photographs
from vangram import StyleTransfer

SIZES = (128, 160, 192, 224)
STEPS = (2, 4, 8, 15, 30, 50)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.halfway", description=__doc__)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--styles", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=120)
    parser.add_argument("--held-out", action="store_true", help="of the held-out photographs")
    parser.add_argument("--size", type=int, help="of all; default: various")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    choose = random.Random(options.seed)
    photographs = (held_out_photographs if options.held_out else training_photographs)(
        options.photos
    )
    styles = listed(options.styles)
    options.out.mkdir(parents=True, exist_ok=True)
    for number in range(options.count):
        path = options.out / f"halfway-{number:04d}.png"
        settings = {
            "init": choose.choice(["content", "noise"]),
            "seed": number,
            "size": options.size or choose.choice(SIZES),
            "steps": choose.choice(STEPS),
            "levels": 1,
            "style_weight": 10 ** choose.uniform(0, 2.5),
        }
        content = choose.choice(photographs)
        style = choose.choice(styles if choose.random() < 0.6 else photographs)
        if path.exists():
            continue
        transfer = StyleTransfer.prepare(content, style, **settings)
        *_, last = transfer
        transfer.painting(last.image).save(path)
        print(path, flush=True)


if __name__ == "__main__":
    main()
