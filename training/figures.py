"""Figures of the registry, measured over photographs.

    python -m training.figures --photos DIR --teacher FILE [--means FILE]

Prints, by network and pooling, what averages have to be multiplied by: the mean activation after
the pooling in the network with maxima, over that in the network with averages, whose earlier
poolings are scaled already.
`--means` writes the mean activation of every channel of `vgg19-lite`, for `normalise_channels`.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from training.pictures import centre, listed
from vangram.kernels import pool
from vangram.networks import FeatureNetwork, channel_means, load_network

SIDE = 256
"""Of the square pictures, in pixels."""
FIRST, EVERY = 5, 10
"""Every tenth photograph; none of those that evaluations hold out."""


def average_scales(network: FeatureNetwork, pictures: list[Tensor]) -> tuple[float, ...]:
    """For each pooling whose input the network has, one after the other."""
    topology = network.topology
    scales: tuple[float, ...] = ()
    wanted = pooled_sums(network, pictures)
    for block, maxima in enumerate(wanted):
        network.topology = replace(topology, pooling="average", average_scale=scales)
        scales = (*scales, maxima / pooled_sums(network, pictures)[block])
    network.topology = topology
    return scales


@torch.no_grad()
def pooled_sums(network: FeatureNetwork, pictures: list[Tensor]) -> list[float]:
    """Sums of the activations after each pooling, and after one that would follow the last block.

    Averages are not scaled where the network's topology has no scale yet.
    """
    topology = network.topology
    ends = [f"relu{block}_{depth}" for block, depth in enumerate(topology.depths, start=1)]
    sums = [0.0] * len(ends)
    for picture in pictures:
        for layer, activation in network.activations(picture):
            if layer in ends:
                block = ends.index(layer)
                pooled = pool(activation, topology.pooling_scale(block + 2))
                sums[block] += float(pooled.sum(dtype=torch.float64))
    return sums


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.figures", description=__doc__)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True, help="file of VGG-19's parameters")
    parser.add_argument("--means", type=Path, help="where to write vgg19-lite's")
    options = parser.parse_args()
    pictures = [centre(path, SIDE) for path in listed(options.photos)[FIRST::EVERY]]
    print(f"{len(pictures)} photographs, {SIDE} px")
    lite = load_network("vgg19-lite")
    # Nothing is pooled behind the last block.
    print("vgg19-lite", *(f"{scale:.3f}" for scale in average_scales(lite, pictures)[:-1]))
    if options.means:
        save_file(channel_means(lite, pictures), options.means)
    vgg19 = load_network("vgg19-caffe", layers=["relu4_4"], parameters=options.teacher)
    print("vgg19", *(f"{scale:.3f}" for scale in average_scales(vgg19, pictures)))


if __name__ == "__main__":
    main()
