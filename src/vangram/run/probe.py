"""Probe of the machine: the time of one evaluation of a small picture."""

from __future__ import annotations

import time

from vangram.engines import WholeEngine
from vangram.images import Picture, fit, resize
from vangram.networks import FeatureNetwork
from vangram.objective import Objective
from vangram.optimize import Level
from vangram.settings.recipe import Recipe

PROBE = 256
"""Longer side in pixels of the picture that is evaluated, at most."""


def seconds_per_pixel(
    recipe: Recipe, network: FeatureNetwork, picture: Picture, coarsest: Level, finest: Level
) -> float:
    """Seconds of an evaluation for each pixel, timed here and now.

    Args:
        recipe: layers and losses.
        network: the recipe's.
        picture: any.
        coarsest: the first level; the probe is no larger.
        finest: the last level, whose proportions the probe has.
    """
    least = network.topology.smallest_size(recipe.layers)
    height, width = fit(finest.size, min(PROBE, max(coarsest.size)))
    size = max(height, least), max(width, least)
    image = resize(picture.pixels, size).to(network.mean.device)
    recipe = recipe.replace(blend=(), each_style_layers=())
    objective = Objective.of(recipe, network, image, [image])
    engine = WholeEngine(network, objective)
    engine(image)  # warm-up: transforms filters, starts the device
    began = time.perf_counter()
    float(engine(image).gradient.sum())  # waits for a GPU
    return (time.perf_counter() - began) / (size[0] * size[1])
