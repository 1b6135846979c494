"""What a run is computed with, so that it fits into the memory it is given.

The model is a sum of what is known to be there: the process, the network, the pictures given, the
optimiser's vectors, the content targets, and what a trace of the picture, or of one tile of it,
keeps. It depends on nothing but the recipe, the network and the pictures' sizes, so that the same
run is computed the same way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from vangram.errors import SizeError
from vangram.kernels import GPU_BLOCK_BYTES
from vangram.networks import FeatureNetwork
from vangram.networks.geometry import Core, best_core_size, core_sides, grid, window_size
from vangram.optimize import LBFGS, Level
from vangram.settings.recipe import Recipe

MB = 2**20
PROCESS = 400 * MB
"""Interpreter, torch, the compiler and the command line; measured at 340 MB."""
CONTEXT = 700 * MB
"""Of a GPU's memory: what the driver and the libraries take there."""
SAFE = 0.7
"""Share of what is free that a run takes when it is not told."""
FILLED = 0.93
"""Share of the memory given that the model may fill: peaks of one run came out 10 % apart."""
FRAGMENTS = 1.5
"""What freed memory that is kept costs beside what is used; measured at 1.2 to 1.4."""
TRANSIENT = 3
"""Tensors of the largest layer's size that come and go beside what a trace keeps."""
WINOGRAD = 8
"""What Winograd's filters take, for both ways, beside plain ones."""
WORKSPACE = 64 * MB
"""Of Winograd's, at most."""
HISTORIES = (20, 10, 7, 5, 3)
"""Pairs of L-BFGS, from what it likes to the least that is worth it."""
GOOD_TILE = 512
"""Pixels of a core, below which a shorter history is tried, and at last files: these cost less than
the halos of smaller tiles."""
BANDS = 96 * MB
"""What is touched at a time of tensors that are spilled to files."""
STRIDES = 4
"""Of the deepest layer, for a core to be worth its halo."""
NO_MATTER = 0.8
"""Share of the room for tiles that vectors may leave, before they go to files."""
ADAM_VECTORS = 10
"""Images, moments and gradients of Adam, the last step's among them."""
PIXEL = 12
"""Bytes of a pixel in float32."""
TWICE = 1.1
"""What an evaluation costs when features are computed twice, beside once, for a pixel of all tiles;
measured. What deep layers are spared of halos makes up for most of the second time."""
BESIDE = 1.15
"""What a step costs beside its evaluation: the optimiser, and steps that are tried in vain."""
TARGETS = 2
"""Evaluations whose time goes into a level's targets."""
WRITING = 6
"""Bytes of a pixel while a picture is written, when nothing is left of the last evaluation: Pillow
takes four, and JPEG's and WebP's encoders some."""


@dataclass(frozen=True)
class Means:
    """What a level is computed with."""

    tile: Core | None
    """Pixels of a tile's core; None: all at once."""
    optimizer: str
    history: int
    """Pairs that L-BFGS keeps."""
    spilled: bool
    """Whether tensors of the picture's size live in files."""
    bytes: int
    """Expected of the whole process, at most."""
    instead: bool = False
    """Whether more memory would have allowed more pairs."""

    def __str__(self) -> str:
        """In words, for whoever starts a run."""
        where = "all at once"
        if self.tile is not None:
            height, width = core_sides(self.tile)
            where = f"in tiles of {width} x {height} px"
        how = f"L-BFGS with {self.history} pairs" if self.optimizer == "lbfgs" else "Adam"
        if self.instead:
            how += f" instead of {HISTORIES[0]}, for which more memory would be needed"
        files = ", large tensors in files" if self.spilled else ""
        return f"{where}, {how}{files}, about {self.bytes / 1e9:.1f} GB"


def means_for(level: Level, recipe: Recipe, network: FeatureNetwork, given: int) -> Means:
    """The fastest means that keep to the recipe's memory.

    For a GPU it is its memory that counts: what lives in files, and the pictures given, are
    elsewhere.

    Args:
        level: its size.
        recipe: memory, layers, optimiser; a `tile` is taken as it is.
        network: its parameters and its topology.
        given: pixels of the pictures given, all together.

    Raises:
        SizeError: nothing fits.
    """
    size, memory, name = level.size, recipe.memory, recipe.optimizer
    model, pixels = _Model(level, recipe, network, given), math.prod(size)
    histories = HISTORIES if name == "lbfgs" else (0,)
    if recipe.tile is not None or memory is None:
        square = recipe.tile if recipe.tile and max(size) > recipe.tile else None
        return Means(square, name, histories[0], False, model.bytes(square, histories[0]))

    def in_memory(pairs: int) -> Means:
        core = model.core(model.room(memory, pairs))
        return Means(
            core, name, pairs, False, model.bytes(core, pairs), instead=pairs < histories[0]
        )

    for pairs in histories:
        if model.room(memory, pairs) >= model.padded(GOOD_TILE):
            return in_memory(pairs)
    room = model.room_when_spilled(memory)
    if room >= model.padded(model.smallest):
        for pairs in histories:  # a small picture's vectors are no matter
            if model.room(memory, pairs) >= NO_MATTER * min(room, pixels):
                return in_memory(pairs)
        core, pairs = model.core(room), histories[-1]
        expected = model.bytes_when_spilled(core)
        return Means(core, name, pairs, True, expected, instead=pairs < histories[0])
    needed = model.bytes_when_spilled((model.smallest, model.smallest)) / FILLED
    raise SizeError(
        f"{memory / 1e9:.2g} GB do not suffice for {size[1]} x {size[0]} px: give at least "
        f"--memory {math.ceil(needed / 1e8) / 10:g}GB"
    )


class _Model:
    """What a level takes, in bytes, and what tiles there is room for, in pixels with halos."""

    def __init__(self, level: Level, recipe: Recipe, network: FeatureNetwork, given: int) -> None:
        self.size, self.layers, self.topology = level.size, recipe.layers, network.topology
        self.pixels = math.prod(level.size)
        beside = CONTEXT if network.mean.is_cuda else PROCESS + (PIXEL + 4) * given
        self.fixed = beside + network_bytes(network, recipe)
        self.trace = trace_bytes(network, recipe)
        self.content = content_bytes(network, recipe) * self.pixels
        # The picture as the network sees it, where that is another one.
        self.grey = 1 if recipe.colour == "luminance" else 0
        self.smallest = STRIDES * max(self.topology.stride(layer) for layer in self.layers)

    def padded(self, core: int) -> int:
        """A square core with its halo."""
        side = core + 2 * self.topology.halo(self.layers)
        return math.prod(min(side, length) for length in self.size)

    def core(self, room: float) -> Core | None:
        """The best core for that room; none where there is room for the whole picture."""
        if room >= self.pixels:
            return None
        return best_core_size(room, self.size, self.topology, self.layers)

    def room(self, memory: int, pairs: int) -> float:
        """For a tile, beside the optimiser's vectors; none of its pairs are Adam's."""
        return (FILLED * memory - self._beside(pairs)) / self.trace

    def room_when_spilled(self, memory: int) -> float:
        """For a tile, where tensors of the picture's size live in files."""
        enough_to_write = memory >= self.fixed + WRITING * self.pixels
        return (FILLED * memory - self.fixed - BANDS) / self.trace if enough_to_write else 0.0

    def bytes(self, core: Core | None, pairs: int) -> int:
        """All together."""
        return math.ceil(self._beside(pairs) + self._tile(core))

    def bytes_when_spilled(self, core: Core | None) -> int:
        """All together, less what lives in files."""
        return math.ceil(self.fixed + max(self._tile(core) + BANDS, WRITING * self.pixels))

    def _beside(self, pairs: int) -> float:
        vectors = (LBFGS.VECTORS + 2 * pairs if pairs else ADAM_VECTORS) + self.grey
        return self.fixed + PIXEL * self.pixels * vectors + self.content

    def _tile(self, core: Core | None) -> float:
        if core is None:
            return self.trace * self.pixels
        tiles = grid(self.size, core, self.topology, self.layers)
        return self.trace * max(math.prod(window_size(tile.padded)) for tile in tiles)


def work_of(level: Level, means: Means, recipe: Recipe, network: FeatureNetwork) -> float:
    """A level's work, in pixels that are evaluated at once.

    Tiles see their halos as well, and go the way to the features twice.
    """
    height, width = level.size
    evaluated = float(height * width)
    if means.tile is not None:
        tiles = grid(level.size, means.tile, network.topology, recipe.layers)
        evaluated = TWICE * sum(math.prod(window_size(tile.padded)) for tile in tiles)
    return (level.steps * BESIDE + TARGETS) * evaluated


def free_memory(device: torch.device) -> int:
    """A safe part of the memory that is free, in bytes, rounded so that it does not waver."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        free += torch.cuda.memory_reserved(device)
    else:
        free = psutil.virtual_memory().available + psutil.Process().memory_info().rss
        limit = Path("/sys/fs/cgroup/memory.max")
        if limit.exists() and limit.read_text().strip().isdigit():
            free = min(free, int(limit.read_text()))
    step = 1 << max(int(free * SAFE).bit_length() - 3, 0)
    return int(free * SAFE) // step * step


def has_room_for_winograd(network: FeatureNetwork, recipe: Recipe, memory: int) -> bool:
    """Whether transformed filters take no more than a third of the memory.

    On a GPU they always have: its library can take gigabytes for what it does instead.
    """
    return network.mean.is_cuda or WINOGRAD * _filters(network, recipe) <= memory / 3


def network_bytes(network: FeatureNetwork, recipe: Recipe) -> int:
    """Parameters, filters turned for the way back, and what Winograd needs beside them."""
    plain = sum(parameter.numel() * 4 for parameter in network.parameters())
    filters = _filters(network, recipe)
    workspace = GPU_BLOCK_BYTES if network.mean.is_cuda else WORKSPACE
    return plain + filters + (WINOGRAD * filters + workspace if network.uses_winograd else 0)


def _filters(network: FeatureNetwork, recipe: Recipe) -> int:
    """Bytes of the filters that a recipe's layers need."""
    used = network.topology.up_to(recipe.layers).convolutions
    return sum(
        p.numel() * 4 for name in used for p in network.get_submodule(f"conv{name}").parameters()
    )


def trace_bytes(network: FeatureNetwork, recipe: Recipe) -> float:
    """What the trace of a picture keeps, in bytes per pixel."""
    topology = network.topology
    kept, largest = 0.0, 0.0
    for name in topology.up_to(recipe.layers).convolutions:
        block = int(name[0])
        activation = 4 * topology.widths[block - 1] / 4 ** (block - 1)
        kept, largest = kept + activation, max(largest, activation)
    for layer in set(recipe.layers) & topology.heads.keys():
        features = 4 * topology.width(layer) / topology.stride(layer) ** 2
        kept, largest = kept + features, max(largest, features)
    return FRAGMENTS * (kept + TRANSIENT * largest)


def content_bytes(network: FeatureNetwork, recipe: Recipe) -> float:
    """Content targets in bytes per pixel."""
    topology = network.topology
    layers = set(recipe.content_layers) & set(recipe.layers)
    return sum(4 * topology.width(layer) / topology.stride(layer) ** 2 for layer in layers)
