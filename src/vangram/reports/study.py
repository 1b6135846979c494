"""A study: the figures of Gatys et al. 2016 for any photograph and paintings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vangram.errors import LayerError, SettingError
from vangram.networks.registry import network_named
from vangram.reports.figures import Figure, Section
from vangram.reports.gallery import Gallery
from vangram.run.network import device_for, network_for
from vangram.settings.inputs import Inputs
from vangram.settings.recipe import RECONSTRUCTION, TEXTURE, Recipe, layers_up_to

TITLE = "A neural algorithm of artistic style"
TEXT = (
    "The figures of Gatys, Ecker and Bethge (CVPR 2016), made anew by VanGram: pictures of"
    " {recipe.size} px, {recipe.steps} steps each at most, with the network {recipe.network} and"
    " {recipe.pooling} pooling."
)
STYLE_WEIGHTS = (1000.0, 200.0, 40.0, 8.0)
"""β of the grid's columns, for α = 1, in relative units; the third is the default."""


def prepare(
    photo: str, paintings: Sequence[str], recipe: Recipe, parameters: str | None = None
) -> Gallery:
    """Read and check everything that the study needs; nothing is computed yet.

    Args:
        photo: path of the photograph.
        paintings: paths, at least one.
        recipe: size, steps, network, pooling, ... of all pictures.
        parameters: a file with the network's parameters, instead of the published one.

    Raises:
        InputError: an input cannot be used.
    """
    if not paintings:
        raise SettingError("a study needs at least one painting")
    layers = _layers(recipe, parameters)
    figures = tuple(sections(photo, paintings, recipe, layers))
    return Gallery.prepare(TITLE, TEXT.format(recipe=recipe), figures, parameters)


def sections(
    photo: str, paintings: Sequence[str], base: Recipe, layers: Sequence[str]
) -> list[Section]:
    """The sections of a study.

    Args:
        photo: path of the photograph.
        paintings: paths, at least one; the grids are made with the first.
        base: size, steps, network, ... of all pictures.
        layers: the first layer of each block that the network has, shallow to deep.
    """
    sets = [layers_up_to(layer) for layer in layers]
    default = base.replace(style_layers=sets[-1], content_layers={_high(layers): 1.0})
    return [
        _reconstructions(photo, base, layers),
        *(_textures(painting, base, sets) for painting in paintings),
        _transfers(photo, paintings, default),
        _grid(photo, paintings[0], default, sets),
        _content_layers(photo, paintings[0], default, layers),
        _starts(photo, paintings[0], default),
    ]


def _reconstructions(photo: str, base: Recipe, layers: Sequence[str]) -> Section:
    photograph = Inputs(content=photo)
    figures = (
        Figure(layer, base.replace(**RECONSTRUCTION, content_layers={layer: 1.0}), photograph)
        for layer in layers
    )
    return Section(
        "What each layer knows of the photograph",
        "Content reconstruction (figure 1 of the paper, below): from white noise, gradient descent"
        " until a layer cannot tell the picture from the photograph. Low layers keep nearly every"
        " pixel, high layers the objects and their layout.",
        len(layers),
        tuple(figures),
    )


def _textures(painting: str, base: Recipe, sets: Sequence[dict[str, float]]) -> Section:
    alone = Inputs(styles=(painting,))
    figures = (
        Figure(_span(layers), base.replace(**TEXTURE, style_layers=layers), alone)
        for layers in sets
    )
    return Section(
        f"What the style of {_name(painting)} is",
        "Style reconstruction (figure 1, above): from white noise, a picture with the painting's"
        " Gram matrices at more and more layers. Each layer adds structure of a larger scale; where"
        " it lies in the painting is forgotten.",
        len(sets),
        tuple(figures),
    )


def _transfers(photo: str, paintings: Sequence[str], default: Recipe) -> Section:
    return Section(
        "The photograph in the style of each painting",
        "Style transfer (figure 2): a picture with the photograph's content and the painting's"
        " style at once.",
        min(len(paintings), 3),
        tuple(Figure(_name(each), default, _both(photo, each)) for each in paintings),
    )


def _grid(photo: str, painting: str, default: Recipe, sets: Sequence[dict[str, float]]) -> Section:
    figures = (
        Figure(
            f"{_span(layers)}, α/β = {1 / weight:.3g}",
            default.replace(style_layers=layers, style_weight=weight),
            _both(photo, painting),
        )
        for layers in sets
        for weight in STYLE_WEIGHTS
    )
    return Section(
        "Style layers against the ratio of content to style",
        "Figure 3: from row to row the style is matched at deeper layers as well; from column to"
        " column content counts for more. α/β is in relative units here, where each term is divided"
        " by what its target weighs.",
        len(STYLE_WEIGHTS),
        tuple(figures),
    )


def _content_layers(photo: str, painting: str, default: Recipe, layers: Sequence[str]) -> Section:
    chosen = dict.fromkeys((layers[min(1, len(layers) - 1)], _high(layers)))
    return Section(
        "Content from a low layer and from a high one",
        "Figure 5: matched at a low layer, the photograph's pixels stay and the painting is laid"
        " over them; at a high layer its forms are painted anew.",
        len(chosen),
        tuple(
            Figure(
                f"content {layer}",
                default.replace(content_layers={layer: 1.0}),
                _both(photo, painting),
            )
            for layer in chosen
        ),
    )


def _starts(photo: str, painting: str, default: Recipe) -> Section:
    noise, both = default.replace(init="noise"), _both(photo, painting)
    return Section(
        "Where the descent begins",
        "Figure 6: from the photograph, from the painting, and from two samples of white noise. The"
        " first two lean towards where they come from; noise gives a picture of its own each time.",
        4,
        (
            Figure("from the photograph", default, both),
            Figure(
                "from the painting",
                default.replace(init="picture"),
                replace(both, start=painting),
            ),
            Figure(f"from noise, seed {noise.seed}", noise, both),
            Figure(
                f"from noise, seed {noise.seed + 1}",
                noise.replace(seed=noise.seed + 1),
                both,
            ),
        ),
    )


def _both(photo: str, painting: str) -> Inputs[str]:
    return Inputs(content=photo, styles=(painting,))


def _high(layers: Sequence[str]) -> str:
    """The content layer of style transfer: the default, or the deepest available before it."""
    (default,) = Recipe().content_layers
    return default if layers[-1] > default else layers[-1]


def _span(layers: dict[str, float]) -> str:
    first, *rest = sorted(layers)
    return f"{first} to {rest[-1]}" if rest else first


def _name(path: str) -> str:
    return path.replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0]


def _layers(recipe: Recipe, parameters: str | None) -> tuple[str, ...]:
    """The first layer of each block in the network's file."""
    topology = network_named(recipe.network).topology
    layers = tuple(layer for layer in topology.layers if layer.endswith("_1"))
    while True:
        try:
            network_for(recipe, parameters, device_for(recipe.device), layers=layers)
        except LayerError:
            if parameters is None or len(layers) == 1:
                raise
            layers = layers[:-1]  # a file may hold the first blocks alone
        else:
            return layers
