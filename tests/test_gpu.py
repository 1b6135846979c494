"""The GPU against the CPU: equal evaluations, equal runs; skipped where torch finds no GPU."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.support import batched, prepared_level, relative_error, rounding
from vangram.engines import TiledEngine, WholeEngine
from vangram.kernels import convolution, fixed_convolutions
from vangram.kernels.codegen import Integer, KernelBuilder, Pointer
from vangram.kernels.jit import Kernel, has_kernels
from vangram.kernels.pooling import pool, unpool
from vangram.networks import FeatureNetwork
from vangram.objective import Objective
from vangram.run import Run
from vangram.settings.recipe import Recipe
from vangram.storage.tensors import IN_MEMORY, SpilledStorage

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU here")

ROUNDING = rounding(9 * 384, layers=2 * 13)
"""Thirteen convolutions, forward and backward, with sums over at most 384 channels."""
SINGLE = rounding(9 * 512, dtype=torch.float32)
"""One convolution of 512 channels in float32."""
SIZE = (101, 170)


def objective(network: FeatureNetwork, dtype: torch.dtype, **settings: object) -> Objective:
    recipe = Recipe.from_dict({"tv_weight": 0.1, **settings})
    content, style = (
        batched(*size, seed=seed).to(network.mean.device, dtype)
        for size, seed in ((SIZE, 1), ((70, 90), 2))
    )
    return Objective.of(recipe, network, content, style)


@pytest.mark.parametrize("tile", [None, 48])
@pytest.mark.parametrize("style_loss", ["gram", "gram+moments", "wasserstein"])
@pytest.mark.parametrize("name", ["narrow", "lite64"])
def test_evaluation_is_the_processors(
    name: str, style_loss: str, tile: int | None, request: pytest.FixtureRequest
) -> None:
    here: FeatureNetwork = request.getfixturevalue(name)
    there, image = copy.deepcopy(here).to("cuda"), batched(*SIZE, seed=3)
    found = []
    for network in (here, there):
        goal = objective(network, torch.float64, style_loss=style_loss)
        engine = TiledEngine(network, goal, tile) if tile else WholeEngine(network, goal)
        found.append(engine(image.to(network.mean.device)))
    ours, theirs = found
    allowed = 1e3 * ROUNDING if style_loss == "wasserstein" else ROUNDING
    assert theirs.loss == pytest.approx(ours.loss, rel=allowed)
    assert relative_error(theirs.gradient.cpu(), ours.gradient) < allowed


def double(kernel: KernelBuilder, item: Integer, x: Pointer, y: Pointer, channels: Integer) -> None:
    with kernel.vectors(channels) as c:
        y[item * channels + c] = x[item * channels + c] * 2.0


@pytest.mark.parametrize("channels", [1, 64, 100, 512])
def test_kernels_run(channels: int) -> None:
    x = torch.rand(37, channels, device="cuda")
    y = torch.full_like(x, torch.nan)
    Kernel(double, torch.float32, 1)(len(x), x, y, channels)
    assert torch.equal(y, 2 * x)


@pytest.mark.parametrize("size", [(6, 8), (7, 9)])
def test_pooling_is_torchs(size: tuple[int, int]) -> None:
    x = torch.rand(1, 24, *size, device="cuda").round(decimals=1).requires_grad_()
    wanted = torch.nn.functional.max_pool2d(x, 2, ceil_mode=True)
    grad = torch.rand_like(wanted)
    (back,) = torch.autograd.grad(wanted, x, grad)
    x = x.detach()
    assert torch.equal(pool(x, None), wanted)
    assert torch.equal(unpool(grad, x, None), back)


@pytest.mark.parametrize("reflect", [False, True])
@pytest.mark.parametrize("channels", [64, 96, 512])
def test_winograd_is_the_plain_convolution(channels: int, reflect: bool) -> None:
    conv = torch.nn.Conv2d(channels, 128, 3, padding=1).requires_grad_(False)
    x = torch.randn(1, channels, 37, 50)
    grad = torch.randn(1, 128, 37, 50)
    plain = fixed_convolutions({"conv": conv}, reflect=reflect)["conv"]
    y = plain.forward(x, winograd=False)
    back = plain.backward(grad.clone(), y, winograd=False)
    there = copy.deepcopy(conv).cuda()
    assert has_kernels(there.weight)
    fast = fixed_convolutions({"conv": there}, reflect=reflect)["conv"]
    assert relative_error(fast.forward(x.cuda(), winograd=True).cpu(), y) < SINGLE
    assert relative_error(fast.backward(grad.cuda(), y.cuda(), winograd=True).cpu(), back) < SINGLE


def test_evaluation_uses_winograd_and_is_the_plain_one(
    lite: FeatureNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, image = copy.deepcopy(lite).to("cuda"), batched(*SIZE, seed=3).cuda().float()
    goal = objective(network, torch.float32)
    fast = WholeEngine(network, goal)(image)
    monkeypatch.setattr(convolution, "winograd_is_faster", lambda _: False)
    plain = WholeEngine(network, goal)(image)
    assert not torch.equal(fast.gradient, plain.gradient)
    assert fast.loss == pytest.approx(plain.loss, rel=SINGLE)


def prepared(photo: Path, painting: Path, **settings: Any) -> Run:
    return Run.prepare(
        photo, painting, size=128, steps=4, device="cuda", network="vgg19-lite", **settings
    )


def in_tiles(run: Run, spilled: bool) -> Run:
    """The run in tiles of 48 x 48 px with three pairs, its tensors in files or not."""
    storage = SpilledStorage() if spilled else IN_MEMORY
    plans = (replace(p, tile=(48, 48), history=3, storage=storage) for p in run.plans)
    return replace(run, plans=tuple(plans))


@pytest.mark.parametrize("settings", [{}, {"colour": "luminance"}, {"keep": True}], ids=str)
def test_tensors_in_files_change_nothing(
    settings: dict[str, Any], saved: Callable[..., Path]
) -> None:
    photo, painting = saved("photo.png", 96, 128, seed=1), saved("painting.png", 90, 70, seed=2)
    if "keep" in settings:
        settings = {"keep": saved("keep.png", 96, 128, seed=3)}
    evaluated: list[Tensor] = []
    for spilled in (False, True):
        run = in_tiles(prepared(photo, painting, **settings), spilled)
        level = prepared_level(run)
        evaluation = level.evaluate(level.first)
        evaluated.append(evaluation.gradient.cpu())
        for step in run:
            assert step.image.device.type == ("cpu" if spilled else "cuda")
    assert relative_error(evaluated[1], evaluated[0]) < SINGLE
    assert run.painting(step.image).pixels.shape == (1, 3, 96, 128)


@pytest.mark.parametrize("spilled", [False, True])
def test_run_that_is_resumed_ends_with_the_same_bits(
    spilled: bool, saved: Callable[..., Path]
) -> None:
    photo, painting = saved("photo.png", 96, 128, seed=1), saved("painting.png", 90, 70, seed=2)
    run = prepared(photo, painting)
    if spilled:
        run = in_tiles(run, spilled)
    straight = list(run)
    middle = straight[len(straight) - 3].state.to(torch.device("cpu"))
    resumed = list(run.steps(middle))
    assert torch.equal(resumed[-1].image, straight[-1].image)
