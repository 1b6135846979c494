"""The whole picture at once: the simplest engine, and the measure of the others."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from vangram.networks import FeatureNetwork, ForwardPass
from vangram.objective import Evaluation, Objective


class WholeEngine:
    """Value and gradient with all of a picture's features in memory."""

    def __init__(self, network: FeatureNetwork, objective: Objective) -> None:
        self.network = network
        self.objective = objective

    def __call__(self, image: Tensor) -> Evaluation:
        """Evaluate at (1, 3, H, W), which is read and not changed."""
        image, objective = image.detach(), self.objective
        trace = ForwardPass(self.network, image, objective.layers)
        judgement = objective.judge(objective.measure(trace.features), image)
        slope = partial(objective.feature_gradient, judgement=judgement)
        gradient = trace.backward(slope).contiguous().to(image.device)
        objective.add_image_gradient(image, gradient)
        return Evaluation(judgement.loss, judgement.terms, gradient)
