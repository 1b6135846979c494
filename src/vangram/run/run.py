"""Style transfer, content reconstruction and texture synthesis.

Gatys, Ecker and Bethge, "A Neural Algorithm of Artistic Style" (2015; CVPR 2016): find the picture
whose features are the photograph's and whose Gram matrices are the painting's, by gradient descent
on its pixels, from coarse to fine. With the photograph alone, the result shows the information in a
layer; with the painting alone, it is a texture.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from torch import Tensor

from vangram.engines import engine_for
from vangram.engines.ranks import Ranks
from vangram.images import Source, fit, resize
from vangram.networks import FeatureNetwork
from vangram.objective import Evaluate, Objective
from vangram.objective.targets import content_targets
from vangram.optimize import Level, LevelState, Optimizer, RunState, Step, coarse_to_fine, descend
from vangram.run.inputs import (
    OtherInputs,
    RunInputs,
    RunSource,
    Size,
    check_inputs,
    flattened,
    path_of,
    read_inputs,
)
from vangram.run.memory import free_memory
from vangram.run.network import device_for, network_for
from vangram.run.plan import LevelPlan, plan_run
from vangram.run.probe import seconds_per_pixel
from vangram.run.recipe_file import read_recipe_file
from vangram.run.resized import (
    ResizedInputs,
    first_image,
    flicker_stiffness,
    render,
    resize_content,
    resize_inputs,
    upsample,
    wrap_evaluate,
)
from vangram.run.result import Painting, record_of
from vangram.run.target_cache import cached_style_targets
from vangram.run.warp import WarpedResult
from vangram.settings.inputs import Inputs
from vangram.settings.keywords import (
    ReconstructSettings,
    StylizeSettings,
    TextureSettings,
    recipe_from,
)
from vangram.settings.kinds import STYLIZE, Kind
from vangram.settings.recipe import Recipe
from vangram.settings.record import Record
from vangram.storage.tensors import return_freed_memory

if TYPE_CHECKING:
    from typing_extensions import Unpack


class RunKeywords(OtherInputs, StylizeSettings, ReconstructSettings, TextureSettings, total=False):
    """Keyword arguments of a run of any kind."""


@dataclass(frozen=True, eq=False)
class Run:
    """A run, prepared and checked; iterating over it computes it step by step."""

    record: Record
    inputs: RunInputs
    network: FeatureNetwork
    plans: tuple[LevelPlan, ...]
    """The plan of each level, from coarse to fine."""

    def __iter__(self) -> Iterator[Step]:
        return self.steps()

    def steps(self, since: RunState | None = None) -> Iterator[Step]:
        """The steps of all levels, from coarse to fine; each starts from the last one's image.

        Args:
            since: the state of an earlier process's run with the same record; the steps that follow
                are the same to the last bit.
        """
        coarse: Tensor | None = None  # the photograph at the last level's size
        for plan in self.plans:
            if since and since.has_finished(plan.level):
                continue
            return_freed_memory()  # the last level's, too fragmented for this one's tensors
            inputs = resize_inputs(self.inputs, plan)
            steps = self._begin(plan, inputs, coarse, since)
            coarse = inputs.content if plan is not self.plans[-1] else None
            del inputs
            for step in steps:
                since = step.state
                yield step

    def _begin(
        self, plan: LevelPlan, inputs: ResizedInputs, coarse: Tensor | None, since: RunState | None
    ) -> Iterator[Step]:
        """The remaining steps of a level; no reference to its initial state is kept here."""
        evaluate = self.evaluate(plan, self.objective(plan, inputs), inputs)
        optimizer = plan.new_optimizer(flicker_stiffness(inputs, self.recipe))
        begin = self._begin_state(plan, inputs, coarse, since, optimizer)
        return descend(begin, evaluate, optimizer, plan.level, self.recipe.tolerance)

    def _begin_state(
        self,
        plan: LevelPlan,
        inputs: ResizedInputs,
        coarse: Tensor | None,
        since: RunState | None,
        optimizer: Optimizer,
    ) -> LevelState:
        """Initial state of a level: the first image, the last level's result, or `since`."""
        if since is None:
            return LevelState.start(first_image(self.inputs, inputs, plan))
        if since.level < plan.level.number:
            image, content = since.image, None
            if self.recipe.init == "content":
                content = inputs.content
                if coarse is None:  # computed by an earlier process
                    coarse = resize_content(self.inputs, (image.shape[2], image.shape[3]), plan)
            return LevelState.start(upsample(image, content, coarse, plan))
        since = since.to(plan.storage.device_for(plan.device))
        assert since.optimizer is not None  # as the level is not done
        optimizer.restore(since.optimizer)
        return since.level_state

    def objective(self, plan: LevelPlan, inputs: ResizedInputs) -> Objective:
        """The loss of a level."""
        recipe, network, tile, storage = self.recipe, self.network, plan.tile, plan.storage
        content: dict[str, Tensor] = {}
        if recipe.wants_content and inputs.content is not None:
            layers = recipe.content_layers
            content = content_targets(network, inputs.content, layers, tile, storage)
        style = cached_style_targets(self.inputs, recipe, network, plan, inputs.visible)
        return Objective.with_targets(
            recipe, network.topology, plan.level.size, content, style, storage, inputs.visible
        )

    def evaluate(self, plan: LevelPlan, objective: Objective, inputs: ResizedInputs) -> Evaluate:
        """Value and gradient of a level's loss, whole or in tiles."""
        size, devices = plan.level.size, plan.devices
        engine = engine_for(size, plan.tile, self.network, objective, devices, strips=plan.strips)
        return wrap_evaluate(engine, inputs, self.recipe, plan.storage)

    @classmethod
    def prepare(
        cls,
        content: Source | None = None,
        *styles: Source | Sequence[Source],
        kind: Kind = STYLIZE,
        **given: Unpack[RunKeywords],
    ) -> Run:
        """Read and check everything that a run needs; nothing is computed yet.

        Args:
            content: the photograph; not needed for a texture.
            styles: the paintings, or lists of them; not needed for a content reconstruction.
            kind: its defaults hold, unless a recipe or a preset is given.
            given: `start`, `parameters`, `mask`, `style_masks`, `keep`, `before`, `before_frame`,
                `flow`, `flow_back`, as in `Inputs`; the settings of `Recipe`, of which layers,
                shares and memory may be text as at the command line; a `recipe`, its file, or the
                name of a `preset` that they change; and `strength`.

        Raises:
            InputError: an input or a setting cannot be used.
        """
        settings: dict[str, Any] = {**given}
        other = {
            name: settings.pop(name) for name in OtherInputs.__annotations__ if name in settings
        }
        if isinstance(path := settings.get("recipe"), str | os.PathLike):
            settings["recipe"] = read_recipe_file(path)
        recipe = recipe_from(kind, settings)
        masks = flattened([other.pop("style_masks", ())])
        inputs = Inputs[RunSource](
            content=content, styles=flattened(styles), style_masks=masks, **other
        )
        if "init" not in settings and (inputs.start is not None or inputs.before is not None):
            recipe = recipe.replace(init="picture" if inputs.before is None else "before")
        return cls.of(inputs, recipe)

    @classmethod
    def of(
        cls, inputs: Inputs[RunSource], recipe: Recipe, others: WarpedResult | None = None
    ) -> Run:
        """The run of these inputs with a recipe; raises as `prepare`.

        `others` are the results of other frames, warped, for `init` "before" in a film.

        The memory is recorded only where it limits the run, so that results of a usual size do not
        depend on other programs.
        """
        check_inputs(inputs, recipe, others)
        decoded = read_inputs(inputs, recipe, others)
        device = device_for(recipe.device)
        file = None if inputs.parameters is None else path_of(inputs.parameters, "parameters")
        network = network_for(recipe, file, device, decoded.images)
        record = record_of(recipe, inputs, decoded.pictures, network)
        size = fit(decoded.proportions, recipe.size)
        levels = coarse_to_fine(size, decoded.least_size(network.topology), recipe)
        memory = recipe.memory or free_memory(device)
        devices = 1 if Ranks.current is None else Ranks.current.count(device)
        plan = plan_run(levels, recipe, network, decoded.memory, memory, devices)
        if plan.limited:
            record = replace(record, recipe=recipe.replace(memory=memory))
        return cls(record, decoded, network.view(winograd=plan.winograd), plan.levels)

    @property
    def recipe(self) -> Recipe:
        """The settings, with the memory where it limits the run."""
        return self.record.recipe

    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels, from coarse to fine."""
        return tuple(plan.level for plan in self.plans)

    def expected_seconds(self, done: float = 0.0) -> float:
        """Expected time of all remaining steps, from one timed evaluation.

        Args:
            done: share of the work that is done.
        """
        levels, picture = self.levels, self.inputs.images[0]
        pixel = seconds_per_pixel(self.recipe, self.network, picture, levels[0], levels[-1])
        return (1 - done) * pixel * sum(plan.work for plan in self.plans)

    def painting(self, image: Tensor, *, finished: bool = True) -> Painting:
        """The result at full size, from the image of any step."""
        return_freed_memory()  # the last evaluation's, for the encoder
        size, content = self.levels[-1].size, self.inputs.pictures.content
        alpha = None if content is None else content.alpha
        return Painting(
            pixels=self.shown(image, size),
            alpha=None if alpha is None else resize(alpha, size),
            exif=None if content is None else content.exif,
            record=replace(self.record, finished=finished),
        )

    def shown(self, image: Tensor, size: Size) -> Tensor:
        """The image of any step as the result shows it: in range, with its colour setting applied.

        Args:
            image: (1, 3, H, W), of any level.
            size: (height, width) of the picture returned.

        Returns:
            (1, 3, height, width) in [0, 1], on the CPU.
        """
        return render(self.inputs, image, size, self.plans[-1].storage)
