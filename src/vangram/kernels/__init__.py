"""Compiled loops over feature maps: the arithmetic that networks are made of.

Correlation with fixed filters, 2×2 pooling and its gradient, and the precision of a GPU's
convolutions. Nothing above this room knows LLVM, OpenMP or the CUDA driver. Without llvmlite
`has_kernels` is false for every tensor, and torch alone computes.
"""

from vangram.kernels.gemm import GPU_BLOCK_BYTES, Workspace
from vangram.kernels.jit import has_kernels
from vangram.kernels.pooling import pool, unpool
from vangram.kernels.precision import conv_precision
from vangram.kernels.window import Window
from vangram.kernels.winograd import TILE, Winograd

__all__ = [
    "GPU_BLOCK_BYTES",
    "TILE",
    "Window",
    "Winograd",
    "Workspace",
    "conv_precision",
    "has_kernels",
    "pool",
    "unpool",
]
