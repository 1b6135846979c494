"""Precision of convolutions: exact and deterministic unless TF32 is allowed."""

from __future__ import annotations

import pytest
from torch.backends import cudnn

from vangram.kernels.precision import conv_precision


def test_precision_is_restored_after_an_error() -> None:
    before = cudnn.allow_tf32

    def fail() -> None:
        with conv_precision(tf32=not before):
            raise ValueError(cudnn.allow_tf32)

    with pytest.raises(ValueError, match=str(not before)):
        fail()
    assert cudnn.allow_tf32 == before
