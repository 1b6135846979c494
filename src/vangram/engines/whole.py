"""The whole picture at once: the simplest engine, and the measure of the others."""

from __future__ import annotations

import torch
from torch import Tensor

from vangram.networks import FeatureNetwork
from vangram.objective import Evaluation, Objective


class WholeEngine:
    """Value and gradient with all of a picture's features in memory.

    The network is differentiated by autograd, the losses by their closed forms, which cost one
    product with the features where autograd would take two.
    """

    def __init__(self, network: FeatureNetwork, objective: Objective) -> None:
        self.network = network
        self.objective = objective

    def __call__(self, image: Tensor) -> Evaluation:
        """Evaluate at (1, 3, H, W), which is read and not changed."""
        image = image.detach().requires_grad_()
        features = self.network(image, self.objective.layers)
        known = {layer: f.detach() for layer, f in features.items()}
        judgement = self.objective.judge(self.objective.measure(known), image.detach())
        slopes = self.objective.feature_gradients(known, judgement)
        (gradient,) = torch.autograd.grad(
            [features[layer] for layer in slopes], image, list(slopes.values())
        )
        smoothness = self.objective.image_gradient(image.detach())
        if smoothness is not None:
            gradient = gradient + smoothness
        return Evaluation(judgement.loss, judgement.terms, gradient.contiguous())
