"""The plan of a run: how each level is computed, decided once, before the start."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vangram.engines.distributed import shares
from vangram.errors import SizeError
from vangram.networks import FeatureNetwork
from vangram.networks.tiles import Core, core_sides, grid, window_size
from vangram.optimize import LBFGS, Adam, Level, Optimizer
from vangram.run.memory import FILL_SHARE, InputMemory, MemoryModel, has_room_for_winograd
from vangram.settings.recipe import OptimizerName, Recipe
from vangram.storage.tensors import IN_MEMORY, SpilledStorage, Storage

HISTORIES = (20, 10, 7, 5, 3)
"""Numbers of pairs that L-BFGS may keep, the best first."""
GOOD_TILE = 512
"""Pixels of a core, below which a shorter history, then files, are tried: these cost less than the
halos of smaller tiles."""
ENOUGH_ROOM = 0.8
"""Share of the room for tiles at which vectors stay in memory, because files would gain little."""
TILED_OVERHEAD = 1.1
"""Cost of a tiled evaluation per padded pixel, relative to a whole one; measured. Features are
computed twice, which the deep layers' smaller halos make up for."""
WORTH_SHARING = 0.85
"""Largest share of a level's pixels on any device at which several devices share it: halos and
messages take the rest."""
ROWS_FOR_MESSAGES = 64
"""Rows of a strip that would take as long as the messages of an evaluation; measured."""
STEP_OVERHEAD = 1.15
"""Cost of a step relative to its evaluation: the optimiser, and steps that are tried in vain."""
TARGET_EVALUATIONS = 2
"""Cost of a level's targets, in evaluations."""


@dataclass(frozen=True)
class LevelPlan:
    """How one level is computed."""

    level: Level
    device: torch.device
    """Device that computes this level."""
    tile: Core | None
    """Pixels of a tile's core, for which there is memory; None: the whole picture at once."""
    optimizer: OptimizerName
    history: int
    """Pairs that L-BFGS keeps; 0 for Adam."""
    storage: Storage
    """Storage of tensors of the picture's size."""
    bytes: int
    """Expected peak of the process, or of the GPU's memory."""
    work: float
    """Pixels to evaluate, over all steps, on the device that has most of them."""
    limited: bool
    """Whether more memory would have changed anything."""
    devices: int = 1
    """Ranks that share the picture."""
    tiles: int = 1
    strips: bool = False
    """Whether each rank evaluates a strip, instead of tiles."""

    @property
    def spilled(self) -> bool:
        """Whether tensors of the picture's size live in files."""
        return self.storage is not IN_MEMORY

    @property
    def shortened(self) -> bool:
        """Whether more memory would have allowed more pairs."""
        return self.optimizer == "lbfgs" and self.history < HISTORIES[0]

    def place(self, tensor: Tensor) -> Tensor:
        """The tensor on the device where this level's tensors of the picture's size live."""
        return tensor.to(self.storage.device_for(self.device))

    def new_optimizer(self, stiffness: Tensor | None) -> Optimizer:
        """The level's optimiser, before its first step; `stiffness` as in `LBFGS`."""
        if self.optimizer == "lbfgs":
            return LBFGS(self.history, self.storage, stiffness)
        return Adam(storage=self.storage)

    @property
    def division(self) -> str:
        """Devices and tiles in words."""
        if self.devices == 1:
            return "one device"
        if self.strips:
            return f"{self.devices} devices, a strip each"
        each = -(-self.tiles // self.devices)
        most = "at most " if self.tiles % self.devices else ""
        return f"{self.devices} devices, {most}{each} tile{'s' * (each > 1)} each"

    def __str__(self) -> str:
        """The plan in words, for the line that is printed before the start."""
        where = "all at once"
        if self.strips:
            where = "in strips"
        elif self.tile is not None:
            height, width = core_sides(self.tile)
            where = f"in tiles of {width} x {height} px"
        how = f"L-BFGS with {self.history} pairs" if self.optimizer == "lbfgs" else "Adam"
        if self.shortened:
            how += f" instead of {HISTORIES[0]}, for which more memory would be needed"
        files = ", large tensors in files" if self.spilled else ""
        return f"{where}, {how}{files}, about {self.bytes / 1e9:.1f} GB"


@dataclass(frozen=True)
class RunPlan:
    """How a run is computed within its memory."""

    levels: tuple[LevelPlan, ...]
    winograd: bool
    """Whether there is room for Winograd's filters."""
    limited: bool
    """Whether more memory would have changed anything."""


def plan_run(
    levels: Sequence[Level],
    recipe: Recipe,
    network: FeatureNetwork,
    inputs: InputMemory,
    memory: int,
    devices: int = 1,
) -> RunPlan:
    """The fastest way to compute all levels within a number of bytes.

    Args:
        levels: from coarse to fine.
        recipe: layers and optimiser; its `tile` is taken whatever the memory, with a full history.
        network: its parameters and topology, and whether it uses Winograd's filters.
        inputs: of the run.
        memory: bytes of the process, or of the GPU.
        devices: ranks that may share the tiles.

    Raises:
        SizeError: nothing fits.
    """

    def planned(network: FeatureNetwork) -> tuple[LevelPlan, ...]:
        return tuple(
            plan_level(level, recipe, network, inputs, memory, devices) for level in levels
        )

    plans = None
    if has_room_for_winograd(network, recipe, memory):
        try:
            plans = planned(network)
        except SizeError:  # Winograd's filters may be what is too much
            plans = None
    if plans is None:
        return RunPlan(planned(network.view(winograd=False)), winograd=False, limited=True)
    return RunPlan(plans, winograd=True, limited=any(plan.limited for plan in plans))


def plan_level(
    level: Level,
    recipe: Recipe,
    network: FeatureNetwork,
    inputs: InputMemory,
    memory: int,
    devices: int = 1,
) -> LevelPlan:
    """The fastest way to compute a level within a number of bytes.

    Args:
        level: its size and steps.
        recipe: layers and optimiser; its `tile` is taken whatever the memory, with a full history.
        network: its parameters and topology, and whether it uses Winograd's filters.
        inputs: of the run.
        memory: bytes of the process, or of the GPU.
        devices: ranks that may share the tiles.

    Raises:
        SizeError: nothing fits.
    """
    size, pixels = level.size, math.prod(level.size)
    model, device = MemoryModel(size, recipe, network, inputs), network.mean.device
    histories = HISTORIES if recipe.optimizer == "lbfgs" else (0,)

    def divided(core: Core | None, count: int) -> tuple[float, int]:
        """Pixels to evaluate on the device that has most of them, and the number of tiles."""
        if core is None:
            return float(pixels), 1
        tiles = list(grid(size, core, network.topology, recipe.layers))
        areas = [
            sum(math.prod(window_size(tile.padded)) for tile in share)
            for share in shares(tiles, count)
        ]
        overhead = TILED_OVERHEAD if len(tiles) > count else 1.0  # the last features are kept
        return overhead * max(areas), len(tiles)

    def plan(room: float, pairs: int, storage: Storage = IN_MEMORY) -> LevelPlan:
        core, count, limited = model.core(room), 1, room < pixels
        if recipe.tile is not None:
            core, limited = recipe.tile if max(size) > recipe.tile else None, False
        evaluated, tiles = divided(core, 1)
        strips = False
        if devices > 1:
            largest, number = model.strips(devices)
            strips = recipe.tile is None and largest <= room
            if strips:
                shared, sharing, wants_more = core, number, False
                less = largest + ROWS_FOR_MESSAGES * size[1]
            else:
                shared, sharing = recipe.tile or model.shared_core(room, devices), devices
                less, number = divided(shared, devices)
                wants_more = recipe.tile is None
            if less < WORTH_SHARING * evaluated:
                core, count, evaluated, tiles, limited = shared, sharing, less, number, wants_more
            else:
                strips = False
        spilled = storage is not IN_MEMORY
        expected = model.bytes_when_spilled(core) if spilled else model.bytes(core, pairs)
        work = (level.steps * STEP_OVERHEAD + TARGET_EVALUATIONS) * evaluated
        limited = limited or spilled or pairs < histories[0]
        return LevelPlan(
            level, device, core, recipe.optimizer, pairs, storage, expected, work, limited, count,
            tiles, strips,
        )  # fmt: skip

    if recipe.tile is not None:
        return plan(pixels, histories[0])
    for pairs in histories:
        if (room := model.room(memory, pairs)) >= model.padded(GOOD_TILE):
            return plan(room, pairs)
    room = model.room_when_spilled(memory)
    if room < model.padded(model.smallest):
        needed = model.bytes_when_spilled((model.smallest, model.smallest)) / FILL_SHARE
        raise SizeError(
            f"{memory / 1e9:.2g} GB do not suffice for {size[1]} x {size[0]} px: give at least "
            f"--memory {math.ceil(needed / 1e8) / 10:g}GB"
        )
    for pairs in histories:
        if (beside := model.room(memory, pairs)) >= ENOUGH_ROOM * min(room, pixels):
            return plan(beside, pairs)
    storage = SpilledStorage(memory=memory if device.type == "cpu" else None)
    return plan(room, histories[-1], storage)
