"""Cache of style targets, for runs with the same paintings."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping

from torch import Tensor

from vangram.networks import FeatureNetwork
from vangram.objective import TermKey
from vangram.objective.targets import StyleTarget, style_targets
from vangram.run.inputs import RunInputs
from vangram.run.plan import LevelPlan
from vangram.run.resized import resize_alphas, resize_regions, resize_styles
from vangram.settings.recipe import Recipe

StyleTargets = Mapping[TermKey, StyleTarget]

CACHE: OrderedDict[Hashable, StyleTargets] = OrderedDict()
"""Targets of the process's last runs; the key is all that they depend on."""
LARGEST_CACHE = 16
"""Number of levels whose targets are kept; 2.4 MB each for VGG-19."""


def cached_style_targets(
    inputs: RunInputs,
    recipe: Recipe,
    network: FeatureNetwork,
    plan: LevelPlan,
    visible: Tensor | None = None,
) -> StyleTargets:
    """The targets of a level's style terms; `visible` is the photograph's alpha at its size."""
    key = None if visible is not None else _key(inputs, recipe, network, plan)
    if key in CACHE:
        CACHE.move_to_end(key)
        return CACHE[key]
    styles, regions = resize_styles(inputs, plan), resize_regions(inputs, plan)
    alphas = resize_alphas(inputs, plan)
    found = style_targets(
        recipe,
        network,
        styles,
        regions,
        plan.tile,
        visible=None if visible is None else visible.to(plan.device),
        alphas=alphas,
    )
    if key is not None:
        CACHE[key] = found
        if len(CACHE) > LARGEST_CACHE:
            CACHE.popitem(last=False)
    return found


def _key(inputs: RunInputs, recipe: Recipe, network: FeatureNetwork, plan: LevelPlan) -> Hashable:
    """All that the targets depend on; None where that is more than the paintings."""
    if not recipe.wants_style or inputs.regions or recipe.colour != "style" or recipe.normalise:
        return None
    size, styles = plan.level.size, inputs.pictures.styles
    if not network.sha256 or any(style.sha256 is None for style in styles):
        return None
    paintings = tuple((style.sha256, inputs.style_size(style, size)) for style in styles)
    layers = [tuple(each.items()) for each in (recipe.style_layers, *recipe.each_style_layers)]
    settings = tuple(layers), recipe.blend, recipe.style_loss
    used = recipe.network, network.sha256, recipe.pooling, network.winograd, network.tf32
    return paintings, settings, used, plan.tile, plan.device
