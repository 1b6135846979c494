"""Loss functions: pure functions on tensors, their values and closed-form gradients.

Nothing here knows a network, a file or a device. Every value is a sum over positions, or a function
of such sums, so that it can be computed tile by tile. Values are float64, because sums of a million
squares lose digits in float32. A gradient has the dtype and device of the tensor it belongs to.
"""

from vangram.losses.content import content_loss, content_loss_grad
from vangram.losses.gram import gram_loss, gram_loss_grad, gram_matrix
from vangram.losses.moments import Moments, MomentsGrad, feature_moments, feature_moments_grad
from vangram.losses.out_of_range import out_of_range_loss, out_of_range_loss_grad
from vangram.losses.style import STYLE_LOSSES, StyleLoss
from vangram.losses.total_variation import total_variation_loss, total_variation_loss_grad

__all__ = [
    "STYLE_LOSSES",
    "Moments",
    "MomentsGrad",
    "StyleLoss",
    "content_loss",
    "content_loss_grad",
    "feature_moments",
    "feature_moments_grad",
    "gram_loss",
    "gram_loss_grad",
    "gram_matrix",
    "out_of_range_loss",
    "out_of_range_loss_grad",
    "total_variation_loss",
    "total_variation_loss_grad",
]
