"""The whole engine: all of an image at once; the reference for the others."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from vangram.networks import FeatureNetwork, ForwardPass
from vangram.objective import Evaluation, Objective


class WholeEngine:
    """Value and gradient with all of an image's features in memory.

    Args:
        network: the network of the features.
        objective: for an image of the same size.
    """

    def __init__(self, network: FeatureNetwork, objective: Objective) -> None:
        self.network = network
        self.objective = objective

    def __call__(self, image: Tensor) -> Evaluation:
        """Evaluate at (1, 3, H, W), which is not changed."""
        image, objective = image.detach(), self.objective
        forward = ForwardPass(self.network, image, objective.layers)
        statistics = objective.measure(forward.features).to(image.dtype)
        loss_terms = objective.loss_terms(statistics, image)
        grad = partial(objective.feature_grad, loss_terms=loss_terms)
        gradient = forward.backward(grad).contiguous().to(image.device)
        objective.add_pixel_grad(image, gradient)
        return Evaluation(loss_terms.loss, loss_terms.terms, gradient)
