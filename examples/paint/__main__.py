"""Paints the style pictures: numpy, Pillow and fixed seeds, nothing else.

The same versions of numpy and Pillow give the same bytes every time.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from . import PAINTERS

QUALITY = 88  # with colour at full resolution, every picture stays under 400 kB


def main() -> None:
    """Reads the command line and paints."""
    parser = argparse.ArgumentParser(prog="python -m examples.paint", description=__doc__)
    styles = Path(__file__).resolve().parents[1] / "styles"
    parser.add_argument("out_dir", nargs="?", type=Path, default=styles)
    parser.add_argument("--size", type=int, default=768, help="longer side in pixels")
    parser.add_argument("--only", choices=PAINTERS, help="paint this picture alone")
    args = parser.parse_args()

    args.out_dir.mkdir(parents=True, exist_ok=True)
    for name in [args.only] if args.only else PAINTERS:
        path = args.out_dir / f"{name}.jpg"
        PAINTERS[name](args.size).save(path, quality=QUALITY, subsampling=0, optimize=True)
        print(path)


if __name__ == "__main__":
    main()
