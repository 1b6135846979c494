"""Compiled loops over pictures' features: what networks are made of.

Correlation with fixed filters, 2x2 pooling and its way back, and how exactly a GPU convolves.
Nothing above this room knows LLVM, OpenMP or the driver. Without llvmlite, `takes` is false for
every tensor and callers use torch alone.
"""

from vangram.kernels.gemm import GPU_BLOCK, Workspace
from vangram.kernels.jit import takes
from vangram.kernels.pooling import pool, unpool
from vangram.kernels.precision import convolving
from vangram.kernels.window import Window
from vangram.kernels.winograd import OUTPUTS, Winograd

__all__ = [
    "GPU_BLOCK",
    "OUTPUTS",
    "Window",
    "Winograd",
    "Workspace",
    "convolving",
    "pool",
    "takes",
    "unpool",
]
