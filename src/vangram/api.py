"""The functions of the public API: `stylize`, `reconstruct` and `texture`."""

from __future__ import annotations

from typing import Any

from vangram.images import Source
from vangram.run import Painting, Run
from vangram.settings.recipe import RECONSTRUCTION, TEXTURE


def stylize(
    content: Source, *styles: Source, start: Source | None = None, **settings: Any
) -> Painting:
    """Repaint a photograph in the style of one or several paintings.

    Args:
        content: the photograph.
        styles: the paintings; `blend` sets their shares.
        start: a picture to start from; implies `init="picture"`.
        settings: those of `Recipe`.

    Raises:
        InputError: an input or a setting cannot be used; nothing has been computed.
        DivergedError: the optimisation failed.
    """
    return _painted(Run.prepare(content, *styles, start=start, **settings))


def reconstruct(content: Source, **settings: Any) -> Painting:
    """Find a picture, from white noise, with a photograph's features at some layers.

    Gatys et al. 2016, section 2.1: low layers give back nearly the pixels, high ones the
    objects and their places.

    Args:
        content: the photograph.
        settings: those of `Recipe`, above all `content_layers`; defaults as in `RECONSTRUCTION`.

    Raises:
        InputError: an input or a setting cannot be used.
        DivergedError: the optimisation failed.
    """
    return _painted(Run.prepare(content, **{**RECONSTRUCTION, **settings}))


def texture(*styles: Source, **settings: Any) -> Painting:
    """Find a picture, from white noise, with the Gram matrices of paintings.

    Gatys, Ecker and Bethge, "Texture Synthesis Using Convolutional Neural Networks" (2015).

    Args:
        styles: the paintings; `blend` sets their shares.
        settings: those of `Recipe`, above all `size`, `proportions` and `style_layers`; defaults as
            in `TEXTURE`.

    Raises:
        InputError: an input or a setting cannot be used.
        DivergedError: the optimisation failed.
    """
    return _painted(Run.prepare(None, *styles, **{**TEXTURE, **settings}))


def _painted(run: Run) -> Painting:
    for step in run:
        image = step.image
    return run.painting(image)
