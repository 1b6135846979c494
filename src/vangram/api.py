"""What a Python user calls: `stylize`, `reconstruct` and `texture`."""

from __future__ import annotations

from typing import Any

from vangram.images import Source
from vangram.run import Painting, Run
from vangram.settings.recipe import RECONSTRUCTION, TEXTURE


def stylize(
    content: Source, *styles: Source, start: Source | None = None, **settings: Any
) -> Painting:
    """Repaint a photograph in the style of a painting, or of several.

    Args:
        content: the photograph.
        styles: the painting or paintings; `blend` has their shares.
        start: a picture to start from; implies `init="picture"`.
        settings: those of `Recipe`.

    Raises:
        InputError: something given cannot be used; nothing has been computed then.
        DivergedError: the optimisation failed.
    """
    return _painted(Run.prepare(content, *styles, start=start, **settings))


def reconstruct(content: Source, **settings: Any) -> Painting:
    """Find a picture, from white noise, that some layers cannot tell from a photograph.

    Gatys et al. 2016, section 2.1: low layers give back nearly the pixels, high ones what is where.

    Args:
        content: the photograph.
        settings: those of `Recipe`, above all `content_layers`; `RECONSTRUCTION` where it differs.

    Raises:
        InputError: something given cannot be used.
        DivergedError: the optimisation failed.
    """
    return _painted(Run.prepare(content, **{**RECONSTRUCTION, **settings}))


def texture(*styles: Source, **settings: Any) -> Painting:
    """Find a picture, from white noise, with a painting's Gram matrices and nothing else of it.

    Gatys, Ecker and Bethge, "Texture Synthesis Using Convolutional Neural Networks" (2015).

    Args:
        styles: the painting, or several.
        settings: those of `Recipe`, above all `size`, `proportions` and `style_layers`; `TEXTURE`
            where it differs.

    Raises:
        InputError: something given cannot be used.
        DivergedError: the optimisation failed.
    """
    return _painted(Run.prepare(None, *styles, **{**TEXTURE, **settings}))


def _painted(run: Run) -> Painting:
    for step in run:
        image = step.image
    return run.painting(image)
