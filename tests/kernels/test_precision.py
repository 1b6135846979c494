"""Precision of convolutions: exact and deterministic unless TF32 is allowed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.backends import cudnn

from tests.support import NARROW_VGG19, he_initialised
from vangram.kernels.precision import conv_precision
from vangram.networks import FeatureNetwork, ForwardPass
from vangram.networks.conv import FixedConvolution

LAYERS = ["relu2_1"]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> set[tuple[bool, bool]]:
    """(TF32 allowed, deterministic) during each convolution."""
    found: set[tuple[bool, bool]] = set()
    for name in ("forward", "backward"):
        plain: Callable[..., Tensor] = getattr(FixedConvolution, name)

        def spied(*given: object, plain: Callable[..., Tensor] = plain) -> Tensor:
            found.add((cudnn.allow_tf32, cudnn.deterministic))
            return plain(*given)

        monkeypatch.setattr(FixedConvolution, name, spied)
    return found


@pytest.mark.parametrize("tf32", [False, True])
def test_forward_pass_rounds_only_with_tf32(tf32: bool, seen: set[tuple[bool, bool]]) -> None:
    network = he_initialised(NARROW_VGG19).float()
    network.tf32 = tf32
    before = cudnn.allow_tf32, cudnn.deterministic
    forward = ForwardPass(network, torch.rand(1, 3, 16, 16), LAYERS)
    forward.backward(lambda layer, features: features)
    assert seen == {(tf32, True)}
    assert (cudnn.allow_tf32, cudnn.deterministic) == before


@pytest.mark.parametrize("tf32", [False, True])
def test_plain_forward_rounds_only_with_tf32(tf32: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    network, found = he_initialised(NARROW_VGG19).float(), set()
    network.tf32 = tf32
    plain = FeatureNetwork._convolve

    def spied(self: FeatureNetwork, name: str, x: Tensor) -> Tensor:
        found.add((cudnn.allow_tf32, cudnn.deterministic))
        return plain(self, name, x)

    monkeypatch.setattr(FeatureNetwork, "_convolve", spied)
    network(torch.rand(1, 3, 16, 16), LAYERS)
    assert found == {(tf32, True)}


def test_precision_is_restored_after_an_error() -> None:
    before = cudnn.allow_tf32

    def fail() -> None:
        with conv_precision(tf32=not before):
            raise ValueError(cudnn.allow_tf32)

    with pytest.raises(ValueError, match=str(not before)):
        fail()
    assert cudnn.allow_tf32 == before
