"""What the student begins with: VGG-19's channels, layer by layer, by least squares.

Each layer of the student predicts as many of VGG-19's channels as it is wide, from the student's
own activations, so that it makes up for what the layers before it lost (He, Zhang and Sun 2017,
"Channel Pruning for Accelerating Very Deep Neural Networks").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.teacher import SCALE
from vangram.kernels import pool
from vangram.networks.topology import Topology, block_of, follows_pooling
from vangram.networks.vgg import FeatureNetwork, head_name

POSITIONS = 120_000
"""Positions that each layer is fitted to, at most."""
TRUNK_RIDGE, HEAD_RIDGE = 1e-3, 1e-4
"""Added to the inputs' products, as a share of their mean square: keeps parameters small."""
ROUNDS = 8
"""Least-squares answers, each with targets that follow the ones before where ReLU hides them."""


@torch.no_grad()
def completed(
    topology: Topology,
    parameters: Mapping[str, Tensor],
    teacher: FeatureNetwork,
    crops: Callable[[], Sequence[Tensor]],
) -> FeatureNetwork:
    """A network's first layers, and least squares from the first new one on.

    Args:
        topology: of the result.
        parameters: by the names of the file that ships; layers that it lacks, or has in another
            width, are new.
        teacher: VGG-19, padded by reflection.
        crops: called where a layer is new; gives batches as `begin` takes them.
    """
    student, kept = FeatureNetwork(topology).requires_grad_(False), 0
    own, names = student.state_dict(), topology.convolutions
    for name in names:
        of_layer = {n: p for n, p in own.items() if n.split(".")[0][4:] == name}
        if any(n not in parameters or parameters[n].shape != p.shape for n, p in of_layer.items()):
            break
        for n, p in of_layer.items():
            p.copy_(parameters[n])
        kept += 1
    if kept < len(names):
        begin(student, teacher, crops(), kept)
    return student.freeze()


@torch.no_grad()
def begin(
    student: FeatureNetwork, teacher: FeatureNetwork, crops: Sequence[Tensor], kept: int = 0
) -> None:
    """Give the student's trunk and heads their parameters.

    Args:
        student: the same convolutions as the teacher's, none wider.
        teacher: VGG-19, padded by reflection.
        crops: batches (B, 3, side, side), RGB in [0, 1].
        kept: convolutions at the front that have theirs already, with their heads.
    """
    taught = [teacher.preprocess(batch) for batch in crops]
    learnt = [student.preprocess(batch) for batch in crops]
    names = student.topology.convolutions
    for name in names[:kept]:
        taught = [teacher.advance(name, x) for x in taught]
        learnt = [student.advance(name, x) for x in learnt]
    generator = torch.Generator().manual_seed(1)
    for name, following in zip(names[kept:], (*names[kept + 1 :], None), strict=True):
        if follows_pooling(name):
            block = block_of(name)
            taught = [pool(x, teacher.topology.pooling_scale(block)) for x in taught]
            learnt = [pool(x, student.topology.pooling_scale(block)) for x in learnt]
        places = _places(taught, generator)
        taught = [_convolve(x, teacher.module(f"conv{name}")) for x in taught]
        wanted = _gather(taught, places) / SCALE
        heard = torch.ones(wanted.shape[1])
        if following:
            heard = teacher.module(f"conv{following}").weight.square().sum((0, 2, 3)).sqrt()
        conv = student.module(f"conv{name}")
        # In VGG-19's order: without a head they are the features themselves.
        chosen = informative(wanted.relu() * heard, conv.out_channels).sort().values
        _set(conv, rectified(_patches(learnt, places), wanted[:, chosen], TRUNK_RIDGE))
        learnt = [_convolve(x, conv).relu_() for x in learnt]
        taught = [x.relu_() for x in taught]
        if f"relu{name}" in student.topology.heads:
            head = student.module(head_name(f"relu{name}"))
            _set(head, rectified(_gather(learnt, places), wanted, HEAD_RIDGE))
        print(f"least squares: {name}", flush=True)


def informative(features: Tensor, count: int) -> Tensor:
    """Channels that tell most about all: a Cholesky decomposition, pivoted, of their covariance.

    Args:
        features: (N, C).
        count: of channels to choose, at most C.

    Returns:
        (count,) indices, the most telling first.
    """
    centred = features - features.mean(0)
    covariance = (centred.mT @ centred / len(centred)).double()
    left, factor = covariance.diagonal().clone(), covariance.new_zeros(len(covariance), count)
    chosen: list[int] = []
    for step in range(count):
        pivot = int(left.argmax())
        chosen.append(pivot)
        column = covariance[:, pivot] - factor[:, :step] @ factor[pivot, :step]
        factor[:, step] = column / left[pivot].clamp_min(1e-12).sqrt()
        left = (left - factor[:, step].square()).clamp_min_(0)
        left[chosen] = -1
    return torch.tensor(chosen)


def rectified(inputs: Tensor, outputs: Tensor, ridge: float, rounds: int = ROUNDS) -> Tensor:
    """Least squares through ReLU: max(0, inputs · W + b) near max(0, outputs).

    Where an output is negative, any negative prediction is right: it is the next round's target.

    Args:
        inputs: (N, C).
        outputs: (N, K), before ReLU.
        ridge: see `TRUNK_RIDGE`.
        rounds: see `ROUNDS`; 1: plain least squares, ReLU left aside.

    Returns:
        (C + 1, K): W, and b in the last row.
    """
    inputs = F.pad(inputs, (0, 1), value=1.0)
    products = (inputs.mT @ inputs).double()
    products.diagonal().add_(ridge * products.diagonal().mean())
    factor, targets = torch.linalg.cholesky(products), outputs
    answer = torch.zeros(inputs.shape[1], outputs.shape[1]).to(inputs)
    for number in range(rounds):
        last, answer = (
            answer,
            torch.cholesky_solve((inputs.mT @ targets).double(), factor).to(inputs),
        )
        ahead = answer + max(number - 1, 0) / (number + 2) * (answer - last)  # Nesterov 1983
        targets = torch.where(outputs > 0, outputs, (inputs @ ahead).clamp_max_(0))
    return answer


def _places(batches: Sequence[Tensor], generator: torch.Generator) -> list[tuple[Tensor, Tensor]]:
    """Rows and columns, (B, k) each, drawn for each batch (B, C, H, W) of activations."""
    height, width = batches[0].shape[-2:]
    count = max(1, POSITIONS // sum(len(batch) for batch in batches))
    places = []
    for batch in batches:
        keys = torch.rand(len(batch), height * width, generator=generator)
        drawn = keys.topk(min(count, height * width)).indices
        places.append((drawn // width, drawn % width))
    return places


def _gather(batches: Sequence[Tensor], places: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """(N, C) of the activations (B, C, H, W) at the places."""
    return torch.cat(
        [
            x[torch.arange(len(x))[:, None], :, rows, columns].flatten(0, 1)
            for x, (rows, columns) in zip(batches, places, strict=True)
        ]
    )


def _patches(batches: Sequence[Tensor], places: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """(N, C * 9) of the activations around the places, as a filter sees them."""
    windows = [_pad(x).unfold(2, 3, 1).unfold(3, 3, 1) for x in batches]
    return _gather(windows, places).flatten(1)


def _pad(x: Tensor) -> Tensor:
    return F.pad(x, (1, 1, 1, 1), mode="reflect")


def _convolve(x: Tensor, conv: nn.Conv2d) -> Tensor:
    return F.conv2d(_pad(x), conv.weight, conv.bias)


def _set(conv: nn.Conv2d, answer: Tensor) -> None:
    """Take (inputs + 1, outputs) of weights and biases."""
    conv.weight.copy_(answer[:-1].mT.reshape(conv.weight.shape))
    assert conv.bias is not None
    conv.bias.copy_(answer[-1])
