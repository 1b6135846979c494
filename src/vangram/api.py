"""The functions of the public API: `stylize`, `reconstruct` and `texture`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

from vangram.images import Source
from vangram.run import Painting, Run
from vangram.run.inputs import OtherInputs
from vangram.settings.keywords import ReconstructSettings, StylizeSettings, TextureSettings
from vangram.settings.kinds import RECONSTRUCT, SYNTHESIZE

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Stylize(OtherInputs, StylizeSettings, total=False):
    """Keyword arguments of `stylize`."""


class Reconstruct(OtherInputs, ReconstructSettings, total=False):
    """Keyword arguments of `reconstruct`."""


class Texture(OtherInputs, TextureSettings, total=False):
    """Keyword arguments of `texture`."""


def stylize(
    content: Source,
    *styles: Source | Sequence[Source],
    progress: bool = False,
    **given: Unpack[Stylize],
) -> Painting:
    """Repaint a photograph in the style of one or several paintings.

    Args:
        content: the photograph.
        styles: the paintings, or a list of them; `blend` sets their shares.
        progress: show the progress on the standard error.
        given: the settings of `Recipe`, and what else `Run.prepare` takes, such as `preset`,
            `strength`, `start` and `keep`.

    Raises:
        InputError: an input or a setting cannot be used; nothing has been computed.
        DivergedError: the optimisation failed.
    """
    return _painted(Run.prepare(content, *styles, **given), progress)


def reconstruct(
    content: Source, *, progress: bool = False, **given: Unpack[Reconstruct]
) -> Painting:
    """Find a picture, from white noise, with a photograph's features at some layers.

    Gatys et al. 2016, section 2.1: low layers give back nearly the pixels, high ones the
    objects and their places.

    Args:
        content: the photograph.
        progress: show the progress on the standard error.
        given: as of `stylize`, with the defaults of `RECONSTRUCTION`; `layer` is `content_layers`.

    Raises:
        InputError: an input or a setting cannot be used.
        DivergedError: the optimisation failed.
    """
    return _painted(Run.prepare(content, kind=RECONSTRUCT, **given), progress)


def texture(
    *styles: Source | Sequence[Source], progress: bool = False, **given: Unpack[Texture]
) -> Painting:
    """Find a picture, from white noise, with the Gram matrices of paintings.

    Gatys, Ecker and Bethge, "Texture Synthesis Using Convolutional Neural Networks" (2015).

    Args:
        styles: the paintings, or a list of them; `blend` sets their shares.
        progress: show the progress on the standard error.
        given: as of `stylize`, with the defaults of `TEXTURE`, above all `size` and `proportions`;
            `layers` is `style_layers`, and `up_to` the deepest of them.

    Raises:
        InputError: an input or a setting cannot be used.
        DivergedError: the optimisation failed.
    """
    return _painted(Run.prepare(None, *styles, kind=SYNTHESIZE, **given), progress)


def _painted(run: Run, progress: bool) -> Painting:
    from vangram.cli.progress import Progress

    with Progress() if progress else nullcontext() as shown:
        for step in run:
            if shown is not None:
                shown.show(step)
    return run.painting(step.image)
