"""The worker's process: runs jobs, one at a time, until the server ends.

It runs them as the command line does: `vangram.run`, with the same checkpoints beside the picture,
so that either can go on with what the other began.
"""

from __future__ import annotations

import math
import os
import sys
import time
import traceback
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock

from vangram.errors import CheckpointError, line_of
from vangram.images import fit, write_picture
from vangram.images.quality import PREVIEW_QUALITY, THUMBNAIL_QUALITY
from vangram.optimize import RunState, Step
from vangram.run import Run
from vangram.run.carry_out import keep_picture, take_steps
from vangram.run.checkpointer import Checkpointer
from vangram.run.progress import Pace, done_before, plan_of, progress_of
from vangram.run.recipe_file import recorded_or_none
from vangram.run.resume import resumed, unfinished
from vangram.run.side_writes import SideWrites
from vangram.settings.recipe import Recipe
from vangram.storage.allocator import keep_freed_memory
from vangram.studio.messages import Pipe
from vangram.studio.planning import prepared
from vangram.studio.sizes import PREVIEW
from vangram.studio.sweeps import Sweep

SECONDS_BETWEEN_MESSAGES = 0.25
SECONDS_BETWEEN_PREVIEWS = 2.0
LARGEST_SHARE = 0.03
"""Largest share of a run's time for previews."""
HEAVY = 1_500_000_000
"""Most bytes that an idle worker may hold; one that holds more ends, as it keeps freed memory."""


class AskedError(Exception):
    """The server asked to end the run: "pause", "stop", "cancel", or "leave" as it ends itself."""


class Watch:
    """Reports a run's steps to the server, and receives its requests.

    Args:
        pipe: to the server.
        job: what is run.
    """

    def __init__(self, pipe: Pipe, job: Mapping[str, Any]) -> None:
        self.pipe, self.job = pipe, job
        self.losses: list[tuple[int, int, float]] = []
        self.progress: dict[str, Any] = {}
        self.sent = -math.inf
        self.writes = SideWrites(self.note, SECONDS_BETWEEN_PREVIEWS, LARGEST_SHARE, self.sent)
        self.previews = int(job["previews"])
        self.pace = Pace()

    def begin(self, run: Run, position: RunState | None) -> None:
        """Report the run's plan, and the level and step at which it begins."""
        self.pace = Pace(done_before(position, run.levels))
        level, step = (position.level, position.level_state.number) if position else (0, 0)
        self.pipe.send(event="begun", plan=plan_of(run), level=level, step=step)

    def hear(self) -> None:
        """End the run if the server has asked for that.

        Raises:
            AskedError: the server has asked.
        """
        while (message := self.pipe.poll()) is not None:
            raise AskedError(message["what"])
        if self.pipe.closed:
            raise AskedError("leave")

    def tell(self, step: Step, run: Run) -> None:
        """Report a step."""
        self.losses.append((step.level.number, step.number, step.loss))
        now = time.monotonic()
        due = step.last or step.note or now - self.sent >= SECONDS_BETWEEN_MESSAGES
        if due and (self.writes.is_due or step.last):
            self.previews += self.writes(lambda: self._write_preview(step, run))
        progress = progress_of(step, self.pace.seconds_left(step.done))
        self.progress = progress | {"preview": self.previews}
        if due:
            self.flush()
        self.hear()

    def flush(self) -> None:
        """Send the steps that were not sent yet."""
        if self.losses:
            self.pipe.send(event="progress", losses=self.losses, progress=self.progress)
            self.losses, self.sent = [], time.monotonic()

    def _write_preview(self, step: Step, run: Run) -> None:
        """Write a preview, small and in full size."""
        size, path = step.level.size, Path(self.job["preview"])
        small = run.shown(step.image, fit(size, PREVIEW, enlarge=False))
        write_picture(path, small, quality=THUMBNAIL_QUALITY)
        if max(size) > PREVIEW and not run.plans[step.level.number - 1].spilled:
            full = Path(self.job["full_preview"])
            write_picture(full, run.shown(step.image, size), quality=PREVIEW_QUALITY)

    def note(self, line: str) -> None:
        """Send a note about a fault that was handled."""
        self.pipe.send(event="note", note=line)


def main() -> None:
    """Run jobs until the server ends; the argument is the lock file of the folder's one worker."""
    pipe = Pipe()
    keep_freed_memory()
    # A worker whose server was killed ends after the step that it is at.
    with FileLock(sys.argv[1]):
        while (job := pipe.receive()) is not None:
            if job["what"] != "run":  # too late for a job that has ended
                continue
            ended = run_job(pipe, job)
            leaves = psutil.Process().memory_info().rss > HEAVY
            pipe.send(event="ended", leaves=leaves, **ended)
            if leaves:
                return


def run_job(pipe: Pipe, job: Mapping[str, Any]) -> dict[str, Any]:
    """Run a job, and return its state and error."""
    watch = Watch(pipe, job)
    try:
        run = run_sweep if job["kind"] == "sweep" else run_picture
        return {"state": run(watch, job), "error": None}
    except AskedError as asked:
        return {"state": str(asked), "error": None}
    except Exception as error:
        if os.environ.get("VANGRAM_TRACEBACK"):
            traceback.print_exception(error)
        return {"state": "failed", "error": line_of(error)}


def run_picture(watch: Watch, job: Mapping[str, Any]) -> str:
    """Make a picture, or continue one; returns the state in which the job ends."""
    output = Path(job["output"])
    record = recorded_or_none(output)
    if record is not None and record.finished:  # the worker was killed before it could say so
        return "finished"
    with closing(Checkpointer(output, warn=watch.note, force=True)) as kept:
        run = _continued(watch, job, kept)
        if run is None:
            kept.discard()
            run = prepared(job["inputs"], Recipe.from_dict(job["recipe"]))
        watch.begin(run, kept.position)
        position: RunState | None = None
        stopped: BaseException | None = None
        if job["asked"] == "stop":  # of a job that was paused: what it has is all that is wanted
            position, stopped = kept.position, AskedError("stop")
        else:
            position, stopped = take_steps(run, kept, lambda step: watch.tell(step, run))
            watch.flush()
        if isinstance(stopped, AskedError) and str(stopped) in ("pause", "leave"):
            kept.stop(position)
            return str(stopped)
        if isinstance(stopped, AskedError) and str(stopped) == "cancel":
            kept.remove()
            return "cancel"
        keep_picture(run, position, stopped, kept)
    if stopped is not None and not isinstance(stopped, AskedError):
        raise stopped
    return "finished" if stopped is None else "stop"


def run_sweep(watch: Watch, job: Mapping[str, Any]) -> str:
    """Make the missing pictures of a sweep; returns the state in which the job ends."""
    sweep = Sweep.prepare(job)
    watch.pipe.send(event="begun", plan=None, level=0, step=0)
    for progress in sweep.make():
        now = time.monotonic()
        if progress["cells"] or now - watch.sent >= SECONDS_BETWEEN_MESSAGES:
            watch.sent = now
            left = watch.pace.seconds_left(progress["done"])
            watch.pipe.send(event="sweep", progress=progress | {"seconds_left": left})
        watch.hear()
    sweep.finish()
    return "finished"


def _continued(watch: Watch, job: Mapping[str, Any], kept: Checkpointer) -> Run | None:
    """The run that an earlier worker began; None where there is none, or it cannot go on."""
    try:
        record = unfinished(kept)
        if record is None:
            return None
        return resumed(prepared(job["inputs"], record.recipe), record)
    except CheckpointError:
        watch.note("the checkpoint cannot be used, so the run began anew")
        return None


if __name__ == "__main__":
    main()
