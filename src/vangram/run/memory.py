"""The memory model: the bytes that a run takes, as a sum of what it is known to hold.

The process, the network, the decoded inputs, the optimiser's vectors, the content targets, and the
activations that a pass through the picture, or through one tile of it, keeps. The model depends on
nothing but the recipe, the network and the inputs' sizes, so that the same run is always computed
the same way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from vangram.kernels import GPU_BLOCK_BYTES
from vangram.networks import FeatureNetwork
from vangram.networks.strips import strip_tiles
from vangram.networks.tiles import Core, best_core_size, grid, halo, window_size
from vangram.objective import BAND
from vangram.optimize import LBFGS
from vangram.settings.recipe import Recipe
from vangram.settings.torchrun import ranks_here

MB = 2**20
PROCESS_BYTES = 400 * MB
"""Interpreter, torch, the compiler and the command line; measured at 340 MB."""
GPU_CONTEXT_BYTES = 700 * MB
"""GPU memory that the driver and the libraries take."""
SAFE_SHARE = 0.7
"""Share of the free memory that a run takes when no amount is given."""
FILL_SHARE = 0.93
"""Share of the memory given that the model may fill: measured peaks of one run differ by 10 %."""
FRAGMENTATION = 1.5
"""Size of the allocator's memory relative to the tensors in it; measured at 1.2 to 1.4."""
TRANSIENT = 3
"""Temporary tensors of the largest layer's size, beside the activations that are kept."""
WINOGRAD_FACTOR = 8
"""Size of Winograd's filters, for both ways, relative to the plain ones."""
WORKSPACE_BYTES = 64 * MB
"""Largest workspace of Winograd's convolutions."""
BAND_BYTES = 96 * MB
"""Pages of spilled tensors that are in memory at a time."""
LEAST_CORE_STRIDES = 4
"""Smallest core of a tile, in strides of the deepest layer."""
ADAM_VECTORS = 10
"""Images, moments and gradients of Adam, the last step's among them."""
PIXEL_BYTES = 12
"""Bytes of a pixel: three channels of float32."""
WEIGHT_BYTES = 4
"""Bytes of a pixel of a mask, float32."""
REGION_BYTES = 2 * WEIGHT_BYTES
"""Bytes per pixel and region: the region's weights, and the same at the resolution of each layer,
of which the first has the picture's own."""
WRITING_BYTES = 6
"""Bytes per pixel while a picture is written, when the last evaluation's memory is free: Pillow
takes four, and the encoders of JPEG and WebP some."""


@dataclass(frozen=True)
class InputMemory:
    """The part of a run's inputs that the model counts."""

    decoded: int = 0
    """Bytes of the inputs at their own sizes."""
    keep: bool = False
    """Whether pixels of the photograph stay, for which it and a mixture with the image are held."""
    sequence: bool = False
    """Whether there is a frame before, whose result is held at the level's size."""
    regions: int = 0
    """Weights of the picture's pixels: regions, and the photograph's alpha."""


class MemoryModel:
    """Bytes that a level takes, and pixels of the tiles, halos included, that fit.

    On a GPU its own memory is counted: spilled tensors and decoded inputs are elsewhere.

    Args:
        size: (height, width) of the level.
        recipe: layers, optimiser and colour.
        network: its parameters, its topology, and whether it uses Winograd's filters.
        inputs: of the run.
    """

    def __init__(
        self, size: tuple[int, int], recipe: Recipe, network: FeatureNetwork, inputs: InputMemory
    ) -> None:
        self.size, self.layers, self.topology = size, recipe.layers, network.topology
        self.pixels = math.prod(size)
        beside = GPU_CONTEXT_BYTES if network.mean.is_cuda else PROCESS_BYTES + inputs.decoded
        regions = REGION_BYTES * inputs.regions * self.pixels
        self.fixed = beside + network_bytes(network, recipe) + regions
        self.activations = activation_bytes(network, recipe)
        self.content = content_bytes(network, recipe) * self.pixels
        # The image in grey; the photograph, a mixture and their mask; the last result, its weights,
        # and two that the optimiser makes of them.
        images = (recipe.colour == "luminance") + 2 * inputs.keep + inputs.sequence
        self.wrappers = (
            PIXEL_BYTES * images + WEIGHT_BYTES * (inputs.keep + 3 * inputs.sequence)
        ) * self.pixels
        self.smallest = LEAST_CORE_STRIDES * max(
            self.topology.stride(layer) for layer in self.layers
        )

    def padded(self, core: int) -> int:
        """Pixels of a square core with its halo."""
        side = core + 2 * halo(self.topology, self.layers)
        return math.prod(min(side, length) for length in self.size)

    def core(self, room: float) -> Core | None:
        """The best core for that room; None where there is room for the whole picture."""
        if room >= self.pixels:
            return None
        return best_core_size(room, self.size, self.topology, self.layers)

    def shared_core(self, room: float, devices: int) -> Core:
        """The best core for that room where several devices share the tiles."""
        most = min(room, self.pixels)
        return best_core_size(most, self.size, self.topology, self.layers, devices)

    def strips(self, devices: int) -> tuple[float, int]:
        """Pixels of the largest strip where devices have one each, and the number of strips."""
        tiles = strip_tiles(self.size, devices, BAND)
        return max(math.prod(window_size(tile.padded)) for tile in tiles), len(tiles)

    def room(self, memory: int, pairs: int) -> float:
        """Room for a tile beside the optimiser's vectors; `pairs` is 0 for Adam."""
        return (FILL_SHARE * memory - self._beside(pairs)) / self.activations

    def room_when_spilled(self, memory: int) -> float:
        """Room for a tile, where tensors of the picture's size live in files."""
        if memory < self.fixed + WRITING_BYTES * self.pixels:
            return 0.0
        return (FILL_SHARE * memory - self.fixed - BAND_BYTES) / self.activations

    def bytes(self, core: Core | None, pairs: int) -> int:
        """Expected peak."""
        return math.ceil(self._beside(pairs) + self._tile(core))

    def bytes_when_spilled(self, core: Core | None) -> int:
        """Expected peak, where tensors of the picture's size live in files."""
        return math.ceil(
            self.fixed + max(self._tile(core) + BAND_BYTES, WRITING_BYTES * self.pixels)
        )

    def _beside(self, pairs: int) -> float:
        vectors = LBFGS.VECTORS + 2 * pairs if pairs else ADAM_VECTORS
        return self.fixed + PIXEL_BYTES * self.pixels * vectors + self.wrappers + self.content

    def _tile(self, core: Core | None) -> float:
        if core is None:
            return self.activations * self.pixels
        tiles = grid(self.size, core, self.topology, self.layers)
        return self.activations * max(math.prod(window_size(tile.padded)) for tile in tiles)


def free_memory(device: torch.device) -> int:
    """A safe share of the free memory in bytes, rounded so that small changes do not alter it.

    The ranks on a machine share its memory; each has its own GPU's.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        free += torch.cuda.memory_reserved(device)
    else:
        free = psutil.virtual_memory().available + psutil.Process().memory_info().rss
        limit = Path("/sys/fs/cgroup/memory.max")
        if limit.exists() and limit.read_text().strip().isdigit():
            free = min(free, int(limit.read_text()))
        free //= ranks_here()
    step = 1 << max(int(free * SAFE_SHARE).bit_length() - 3, 0)
    return int(free * SAFE_SHARE) // step * step


def has_room_for_winograd(network: FeatureNetwork, recipe: Recipe, memory: int) -> bool:
    """Whether transformed filters take no more than a third of the memory.

    Always true on a GPU, whose library can take gigabytes for its own algorithms instead.
    """
    return network.mean.is_cuda or WINOGRAD_FACTOR * _filters(network, recipe) <= memory / 3


def network_bytes(network: FeatureNetwork, recipe: Recipe) -> int:
    """Parameters, filters turned for the way back, and Winograd's filters and workspace."""
    plain = sum(parameter.numel() * 4 for parameter in network.parameters())
    filters = _filters(network, recipe)
    workspace = GPU_BLOCK_BYTES if network.mean.is_cuda else WORKSPACE_BYTES
    return plain + filters + (WINOGRAD_FACTOR * filters + workspace if network.uses_winograd else 0)


def _filters(network: FeatureNetwork, recipe: Recipe) -> int:
    """Bytes of the filters that a recipe's layers need."""
    used = network.topology.up_to(recipe.layers).convolutions
    return sum(
        p.numel() * 4 for name in used for p in network.get_submodule(f"conv{name}").parameters()
    )


def activation_bytes(network: FeatureNetwork, recipe: Recipe) -> float:
    """Activations that are kept for the way back, in bytes per pixel of the picture."""
    topology = network.topology
    kept, largest = 0.0, 0.0
    for name in topology.up_to(recipe.layers).convolutions:
        block = int(name[0])
        activation = 4 * topology.channels(name) / 4 ** (block - 1)
        kept, largest = kept + activation, max(largest, activation)
    for layer in set(recipe.layers) & topology.heads.keys():
        features = 4 * topology.width(layer) / topology.stride(layer) ** 2
        kept, largest = kept + features, max(largest, features)
    return FRAGMENTATION * (kept + TRANSIENT * largest)


def content_bytes(network: FeatureNetwork, recipe: Recipe) -> float:
    """Content targets in bytes per pixel."""
    topology = network.topology
    layers = set(recipe.content_layers) & set(recipe.layers)
    return sum(4 * topology.width(layer) / topology.stride(layer) ** 2 for layer in layers)
