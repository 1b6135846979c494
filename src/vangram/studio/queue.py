"""The queue of jobs: saved on the disk, run one after the other, independent of any client.

A job's state is saved before an event reports it, and the worker saves checkpoints beside the
picture. So after a crash of any process the queue is the same, and the run continues.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

from vangram.errors import VangramError, line_of
from vangram.studio.child import Child
from vangram.studio.events import Hub
from vangram.studio.folder import Folder
from vangram.studio.history import History, id_of
from vangram.studio.pictures import Pictures, now
from vangram.studio.refusals import Refused, conflict, missing
from vangram.studio.requests import JobBody
from vangram.studio.store import Loss, Store

State = Literal["queued", "running", "paused", "finished", "stopped", "failed", "cancelled"]
ENDED = ("finished", "stopped", "failed", "cancelled")
MOST_QUEUED = 1000
MOST_ENDED = 300
"""Most ended jobs in the list; the pictures of older ones are kept, drafts are not."""
MOST_LOSSES = 2000
"""Most losses in the description of a job; a longer list is thinned out evenly."""
SECONDS_BETWEEN_SAVES = 2.0
"""Interval of saving losses; after a crash, those since the last checkpoint come again."""
SECONDS_TO_CANCEL = 3.0
"""Time for a cancelled worker to end before it is killed."""
SECONDS_TO_LEAVE = 20.0
"""Time for a worker to write its checkpoint when the server ends."""


@dataclass
class Job:
    """A job: one picture, or the pictures of a sweep."""

    id: str
    kind: str
    request: dict[str, Any]
    """The request's body that made the job."""
    settings: dict[str, Any]
    """Name -> value of every setting; of a sweep, its first picture's."""
    plan: dict[str, Any]
    created: str
    output: str
    """Name of the picture in the output folder, of a draft's file or of a sweep's folder."""
    draft: bool = False
    key: str | None = None
    """The client's `Idempotency-Key`; a repeated one makes no second job."""
    state: State = "queued"
    asked: str | None = None
    """Pending request to the worker: pause, stop, cancel or leave."""
    started: str | None = None
    ended: str | None = None
    progress: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list)
    error: str | None = None
    crashes: int = 0
    """Crashes of the worker since the job was begun or resumed."""
    cells: list[dict[str, Any]] | None = None
    """Cells of a sweep: values, settings, and the picture's file once it is made."""

    @property
    def in_history(self) -> bool:
        """Whether the job's picture is in the output folder."""
        return not self.draft and self.kind != "sweep"


class Queue:
    """Keeps the jobs and lets the worker run them.

    Args:
        folder: paths of the studio's files.
        store: the database.
        pictures: inputs of jobs.
        history: results of jobs.
    """

    def __init__(self, folder: Folder, store: Store, pictures: Pictures, history: History) -> None:
        self.folder, self.store, self.pictures, self.history = folder, store, pictures, history
        self.hub = Hub(self.hello)
        self.server = secrets.token_hex(8)
        self.held: bool = store.state("held", False)
        known = {setting.name for setting in fields(Job)}
        self.jobs = {
            id: Job(**{name: value for name, value in values.items() if name in known})
            for id, values in store.jobs().items()
        }
        waiting = store.state("order", [])
        self.order: list[str] = [id for id in waiting if id in self.jobs]
        """Jobs that wait, in the order to run them; the running one is not among them."""
        self.running: Job | None = None
        self.worker = Child("vangram.studio.worker_process", str(folder.worker_lock))
        self.wake = asyncio.Event()
        self.closing = False
        self.task: asyncio.Task[None] | None = None
        self.unsaved: list[Loss] = []
        self.saved = 0.0
        self.locked = asyncio.Lock()
        """Held while a job is added, so that a key that comes twice at once makes one."""

    # State

    def hello(self) -> dict[str, Any]:
        """The state of server and queue, sent first on every event stream."""
        return {"server": self.server, "version": 1} | self.listing()

    def listing(self, states: Sequence[str] = ()) -> dict[str, Any]:
        """The queue in its order, then those that have ended, the last one first."""
        jobs = [job for job in self._sorted() if not states or job.state in states]
        return {"held": self.held, "jobs": [self.as_json(job) for job in jobs]}

    def get(self, id: str) -> Job:
        """A job.

        Raises:
            Refused: there is none of this id.
        """
        if id not in self.jobs:
            raise missing("job of this id")
        return self.jobs[id]

    def as_json(self, job: Job) -> dict[str, Any]:
        """A job in the form of the HTTP interface."""
        hidden = ("output", "key", "crashes", "cells")
        values = {name: value for name, value in asdict(job).items() if name not in hidden}
        values |= {"place": self._place(job), "cells": None, "result": self._result(job)}
        if job.cells is not None:
            values["cells"] = [
                {
                    "number": number,
                    "values": cell["values"],
                    "settings": cell["settings"],
                    "state": "finished" if cell["file"] else "queued",
                    "url": cell["file"] and f"/api/v1/jobs/{job.id}/cells/{number}",
                }
                for number, cell in enumerate(job.cells)
            ]
        return values

    def losses(self, job: Job) -> list[Loss]:
        """The losses of a job from its beginning, thinned out."""
        if job is self.running:
            self._save_losses(job)
        losses = self.store.losses(job.id)
        every = -(-len(losses) // MOST_LOSSES) or 1
        return [loss for index, loss in enumerate(losses) if (len(losses) - 1 - index) % every == 0]

    def output(self, job: Job) -> Path:
        """Path of a job's picture; for a sweep, the folder of its pictures."""
        return (self.folder.root if job.in_history else self.folder.drafts) / job.output

    def by_picture(self) -> dict[str, str]:
        """Ids of jobs by the names of their pictures in the output folder."""
        return {job.output: job.id for job in self.jobs.values() if job.in_history}

    # Requests

    async def add(
        self, body: JobBody, key: str | None, plan: Callable[[], Any], cells: list[dict[str, Any]]
    ) -> tuple[Job, bool]:
        """Put a job into the queue; returns it, and whether it is new.

        Args:
            body: description of the job.
            key: the client's `Idempotency-Key`; a repeated one makes no second job.
            plan: checks the job, as the run itself would; awaited.
            cells: values and settings of each picture that it makes.

        Raises:
            Refused: the queue is full, or the job cannot be run.
        """
        async with self.locked:
            known = next((job for job in self.jobs.values() if key and job.key == key), None)
            if known is not None:
                return known, False
            if len(self.order) >= MOST_QUEUED:
                raise conflict(f"the queue has {MOST_QUEUED} jobs; wait for some to end")
            planned = await plan()
            id = secrets.token_hex(8)
            sweep = body.kind == "sweep"
            when = datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S")
            name = id if sweep else f"{body.kind}-{when}-{id[:4]}.{body.format}"
            job = Job(
                id=id,
                kind=body.kind,
                request=body.model_dump(exclude_none=True),
                settings=planned.pop("settings"),
                plan=planned,
                created=now(),
                output=f"{id}.{body.format}" if body.draft and not sweep else name,
                draft=body.draft,
                key=key,
                cells=[cell | {"file": None} for cell in cells] if sweep else None,
            )
            self._changed(job, [*self.order, id])
            self.pictures.use(body.pictures())
            self._prune()
        return job, True

    async def pause(self, job: Job) -> None:
        """Pause a job; its progress is kept."""
        if job is self.running:
            await self._ask(job, "pause")
        elif job.state == "queued":
            self._changed(job, self._without(job), state="paused", asked=None)
        else:
            raise _impossible(job, "paused")

    async def resume(self, job: Job) -> None:
        """Continue a job: it becomes the next one in the queue."""
        if job.state not in ("paused", "stopped", "failed"):
            raise _impossible(job, "resumed")
        again = {"asked": None, "error": None, "ended": None, "crashes": 0}
        self._changed(job, [job.id, *self.order], state="queued", **again)

    async def stop(self, job: Job) -> None:
        """End a job early and keep the picture so far."""
        if job is self.running:
            await self._ask(job, "stop")
        elif job.state not in ("paused", "queued"):
            raise _impossible(job, "stopped")
        elif job.progress is None or job.kind == "sweep":
            self._changed(job, self._without(job), state="stopped", asked=None, ended=now())
        else:  # the worker has to write the picture
            self._changed(job, [job.id, *self._without(job)], state="queued", asked="stop")

    async def cancel(self, job: Job) -> None:
        """Cancel a job; nothing of it is kept."""
        if job is self.running:
            await self._ask(job, "cancel")
        elif job.state in ("queued", "paused"):
            self._give_up(job)
        else:
            raise _impossible(job, "cancelled")

    async def move(self, job: Job, to: str | None, before: str | None) -> None:
        """Give a waiting job another place in the queue."""
        if (to is None) == (before is None):
            raise Refused(422, "move takes to (first or last) or before (a job's id), one of them")
        if job.state != "queued":
            raise _impossible(job, "moved")
        order = self._without(job)
        if before is not None and before not in order:
            raise conflict("before names no other job that waits")
        place = 0 if to == "first" else len(order)
        place = order.index(before) if before is not None else place
        self._changed(job, [*order[:place], job.id, *order[place:]])

    def remove(self, job: Job) -> None:
        """Remove an ended job from the list; its picture is kept, a draft is deleted."""
        if job.state not in ENDED:
            raise _impossible(job, "removed from the list: cancel it first")
        self.store.remove_job(job.id)
        self.folder.forget(job.id)
        del self.jobs[job.id]
        self.hub.forget("job", job.id)
        self.hub.forget("progress", job.id)
        self.hub.publish("removed", job.id, {"id": job.id})

    async def hold(self, held: bool) -> None:
        """Hold the queue: begin no job and interrupt the running one; or release it."""
        self.store.save_jobs([], held=held)
        self.held = held
        self.hub.publish("queue", "", self._queue())
        if held and self.running is not None and self.running.asked is None:
            await self._ask(self.running, "leave")
        self.wake.set()

    # Running

    def start(self) -> None:
        """Queue the job that ran when the last server ended, and begin to run jobs."""
        for job in self.jobs.values():
            if job.state == "running":
                self._end(job, "leave", None)
        self.task = asyncio.get_running_loop().create_task(self._drive())

    async def close(self) -> None:
        """Let the worker write its checkpoint, and end the queue."""
        self.closing = True
        self.wake.set()
        self.hub.close()
        await self.worker.close(SECONDS_TO_LEAVE)
        if self.task is not None:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.task, SECONDS_TO_LEAVE)

    async def _drive(self) -> None:
        while not self.closing:
            self.wake.clear()
            job = self._next()
            if job is None:
                await self.wake.wait()
                continue
            try:
                await self._run(job)
            except Exception as error:  # as where the disk is full: the others would fail as well
                self.worker.kill()
                self.held = True
                self._fail(job, line_of(error))

    def _next(self) -> Job | None:
        """The next job to run; where the queue is held, only one that was asked to stop."""
        waiting = [self.jobs[id] for id in self.order]
        wanted = (job for job in waiting if not self.held or job.asked == "stop")
        return next(wanted, None)

    async def _run(self, job: Job) -> None:
        """Let the worker run a job, once more where the worker crashes."""
        try:
            self.running = job
            self.history.busy.add(job.output)
            self._changed(job, self._without(job), state="running", started=job.started or now())
            while not await self._attempt(job):
                pass
        finally:
            self.running = None
            self.history.busy.discard(job.output)

    async def _attempt(self, job: Job) -> bool:
        """Let the worker run a job; returns whether the job has ended."""
        try:
            order = self._order(job)
            await self.worker.start()
        except (Refused, OSError) as error:
            self._end(job, "failed", getattr(error, "detail", str(error)))
            return True
        await self.worker.send(order)
        while (message := await self.worker.receive()) is not None:
            if message["event"] == "ended":
                if message["leaves"]:
                    await self.worker.close(SECONDS_TO_LEAVE)
                self._end(job, message["state"], message["error"])
                return True
            self._hear(job, message)
        return self._crashed(job)

    def _crashed(self, job: Job) -> bool:
        """Retry a job whose worker crashed, once; returns whether the job has ended."""
        self._save_losses(job)
        if self.closing:
            return True  # it is still saved as running, and goes on with the next server
        if job.asked == "cancel":
            self._end(job, "cancel", None)
            return True
        fate = self.worker.fate()
        if job.crashes:
            self._end(
                job,
                "failed",
                f"the worker ended unexpectedly twice, {fate}; "
                "resume goes on from the last checkpoint, a smaller size needs less memory",
            )
            return True
        note = f"the worker ended unexpectedly, {fate}; going on from the last checkpoint"
        self._changed(job, crashes=1, notes=[*job.notes, note])
        return False

    def _order(self, job: Job) -> dict[str, Any]:
        """The message that gives a job to the worker."""
        body = JobBody.model_validate(job.request)
        order = {
            "what": "run",
            "kind": job.kind,
            "output": str(self.output(job)),
            "inputs": self.pictures.paths(body.inputs),
            "recipe": job.settings,
            "preview": str(self.folder.preview(job.id)),
            "full_preview": str(self.folder.preview(job.id, full=True)),
            "previews": (job.progress or {}).get("preview", 0),
            "asked": job.asked,
        }
        if job.cells is not None:
            order |= {"vary": body.vary, "cells": job.cells}
        return order

    def _hear(self, job: Job, message: Mapping[str, Any]) -> None:
        """Apply a message of the worker to the running job."""
        event = message["event"]
        if event == "begun":
            self.store.cut_losses(job.id, message["level"], message["step"])
            if message["plan"] is not None:
                plan = {k: v for k, v in message["plan"].items() if k not in ("settings", "notes")}
                self._changed(job, plan=job.plan | plan, settings=message["plan"]["settings"])
        elif event == "note":
            self._changed(job, notes=[*job.notes, self._said(job, message["note"])])
        elif event == "progress":
            job.progress = message["progress"]
            if job.progress["note"]:
                self._changed(job, notes=[*job.notes, job.progress["note"]])
            losses = [(level, step, loss) for level, step, loss in message["losses"]]
            self.unsaved += losses
            if time.monotonic() - self.saved >= SECONDS_BETWEEN_SAVES:
                self._save_losses(job)
            self._tell_progress(job, losses)
        elif event == "sweep":
            made = message["progress"].pop("cells")
            job.progress = message["progress"]
            if made is not None and job.cells is not None:
                cells = [c | {"file": file} for c, file in zip(job.cells, made, strict=True)]
                self._changed(job, cells=cells)
            self._tell_progress(job, [])

    def _tell_progress(self, job: Job, losses: Sequence[Loss]) -> None:
        told = {"id": job.id, "state": job.state, **(job.progress or {}), "losses": losses}
        self.hub.publish("progress", job.id, told)

    def _save_losses(self, job: Job) -> None:
        losses, self.unsaved = self.unsaved, []
        self.saved = time.monotonic()
        if losses:
            self.store.add_losses(job.id, losses)
            self.store.save_jobs([(job.id, asdict(job))])

    def _end(self, job: Job, how: str, error: str | None) -> None:
        """Set the state of a job that the worker has returned."""
        self._save_losses(job)
        states: dict[str, State] = {"finished": "finished", "stop": "stopped"}
        first = [job.id, *self._without(job)]
        if job.asked == "cancel" or how == "cancel":
            self._give_up(job)
        elif how in ("pause", "leave") and job.asked == "stop":  # asked for after the other
            self._changed(job, first, state="queued")
        elif how == "pause" or (how == "leave" and job.asked == "pause"):
            self._changed(job, state="paused", asked=None)
        elif how == "leave":  # the queue is held, or the server ends
            self._changed(job, first, state="queued", asked=None)
        else:
            state = states.get(how, "failed")
            error = error and self._said(job, error)
            self._changed(job, state=state, asked=None, ended=now(), error=error)
            self._prune()

    def _fail(self, job: Job, error: str) -> None:
        """End a job after an error of the queue itself, even where its state cannot be saved.

        The saved state is then still "running", so that the next server continues the job.
        """
        try:
            self._end(job, "failed", error)
        except VangramError:
            self.unsaved = []
            job.state, job.asked, job.ended, job.error = "failed", None, now(), error
            self.order = self._without(job)
            self.hub.publish("job", job.id, self.as_json(job))
        self.hub.publish("queue", "", self._queue())

    def _said(self, job: Job, line: str) -> str:
        return self.pictures.said(line, JobBody.model_validate(job.request).pictures())

    async def _ask(self, job: Job, what: str) -> None:
        """Ask the worker to end its run: pause, stop, cancel or leave."""
        if job.asked == "cancel":
            raise _impossible(job, "asked for anything else: it is being cancelled")
        self._changed(job, asked=what)
        if not self.worker.runs:
            return
        await self.worker.send({"what": what})
        if what == "cancel":
            loop = asyncio.get_running_loop()
            loop.call_later(SECONDS_TO_CANCEL, self._kill_if_still, job)

    def _kill_if_still(self, job: Job) -> None:
        if self.running is job and job.asked == "cancel":
            self.worker.kill()

    def _give_up(self, job: Job) -> None:
        """Cancel a job and remove its files; a finished picture goes to the bin."""
        output = self.output(job)
        for path in (Path(f"{output}.checkpoint"), Path(f"{output}.checkpoint.part")):
            with suppress(OSError):
                path.unlink()
        self.history.busy.discard(job.output)
        if job.in_history and output.exists():
            with suppress(Refused):
                self.history.delete(self.history.find(id_of(job.output)))
        self.folder.forget(job.id)
        self._changed(job, self._without(job), state="cancelled", asked=None, ended=now())

    def _changed(self, job: Job, order: list[str] | None = None, **changes: Any) -> None:
        """Save a change of a job and of the queue's order, then apply it and publish it."""
        order = self.order if order is None else order
        self.store.save_jobs([(job.id, asdict(job) | changes)], order=order)
        for name, value in changes.items():
            setattr(job, name, value)
        self.order, self.jobs[job.id] = order, job
        self.hub.publish("job", job.id, self.as_json(job))
        self.hub.publish("queue", "", self._queue())
        self.wake.set()

    def _queue(self) -> dict[str, Any]:
        return {"held": self.held, "order": list(self.order)}

    def _without(self, job: Job) -> list[str]:
        return [id for id in self.order if id != job.id]

    def _place(self, job: Job) -> int | None:
        if job is self.running:
            return 0
        if job.id not in self.order:
            return None
        return self.order.index(job.id) + (self.running is not None)

    def _result(self, job: Job) -> dict[str, Any] | None:
        """URL and name of a job's picture; None before there is one."""
        path = self.result(job)
        if path is None or job.state not in ENDED:
            return None
        return {
            "url": f"/api/v1/jobs/{job.id}/result",
            "name": self.name(job),
            "history": id_of(job.output) if job.in_history else None,
            "finished": job.state == "finished",
        }

    def name(self, job: Job) -> str:
        """File name under which a job's picture is saved."""
        return f"sweep-{job.id[:4]}.png" if job.kind == "sweep" else job.output

    def result(self, job: Job) -> Path | None:
        """The file of a job's picture, where there is one."""
        output = self.output(job)
        path = output / "sheet.png" if job.kind == "sweep" else output
        return path if path.is_file() else None

    def _sorted(self) -> list[Job]:
        waiting = [self.jobs[id] for id in self.order]
        first = [] if self.running is None else [self.running]
        others = [j for j in self.jobs.values() if j not in waiting and j not in first]
        paused = [job for job in others if job.state == "paused"]
        ended = [job for job in others if job.state != "paused"]
        return first + waiting + paused + sorted(ended, key=_when, reverse=True)

    def _prune(self) -> None:
        """Remove the oldest ended jobs beyond `MOST_ENDED`."""
        ended = sorted((j for j in self.jobs.values() if j.state in ENDED), key=_when)
        for job in ended[: max(len(ended) - MOST_ENDED, 0)]:
            self.remove(job)


def _when(job: Job) -> str:
    return job.ended or job.created


def _impossible(job: Job, what: str) -> Refused:
    return conflict(f"this job is {job.state} and cannot be {what}")
