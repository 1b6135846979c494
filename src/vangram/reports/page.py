"""A gallery as one HTML file with embedded pictures, without scripts or external resources."""

from __future__ import annotations

import base64
import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vangram.reports.figures import Figure
from vangram.reports.gallery import Gallery, Made

CURVE = (160.0, 48.0)
"""Width and height of a loss curve in pixels."""


@dataclass(frozen=True)
class Shown:
    """A figure as the page's template needs it."""

    caption: str
    picture: str
    """Data URL of the picture."""
    curve: str
    """Points of an SVG polyline."""
    first: float
    """Loss of the first step."""
    last: float
    """Lowest loss."""
    steps: int
    seconds: float
    command: str


def report(gallery: Gallery, folder: Path) -> str:
    """The page as HTML.

    Args:
        gallery: all its pictures are finished.
        folder: the folder of its pictures.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("vangram.reports", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.jinja").render(_shown(gallery, folder))


def _shown(gallery: Gallery, folder: Path) -> dict[str, Any]:
    made = {}
    for section in gallery.sections:
        for figure in section.figures:
            found = gallery.made(figure, folder)
            assert found is not None, figure.caption
            made[gallery.key(figure)] = found
    return {
        "title": gallery.title,
        "text": gallery.text,
        "originals": [
            (path.replace("\\", "/").rsplit("/", 1)[-1], _data_url(gallery.original(path, folder)))
            for path in gallery.originals
        ],
        "sections": [
            (section, [_figure(figure, made[gallery.key(figure)]) for figure in section.figures])
            for section in gallery.sections
        ],
        "pictures": len(made),
        "seconds": sum(each.seconds for each in made.values()),
        "curve": CURVE,
    }


def _figure(figure: Figure, made: Made) -> Shown:
    return Shown(
        caption=figure.caption,
        picture=_data_url(made.picture),
        curve=loss_curve(made.losses),
        first=made.losses[0],
        last=min(made.losses),
        steps=len(made.losses),
        seconds=made.seconds,
        command=shlex.join(made.command),
    )


def loss_curve(losses: Sequence[float]) -> str:
    """Points "x,y x,y ..." of an SVG polyline: the logarithm of the loss over steps, in `CURVE`."""
    logs = [math.log10(max(loss, 1e-30)) for loss in losses]
    lowest, span = min(logs), (max(logs) - min(logs)) or 1.0
    width, height = CURVE
    across = width / max(len(logs) - 1, 1)
    return " ".join(
        f"{index * across:.1f},{height * (1 - (value - lowest) / span):.1f}"
        for index, value in enumerate(logs)
    )


def _data_url(picture: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(picture.read_bytes()).decode()
