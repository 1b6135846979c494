"""A study, prepared: the paper's figures for these pictures and this network."""

from __future__ import annotations

from collections.abc import Sequence

from vangram.errors import LayerError, SettingError
from vangram.gallery import Gallery
from vangram.networks import load_network
from vangram.networks.registry import network_named
from vangram.recipe import Recipe
from vangram.study.figures import sections

TITLE = "A neural algorithm of artistic style"
TEXT = (
    "The figures of Gatys, Ecker and Bethge (CVPR 2016), made anew by VanGram: pictures of"
    " {recipe.size} px, {recipe.steps} steps each, with the network {recipe.network} and"
    " {recipe.pooling} pooling."
)


def prepare(
    photo: str, paintings: Sequence[str], recipe: Recipe, parameters: str | None = None
) -> Gallery:
    """Read and check everything that is needed, and compute nothing yet.

    Args:
        photo: path of the photograph.
        paintings: paths, at least one.
        recipe: size, steps, network, pooling, ... of all pictures.
        parameters: a file that the network is read from instead of its own.

    Raises:
        InputError: something given cannot be used.
    """
    if not paintings:
        raise SettingError("a study needs at least one painting")
    layers = _layers(recipe, parameters)
    figures = tuple(sections(photo, paintings, recipe, layers))
    return Gallery.prepare(TITLE, TEXT.format(recipe=recipe), figures, parameters)


def _layers(recipe: Recipe, parameters: str | None) -> tuple[str, ...]:
    """The first layer of each block that the network has."""
    topology = network_named(recipe.network).topology
    layers = tuple(layer for layer in topology.layers if layer.endswith("_1"))
    while True:
        try:
            load_network(recipe.network, layers=layers, parameters=parameters)
        except LayerError:
            if parameters is None or len(layers) == 1:
                raise
            layers = layers[:-1]  # a file may hold the first blocks alone
        else:
            return layers
