"""What `training.distil` and `training.deep` share: optimisers, rate of learning, losses."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WARM_UP = 100
"""Steps over which the rate of learning rises."""


class Matrices:
    """Parameters of a module, its filters as matrices (out, in * 9), and their optimisers.

    Filters have Muon (Jordan et al. 2024), whose orthogonalised steps got further than AdamW's in
    as many; AdamW has the heads and the biases.

    Args:
        module: with convolutions "conv1_1", ... and heads "head1_1", ...; it is not changed.
        peak: the rate of learning of the filters, before `rate`; the rest has 1.6 times as much.
    """

    def __init__(self, module: nn.Module, peak: float) -> None:
        self.shapes = {name: p.shape for name, p in module.named_parameters()}
        self.values = {
            name: nn.Parameter(
                p.detach().flatten(1).clone() if p.dim() == 4 else p.detach().clone()
            )
            for name, p in module.named_parameters()
        }
        filters = [m for n, m in self.values.items() if n.startswith("conv") and m.dim() == 2]
        chosen = {id(m) for m in filters}
        rest = [m for m in self.values.values() if id(m) not in chosen]
        self.optimizers = (
            torch.optim.Muon(filters, lr=peak, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(rest, lr=1.6 * peak, weight_decay=0.0, betas=(0.9, 0.98)),
        )
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["initial_lr"] = group["lr"]

    def parameters(self) -> dict[str, Tensor]:
        """In their own shapes, for `functional_call`."""
        return {name: m.view(self.shapes[name]) for name, m in self.values.items()}

    def descend(self, loss: Tensor, share: float) -> None:
        """One step, at a share of the peak rate."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * share
            optimizer.zero_grad()
        loss.backward()
        for optimizer in self.optimizers:
            optimizer.step()

    @torch.no_grad()
    def assign(self, parameters: Mapping[str, Tensor]) -> None:
        """Take parameters in their own shapes."""
        for name, p in parameters.items():
            self.values[name].view(self.shapes[name]).copy_(p)

    def state(self) -> dict[str, object]:
        """Parameters and optimisers, for a checkpoint."""
        optimizers = [optimizer.state_dict() for optimizer in self.optimizers]
        return {"matrices": self.values, "optimizers": optimizers}

    @torch.no_grad()
    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take what `state` gave; the peak rates stay those asked for."""
        for name, matrix in self.values.items():
            matrix.copy_(state["matrices"][name])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            rates = [group["initial_lr"] for group in optimizer.param_groups]
            optimizer.load_state_dict(saved)
            for group, asked in zip(optimizer.param_groups, rates, strict=True):
                group["initial_lr"] = asked


class Variances:
    """Running variance of a target over positions, averaged over channels: 1 - R² divides by it."""

    def __init__(self) -> None:
        self.value: dict[str, float] = {}

    def relative(self, name: str, got: Tensor, target: Tensor) -> Tensor:
        """Mean squared error over the variance, which this batch is folded into first."""
        now = float(target.square().mean() - target.mean((0, 2, 3)).square().mean())
        self.value[name] = now + 0.98 * (self.value.get(name, now) - now)
        return F.mse_loss(got, target) / self.value[name]


def relative_gram_error(got: Tensor, target: Tensor) -> Tensor:
    """Mean over pictures of ‖G − A‖ / ‖A‖ for their Gram matrices."""
    got, target = (f.flatten(2).contiguous() for f in (got, target))
    wanted = target @ target.mT
    error = torch.linalg.vector_norm(torch.baddbmm(wanted, got, got.mT, beta=-1).flatten(1), dim=1)
    relative: Tensor = error.float() / wanted.flatten(1).norm(dim=1).clamp_min(1e-6)
    return relative.mean()


def rate(step: int, steps: int, decay: float) -> float:
    """Share of the peak learning rate at a step: warm-up, constant, then linearly to nothing."""
    left = (steps - step) / max(1.0, decay * steps)
    return min(1.0, (step + 1) / WARM_UP, left)


def add_sources(parser: argparse.ArgumentParser) -> None:
    """Add the options that name what is learnt from."""
    add = parser.add_argument
    add("--photos", type=Path, required=True, help="photographs; every 40th is left out")
    add("--paintings", type=Path, required=True, help="to learn from as well")
    add("--teacher", type=Path, required=True, help="file of VGG-19's parameters")
