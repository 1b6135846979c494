"""Time of one layer's convolution by Winograd beside the plain call: where the rule comes from.

    python -m benchmarks.convolution [--device cuda --scale 2]

Forward with ReLU, layers of VGG-19 and `vgg19-lite` at 512 × 384 px, or a multiple, least of the
rounds, in turns. `kernels.convolution.winograd_is_faster` should be true where the ratio is below
one, and nowhere else.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.evaluation import in_turns
from vangram.cli.allocator import keep_freed_memory
from vangram.kernels.convolution import winograd_is_faster
from vangram.kernels.gemm import Workspace
from vangram.kernels.precision import conv_precision
from vangram.kernels.winograd import Winograd

LAYERS = [
    (64, 64, 384, 512), (64, 128, 192, 256), (128, 128, 192, 256), (128, 256, 96, 128),
    (256, 256, 96, 128), (256, 512, 48, 64), (512, 512, 48, 64), (64, 96, 96, 128),
    (96, 96, 96, 128), (96, 160, 48, 64), (160, 160, 48, 64),
]  # fmt: skip
"""Input and output channels, height and width."""


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.convolution", description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--scale", type=int, default=1, help="of both sides")
    options = parser.parse_args()
    keep_freed_memory()
    torch.manual_seed(0)
    print(
        "| channels | positions | plain | Winograd | ratio | the rule |\n|---|---|---|---|---|---|"
    )
    for channels, outputs, height, width in LAYERS:
        conv = nn.Conv2d(channels, outputs, 3, padding=1).requires_grad_(False)
        layout = torch.channels_last
        conv = conv.to(options.device, memory_format=layout)  # type: ignore[call-overload]
        height, width = height * options.scale, width * options.scale
        x = torch.rand(1, channels, height, width, device=options.device)
        x = x.contiguous(memory_format=layout)
        plain, fast = both(conv, x)
        slow, quick = in_turns(plain, fast, rounds=15)
        rule = "Winograd" if winograd_is_faster(conv.weight) else "plain"
        times = f"{slow * 1e3:.2f} ms | {quick * 1e3:.2f} ms | {quick / slow:.2f}"
        print(f"| {channels} → {outputs} | {width} × {height} | {times} | {rule} |", flush=True)


def both(conv: nn.Conv2d, x: Tensor) -> tuple[Callable[[], object], Callable[[], object]]:
    """The two ways, as calls."""
    winograd, workspace = Winograd(conv.weight, conv.bias), Workspace()

    def plain() -> Tensor:
        with conv_precision(tf32=False):
            return F.conv2d(x, conv.weight, conv.bias, padding=1).relu_()

    def fast() -> Tensor:
        return winograd(x, workspace)

    return plain, fast


if __name__ == "__main__":
    main()
