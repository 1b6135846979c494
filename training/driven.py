"""Crops that the student itself repaints while it learns.

An optimisation drives a picture to where the network believes itself done, and there a student is
least like its teacher. So it is taught on the way: each crop takes a few steps of the optimisation
that the student leads as it is by then, is learnt from, and goes on when its turn comes again.
"""

from __future__ import annotations

import random

import torch
from torch import Tensor

from training.pictures import Crops
from vangram.networks import FeatureNetwork
from vangram.settings.recipe import Recipe

CROPS = 24
VISITS = 20
"""Times that a crop is learnt from before another takes its place."""
STEPS = 3
"""Steps of Adam before each visit."""
RATES = (0.01, 0.03)
"""Of Adam, in units of the image, which reaches from 0 to 1."""
RECIPE = Recipe()


class Driven:
    """Crops on their way to a style, each at another stage.

    Args:
        crops: source of contents and styles.
        seed: of the first stages and the rates.
    """

    def __init__(self, crops: Crops, seed: int) -> None:
        self.crops = crops
        self.random = random.Random(seed)
        self.paths = [
            _Path(crops, self.random.randrange(VISITS), self.random.uniform(*RATES))
            for _ in range(CROPS)
        ]
        self.visited = 0

    def batch(self, network: FeatureNetwork, count: int) -> Tensor:
        """The crops whose turn it is, (count, 3, side, side), after their next steps.

        Args:
            network: the student as it is now, frozen.
            count: at most `CROPS`.
        """
        pictures = []
        for _ in range(count):
            turn = self.visited % CROPS
            if self.paths[turn].visits == VISITS:
                self.paths[turn] = _Path(self.crops, 0, self.random.uniform(*RATES))
            pictures.append(self.paths[turn].advanced(network))
            self.visited += 1
        return torch.cat(pictures)


class _Path:
    """One crop's optimisation, from the content, with the default recipe's weights."""

    def __init__(self, crops: Crops, visits: int, rate: float) -> None:
        self.content, self.style = crops.batch(2).split(1)
        self.image: Tensor = self.content.clone().requires_grad_()
        self.optimizer = torch.optim.Adam([self.image], rate)
        self.visits = visits

    def advanced(self, network: FeatureNetwork) -> Tensor:
        """The image (1, 3, side, side) after `STEPS` steps."""
        with torch.no_grad():
            contents = network(self.content, RECIPE.content_layers)
            grams = {
                layer: _gram(f) for layer, f in network(self.style, RECIPE.style_layers).items()
            }
        for _ in range(STEPS):
            features = network(self.image, RECIPE.layers)
            loss = torch.zeros(())
            for layer, weight in RECIPE.content_layers.items():
                target = contents[layer]
                error = (features[layer] - target).square().sum() / _energy(target)
                loss = loss + RECIPE.content_weight * weight * error
            for layer, weight in RECIPE.style_layers.items():
                error = (_gram(features[layer]) - grams[layer]).square().sum()
                loss = loss + RECIPE.style_weight * weight * error / _energy(grams[layer])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            with torch.no_grad():
                self.image.clamp_(-0.05, 1.05)
        self.visits += 1
        return self.image.detach().clone()


def _gram(features: Tensor) -> Tensor:
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2)


def _energy(target: Tensor) -> Tensor:
    return target.square().sum().clamp_min(1e-6)
