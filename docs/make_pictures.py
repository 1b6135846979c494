"""Make the documentation's pictures anew, each by the command that a page shows for it.

    python docs/make_pictures.py [NAME ...]

Without names, all of them; about half a minute each on two cores.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

DOCS = Path(__file__).parent
PICTURES = DOCS / "pictures"
FRAMES = 8
"""Frames of the animation that is painted."""


def commands() -> Iterator[tuple[str, list[str]]]:
    """Name of each picture that is kept, and the command shown for it."""
    for page in sorted(DOCS.rglob("*.md")):
        text = re.sub(r"\\\n\s*", "", page.read_text(encoding="utf-8"))
        for line in re.findall(r"^vangram .* -o .*$", text, re.MULTILINE):
            words = shlex.split(line, comments=True)
            name = words[words.index("-o") + 1]
            if (PICTURES / name).exists():
                yield name, words


def make_pan(photo: Path, film: Path) -> None:
    """Write an animation of a window that moves over a photograph, to be painted."""
    with Image.open(photo) as picture:
        width, height = picture.width * 2 // 3, picture.height * 2 // 3
        lefts = [picture.width * n // 3 // (FRAMES - 1) for n in range(FRAMES)]
        boxes = [(left, left // 2, left + width, left // 2 + height) for left in lefts]
        first, *others = (picture.crop(box).resize((160, 106)) for box in boxes)
    first.save(film, save_all=True, append_images=others, duration=160, loop=0, quality=90)


def main() -> None:
    """Run them from the project's root, where the commands' paths begin."""
    wanted = set(sys.argv[1:])
    make_pan(PICTURES / "chelsea.jpg", PICTURES / "chelsea-pan.webp")
    for name, words in dict(commands()).items():
        if not wanted or name in wanted:
            words[words.index("-o") + 1] = str(PICTURES / name)
            vangram = Path(sys.executable).with_name("vangram")
            subprocess.run([vangram, *words[1:], "--force", "--quiet"], cwd=DOCS.parent, check=True)


if __name__ == "__main__":
    main()
