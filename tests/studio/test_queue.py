"""The queue's states and order, with a worker that does as it is told."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra `studio` is not installed")
pytest.importorskip("python_multipart", reason="the extra `studio` is not installed")

from tests.studio.clock import run_without_waiting
from vangram.studio.access import Access
from vangram.studio.queue import MOST_ENDED, MOST_LOSSES, SECONDS_TO_CANCEL, Job, Queue
from vangram.studio.refusals import Refused
from vangram.studio.requests import JobBody
from vangram.studio.studio import Studio

PROGRESS = {"level": 1, "levels": 1, "width": 4, "height": 3, "step": 1, "steps": 9, "done": 0.1,
            "loss": 1.0, "terms": {}, "seconds_left": None, "note": None, "preview": 1}  # fmt: skip


class Worker:
    """In the place of the process: it takes a step when it is told to, and obeys."""

    def __init__(self) -> None:
        self.runs = False
        self.sent: list[Any] = []
        self.answers: asyncio.Queue[Any] = asyncio.Queue()
        self.deaf = False
        self.starts = 0

    async def start(self) -> None:
        self.starts += not self.runs
        self.runs = True

    async def send(self, message: Any) -> None:
        self.sent.append(message)
        if message["what"] != "run" and not self.deaf:
            self.end(message["what"])

    async def receive(self) -> Any:
        return await self.answers.get()

    def step(self, number: int = 1, loss: float = 1.0) -> None:
        progress = PROGRESS | {"step": number, "loss": loss}
        self.answers.put_nowait(
            {"event": "progress", "progress": progress, "losses": [[1, number, loss]]}
        )

    def begin(self, level: int = 0, step: int = 0) -> None:
        self.answers.put_nowait({"event": "begun", "plan": None, "level": level, "step": step})

    def end(self, state: str, error: str | None = None) -> None:
        self.answers.put_nowait({"event": "ended", "state": state, "error": error, "leaves": False})

    def crash(self) -> None:
        self.runs = False
        self.answers.put_nowait(None)

    def kill(self) -> None:
        if self.runs:
            self.crash()

    async def close(self, seconds: float) -> None:
        if self.runs:
            self.end("leave")
            self.runs = False

    def fate(self) -> str:
        return "by SIGKILL"


class Desk:
    """A queue with such a worker, and what a client does at it."""

    def __init__(self, folder: Path) -> None:
        self.studio = Studio(folder, Access())
        self.queue: Queue = self.studio.queue
        self.worker = Worker()
        self.queue.worker = self.worker  # type: ignore[assignment]
        self.queue.pictures.paths = lambda inputs: {}  # type: ignore[method-assign]
        self.queue.start()

    async def add(self, key: str | None = None, **fields: Any) -> Job:
        body = JobBody(kind="stylize", content="aa", styles=["bb"], **fields)

        async def plan() -> Any:
            return {"settings": {"size": 48}, "seconds": 1.0}

        job, _ = await self.queue.add(body, key, plan, [])
        await settled()
        return job

    def states(self) -> list[str]:
        return [job["state"] for job in self.queue.listing()["jobs"]]

    def waiting(self) -> list[str]:
        return list(self.queue.order)

    def picture(self, job: Job) -> Path:
        path = self.queue.output(job)
        path.write_bytes(b"picture")
        return path

    async def killed(self) -> Desk:
        """The queue of a server that is started after this one was killed."""
        self.studio.store.close()
        if self.queue.task is not None:
            self.queue.task.cancel()
        return Desk(self.studio.folder.root)


def seen(job: Job, *names: str) -> tuple[Any, ...]:
    """Fields of a job as they are now."""
    return tuple(getattr(job, name) for name in names)


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def run(folder: Path, story: Callable[[Desk], Awaitable[None]]) -> None:
    async def told() -> None:
        desk = Desk(folder)
        await story(desk)

    run_without_waiting(told())


def test_jobs_run_one_after_the_other_in_their_order(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        first, second = await desk.add(), await desk.add()
        assert desk.states() == ["running", "queued"]
        assert [desk.queue.as_json(job)["place"] for job in (first, second)] == [0, 1]
        desk.worker.end("finished")
        await settled()
        assert (first.state, second.state) == ("finished", "running")
        assert first.ended is not None
        desk.worker.end("failed", "the line that says why")
        await settled()
        assert seen(second, "state", "error") == ("failed", "the line that says why")
        assert [message["what"] for message in desk.worker.sent] == ["run", "run"]

    run(tmp_path, story)


def test_paused_job_is_set_aside_and_resumes_next(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        jobs = [await desk.add() for _ in range(3)]
        desk.worker.step()
        await settled()
        await desk.queue.pause(jobs[0])
        await settled()
        assert [job.state for job in jobs] == ["paused", "running", "queued"]
        await desk.queue.resume(jobs[0])
        assert desk.waiting() == [jobs[0].id, jobs[2].id]
        await desk.queue.pause(jobs[2])
        assert jobs[2].state == "paused"
        assert desk.waiting() == [jobs[0].id]

    run(tmp_path, story)


def test_stopped_job_can_go_on_and_a_waiting_one_has_nothing_to_keep(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        first, second = await desk.add(), await desk.add()
        await desk.queue.stop(first)
        assert first.asked == "stop"
        await settled()
        assert seen(first, "state", "asked") == ("stopped", None)
        await desk.queue.resume(first)
        await desk.queue.stop(first)
        assert seen(first, "state", "asked") == ("stopped", None)
        assert second.state == "running"

    run(tmp_path, story)


def test_picture_of_a_paused_job_is_written_by_the_worker_even_where_the_queue_is_held(
    tmp_path: Path,
) -> None:
    async def story(desk: Desk) -> None:
        job, other = await desk.add(), await desk.add()
        desk.worker.step()
        await settled()
        await desk.queue.hold(True)
        await settled()
        assert [job.state, other.state] == ["queued", "queued"]
        assert desk.waiting() == [job.id, other.id]
        await desk.queue.pause(job)
        await desk.queue.stop(job)
        await settled()
        assert desk.worker.sent[-1]["asked"] == "stop"
        desk.worker.end("stop")
        await settled()
        assert [job.state, other.state] == ["stopped", "queued"]
        await desk.queue.hold(False)
        await settled()
        assert other.state == "running"

    run(tmp_path, story)


def test_cancelled_job_leaves_nothing_and_what_was_kept_before_goes_to_the_bin(
    tmp_path: Path,
) -> None:
    async def story(desk: Desk) -> None:
        job = await desk.add()
        picture = desk.picture(job)
        Path(f"{picture}.checkpoint").write_bytes(b"checkpoint")
        desk.studio.folder.preview(job.id).write_bytes(b"preview")
        await desk.queue.cancel(job)
        await settled()
        assert job.state == "cancelled"
        assert sorted(path.name for path in tmp_path.iterdir()) == [".studio", "bin"]
        assert [path.name for path in desk.studio.folder.bin.iterdir()] == [picture.name]
        assert not list(desk.studio.folder.previews.iterdir())

    run(tmp_path, story)


def test_worker_that_does_not_hear_is_killed_where_nothing_is_kept(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        job = await desk.add()
        desk.worker.deaf = True
        await desk.queue.cancel(job)
        await settled()
        assert seen(job, "state", "asked") == ("running", "cancel")
        with pytest.raises(Refused, match="being cancelled"):
            await desk.queue.pause(job)
        await asyncio.sleep(SECONDS_TO_CANCEL + 1)
        assert (*seen(job, "state", "notes"), desk.worker.runs) == ("cancelled", [], False)
        again = await desk.add()
        assert again.state == "running"
        assert desk.worker.starts == 2

    run(tmp_path, story)


def test_crash_is_told_and_tried_again_once(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        job, other = await desk.add(), await desk.add()
        desk.worker.step(1)
        desk.worker.crash()
        await settled()
        assert job.state == "running"
        assert desk.worker.starts == 2
        (note,) = job.notes
        assert "SIGKILL" in note
        assert "checkpoint" in note
        desk.worker.crash()
        await settled()
        assert (job.state, other.state) == ("failed", "running")
        assert "twice" in (job.error or "")
        desk.worker.end("finished")
        await desk.queue.resume(job)
        await settled()
        assert seen(job, "state", "error") == ("running", None)
        desk.worker.crash()
        await settled()
        assert job.state == "running"  # it has its two attempts again

    run(tmp_path, story)


def test_jobs_are_moved_before_others_to_the_front_and_to_the_end(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        running, a, b, c = [await desk.add() for _ in range(4)]
        await desk.queue.move(c, "first", None)
        assert desk.waiting() == [c.id, a.id, b.id]
        await desk.queue.move(c, "last", None)
        assert desk.waiting() == [a.id, b.id, c.id]
        await desk.queue.move(c, None, b.id)
        assert desk.waiting() == [a.id, c.id, b.id]
        impossible: list[tuple[str | None, str | None]] = [
            (None, c.id), (None, running.id), (None, "0"), (None, None), ("first", a.id)
        ]  # fmt: skip
        for to, before in impossible:
            with pytest.raises(Refused):
                await desk.queue.move(c, to, before)
        with pytest.raises(Refused, match="running"):
            await desk.queue.move(running, "first", None)
        assert desk.waiting() == [a.id, c.id, b.id]

    run(tmp_path, story)


def test_what_a_state_does_not_allow_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        job = await desk.add()
        with pytest.raises(Refused, match="running"):
            await desk.queue.resume(job)
        with pytest.raises(Refused, match="running"):
            desk.queue.remove(job)
        desk.worker.end("finished")
        await settled()
        queue = desk.queue
        for do in (queue.pause, queue.resume, queue.stop, queue.cancel):
            with pytest.raises(Refused) as refused:
                await do(job)
            assert refused.value.status_code == 409
        assert job.state == "finished"
        queue.remove(job)
        assert queue.listing()["jobs"] == []
        with pytest.raises(Refused) as refused:
            queue.get(job.id)
        assert refused.value.status_code == 404

    run(tmp_path, story)


def test_same_key_makes_one_job_even_at_once_and_after_a_restart(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        jobs = await asyncio.gather(*(desk.add("key") for _ in range(5)))
        assert len({job.id for job in jobs}) == 1
        assert (await desk.add("other")).id != jobs[0].id
        desk = await desk.killed()
        assert (await desk.add("key")).id == jobs[0].id
        assert len(desk.queue.jobs) == 2

    run(tmp_path, story)


def test_losses_follow_the_run_back_to_its_checkpoint(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        job = await desk.add()
        desk.worker.begin()
        for number in range(1, 8):
            desk.worker.step(number, 10.0 - number)
        await settled()
        assert [loss[1] for loss in desk.queue.losses(job)] == list(range(1, 8))
        desk.worker.crash()
        await settled()
        desk.worker.begin(1, 4)
        desk.worker.step(5, 5.5)
        await settled()
        assert desk.queue.losses(job)[-2:] == [(1, 4, 6.0), (1, 5, 5.5)]

    run(tmp_path, story)


def test_losses_that_are_told_are_thinned_out_to_the_last_one(tmp_path: Path) -> None:
    last = 9 * MOST_LOSSES + 5

    async def story(desk: Desk) -> None:
        job = await desk.add()
        for number in range(1, last + 1):
            desk.worker.step(number)
        await settled()
        steps = [loss[1] for loss in desk.queue.losses(job)]
        assert 1 < len(steps) <= MOST_LOSSES
        assert steps[-1] == last

    run(tmp_path, story)


@pytest.mark.parametrize(
    ("asked", "expected", "again"),
    [(None, "running", None), ("pause", "paused", None), ("stop", "running", "stop"),
     ("cancel", "cancelled", None), ("leave", "running", None)],
)  # fmt: skip
def test_server_that_was_killed_goes_on_where_it_was(
    tmp_path: Path, asked: str | None, expected: str, again: str | None
) -> None:
    async def story(desk: Desk) -> None:
        job, paused, last = [await desk.add() for _ in range(3)]
        await desk.queue.pause(paused)
        desk.worker.step(3)
        await settled()
        desk.worker.deaf = True
        if asked:
            await desk.queue._ask(job, asked)
        before = desk.queue.as_json(job)
        desk = await desk.killed()
        assert set(desk.queue.jobs) == {job.id, paused.id, last.id}
        await settled()
        after = desk.queue.jobs[job.id]
        assert seen(after, "state", "created") == (expected, before["created"])
        if again:
            assert desk.worker.sent[0]["asked"] == again
        assert desk.queue.jobs[paused.id].state == "paused"
        assert desk.queue.jobs[last.id].state == ("queued" if expected == "running" else "running")

    run(tmp_path, story)


def test_order_and_hold_survive_a_kill(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        await desk.queue.hold(True)
        jobs = [await desk.add() for _ in range(4)]
        for job, _ in itertools.product(jobs, range(2)):
            await desk.queue.move(job, "first", None)
        order = desk.waiting()
        assert order == [job.id for job in reversed(jobs)]
        desk = await desk.killed()
        await settled()
        assert desk.waiting() == order
        assert desk.queue.held
        assert desk.queue.running is None

    run(tmp_path, story)


def test_disk_that_is_full_refuses_a_job_and_holds_the_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vangram.errors import OutputError

    async def story(desk: Desk) -> None:
        job = await desk.add()

        def full(*arguments: Any, **named: Any) -> None:
            raise OutputError("'studio.sqlite' cannot be used (disk I/O error); free some space")

        with monkeypatch.context() as patch:
            patch.setattr(desk.studio.store, "save_jobs", full)
            with pytest.raises(OutputError):
                await desk.add()
            assert set(desk.queue.jobs) == {job.id}
            with pytest.raises(OutputError):
                await desk.queue.pause(job)
            assert seen(job, "state", "asked") == ("running", None)
            desk.worker.step()
            desk.worker.end("finished")
            await settled()
            assert desk.queue.held
            assert seen(job, "state") == ("failed",)
            assert "free some space" in (job.error or "")
        assert desk.queue.task is not None
        assert not desk.queue.task.done()
        desk.worker.answers = asyncio.Queue()  # a new process says nothing of the last one's
        await desk.queue.hold(False)
        await desk.queue.resume(job)
        await settled()
        assert seen(job, "state", "error") == ("running", None)
        await desk.queue.stop(job)
        await settled()
        assert desk.states() == ["stopped"]

    run(tmp_path, story)


def test_job_that_cannot_be_begun_on_a_full_disk_is_not_the_running_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vangram.errors import OutputError

    async def story(desk: Desk) -> None:
        await desk.queue.hold(True)
        job = await desk.add()

        def full(*arguments: Any, **named: Any) -> None:
            raise OutputError("'studio.sqlite' cannot be used (disk I/O error); free some space")

        desk.queue.held = False
        with monkeypatch.context() as patch:
            patch.setattr(desk.studio.store, "save_jobs", full)
            desk.queue.wake.set()
            await settled()
            assert desk.queue.running is None
            assert desk.studio.history.busy == set()
            assert seen(job, "state") == ("failed",)
        again = await desk.killed()
        await settled()
        assert [each.id for each in again.queue.jobs.values()] == [job.id]

    run(tmp_path, story)


def test_list_of_ended_jobs_does_not_grow_for_ever(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        made = []
        for _ in range(MOST_ENDED + 3):
            job = await desk.add(draft=True)
            made.append(desk.picture(job))
            desk.worker.end("finished")
            await settled()
        assert desk.states() == ["finished"] * MOST_ENDED
        assert sum(path.exists() for path in made) == MOST_ENDED  # drafts go with their jobs

    run(tmp_path, story)


def test_closed_server_keeps_the_running_job_for_the_next(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        job, other = await desk.add(), await desk.add()
        await desk.queue.close()
        assert desk.queue.task is not None
        assert desk.queue.task.done()
        desk = await desk.killed()
        await settled()
        assert desk.queue.jobs[job.id].state == "running"
        assert desk.waiting() == [other.id]

    run(tmp_path, story)
