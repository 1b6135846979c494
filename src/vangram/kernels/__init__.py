"""Compiled loops over feature maps: the arithmetic that networks and losses are made of.

Convolution with fixed filters, 2×2 pooling, products over channels, each forward and backward, and
the precision of a GPU's convolutions. No other package knows LLVM, OpenMP or the CUDA driver.
Without llvmlite torch alone computes, with the same results up to rounding.
"""

from vangram.kernels.convolution import (
    FixedConvolution,
    fixed_convolutions,
    relu_grad,
    winograd_has_room,
)
from vangram.kernels.gemm import GPU_BLOCK_BYTES
from vangram.kernels.multiply import channel_products, mix_channels
from vangram.kernels.pointwise import convolve_pointwise
from vangram.kernels.pooling import pool, unpool
from vangram.kernels.precision import conv_precision
from vangram.kernels.window import Window
from vangram.kernels.winograd import TILE

__all__ = [
    "GPU_BLOCK_BYTES",
    "TILE",
    "FixedConvolution",
    "Window",
    "channel_products",
    "conv_precision",
    "convolve_pointwise",
    "fixed_convolutions",
    "mix_channels",
    "pool",
    "relu_grad",
    "unpool",
    "winograd_has_room",
]
