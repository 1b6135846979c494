"""A batch on a Ray cluster: one task for each picture; the driver alone writes the manifest.

Workers are Ray's own processes, which outlive their tasks: each reads the network once, and keeps
the style targets of the last paintings. A task whose worker or node dies is tried again elsewhere;
on a shared folder it continues from the checkpoint.
"""

from __future__ import annotations

import importlib
import os
import socket
import tempfile
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch

from vangram import __version__
from vangram.batch.pairs import Pair
from vangram.batch.work import Batch
from vangram.errors import (
    BusyError,
    DivergedError,
    ExistsError,
    InputError,
    OutputError,
    SettingError,
    line_of,
)
from vangram.run.carry_out import keep_picture, take_steps
from vangram.run.checkpoint_file import read_checkpoint, write_checkpoint
from vangram.run.checkpointer import Checkpointer, checkpoint_path
from vangram.settings.record import published_path
from vangram.storage.allocator import keep_freed_memory
from vangram.storage.files import make_folder, quoted, reason, replacing
from vangram.storage.locks import Lock, claim
from vangram.storage.places import Place

RETRIES = 4
"""Number of times that Ray repeats a task whose worker or node has died."""
TOKEN = "~/.ray/auth_token"
"""File of the token that recent versions of Ray ask for, the same on all nodes."""
SECONDS_TO_ANSWER = 10.0
"""Time for a cluster's address to accept a connection."""
SECONDS_BETWEEN_LOOKS = 0.5
"""Interval of checks for ended tasks, and of the progress that each task reports."""
SECONDS_TO_STOP = 20.0
"""Time for stopped tasks to save their checkpoints."""
QUEUED = 8
"""Number of tasks that wait in Ray, beyond those that run."""
VARIABLES = "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "PYTORCH_CUDA_ALLOC_CONF"
"""Environment variables that the command sets before it imports torch; workers get the same."""


State = Literal["made", "there", "failed", "busy", "stopped"]
"""State of a task. "there": another process has made the picture; "busy": another is making it."""


class Running(NamedTuple):
    """A picture that is being made."""

    name: str
    node: str
    """Address of the node that makes it."""
    pid: int
    """Process id of the worker that makes it."""
    done: float
    """Share of its work that is done."""


@dataclass(frozen=True)
class Outcome:
    """How a task has ended."""

    state: State
    error: str | None = None
    notes: tuple[str, ...] = ()
    node: str = ""
    picture: bytes | None = None
    """Bytes of the picture's file, where files are shipped."""
    checkpoint: bytes | None = None
    """Bytes of a stopped task's checkpoint, where files are shipped."""


@dataclass(frozen=True)
class Order:
    """The arguments that all tasks of a batch share."""

    batch: Batch
    """The batch with absolute paths, without pairs and their states."""
    cores: int
    """Threads of a task."""
    version: str = __version__


@dataclass(frozen=True)
class Shipment:
    """The contents of a picture's files, where machines share no folder."""

    photo: bytes
    checkpoint: bytes | None
    published: Mapping[str, str]
    """Path of each input -> its path in the picture's record."""


class Board:
    """The progress of each picture, as workers report it; a Ray actor on the driver's node."""

    def __init__(self) -> None:
        self.running: dict[str, Running] = {}

    def post(self, running: Running) -> None:
        """Report that a picture was begun, or how far it is."""
        self.running[running.name] = running

    def read(self) -> list[Running]:
        """The last report on each picture."""
        return list(self.running.values())


class Cluster:
    """A connection to a Ray cluster, until it is closed.

    Args:
        address: "auto" for the cluster of this machine or of RAY_ADDRESS; "local" starts one here;
            otherwise the head's, as "10.0.0.1:6379" or "ray://10.0.0.1:10001".

    Raises:
        SettingError: Ray is not installed, or there is no such cluster.
    """

    def __init__(self, address: str) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        # As `ray start` does; `ray.init` at an address does not.
        if os.path.exists(os.path.expanduser(TOKEN)):
            os.environ.setdefault("RAY_AUTH_MODE", "token")
        try:
            self.ray: Any = importlib.import_module("ray")
        except ImportError:
            raise SettingError(
                "a cluster needs Ray, which is not installed: pip install 'vangram[cluster]'"
            ) from None
        variables = {name: os.environ[name] for name in VARIABLES if name in os.environ}
        try:
            _reach(_found() if address == "auto" else address)
        except (OSError, OverflowError, ValueError) as error:
            where = f"no Ray cluster answers at {address!r} ({reason(error)})"
            if address == "auto":
                where = "no Ray cluster runs on this machine or at RAY_ADDRESS"
            raise SettingError(
                f"{where}; start one with `ray start --head`, or use --ray local"
            ) from None
        try:
            self.ray.init(
                address,
                log_to_driver=False,
                logging_level="ERROR",
                configure_logging=False,
                runtime_env={"env_vars": variables},
                **({"include_dashboard": False} if address == "local" else {}),
            )
        except (OSError, OverflowError, RuntimeError, ValueError) as error:
            raise SettingError(
                f"the Ray cluster at {address!r} cannot be used ({reason(error)}); this machine"
                f" needs the head's version of Ray and its {TOKEN}, if it has one"
            ) from None

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        self.ray.shutdown()

    def paint(
        self, batch: Batch, *, cores: int, ship: bool
    ) -> Generator[tuple[Pair, Outcome] | list[Running]]:
        """Make the missing pictures of a batch, whose manifest is written.

        Args:
            batch: no sequence.
            cores: CPU cores for each picture.
            ship: whether files travel through the object store, as the machines share no folder.

        Yields:
            Each picture's outcome when it is made or has failed; between them the running pictures.
            When the iterator is closed, running tasks are stopped, and save their checkpoints.

        Raises:
            SettingError: no node has what a picture needs, or one has another VanGram.
            OutputError: a picture cannot be written.
        """
        tasks = _Tasks(self.ray, batch, cores, ship)
        missing = [pair for pair in batch.pairs if batch.entries[pair].state != "made"]
        # Sorted, so that a worker often has the style targets already.
        waiting = deque(sorted(missing, key=lambda pair: pair.painting))
        try:
            while waiting or tasks.running:
                for _ in range(min(len(waiting), tasks.room())):
                    pair = waiting.popleft()
                    outcome = tasks.submit(pair)
                    if outcome is not None and outcome.state == "busy":
                        waiting.append(pair)
                    elif outcome is not None:
                        yield pair, outcome
                for pair, outcome in tasks.ended():
                    if outcome.state in ("busy", "stopped"):
                        waiting.append(pair)
                    else:
                        yield pair, outcome
                yield tasks.board()
        finally:
            tasks.stop()


def _found() -> str:
    """The address that "auto" stands for; "auto" itself where this version of Ray does not tell.

    It is RAY_ADDRESS, that of a cluster that runs on this machine, or that of the last one, which
    Ray keeps in a file and leaves there when the cluster is killed.

    Raises:
        OSError: there is none.
    """
    try:
        services = importlib.import_module("ray._private.services")
        return str(services.get_ray_address_from_environment("auto", None))
    except (AttributeError, ImportError, TypeError):
        return os.environ.get("RAY_ADDRESS", "auto")


def _reach(address: str) -> None:
    """Check that something answers at HOST:PORT, for which Ray would wait for minutes.

    Raises:
        OSError, OverflowError, UnicodeError: nothing does.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), SECONDS_TO_ANSWER).close()


class _Tasks:
    """The tasks of a batch that are submitted and have not ended."""

    def __init__(self, ray: Any, batch: Batch, cores: int, ship: bool) -> None:
        self.ray, self.batch, self.ship = ray, batch, ship
        self.running: dict[Any, Pair] = {}
        self.claims: dict[Pair, tuple[Lock | None, Place]] = {}
        """Locks on outputs, where files are shipped; otherwise the workers hold them."""
        self.needs = self._needs(cores)
        self.paint = ray.remote(max_retries=RETRIES, **self.needs)(_paint)
        here = ray.get_runtime_context().get_node_id()
        affinity = importlib.import_module("ray.util.scheduling_strategies")
        self.posts = (
            ray.remote(Board)
            .options(
                num_cpus=0,
                max_restarts=-1,
                scheduling_strategy=affinity.NodeAffinitySchedulingStrategy(here, soft=True),
            )
            .remote()
        )
        self.reading = self.posts.read.remote()
        self.last: list[Running] = []
        self.order = ray.put(Order(_absolute(batch), cores))
        self.put: dict[str, Any] = {}
        """Shipped paintings, by path."""

    def room(self) -> int:
        """Number of tasks that may be submitted now; it changes as nodes join and leave."""
        alive = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        slots = sum(
            min(int(node.get(_RESOURCE[name], 0) // amount) for name, amount in self.needs.items())
            for node in alive
        )
        return max(0, slots + QUEUED - len(self.running))

    def submit(self, pair: Pair) -> Outcome | None:
        """Submit a task; returns its outcome where it needs no work."""
        if known := self.batch.entries[pair].error:
            return Outcome("failed", known)
        output, shipped = self.batch.output(pair), list[Any]([None, None])
        if self.ship:
            try:
                place = Place(output, force=self.batch.force)
                self.claims[pair] = claim(output), place
                if self.batch.is_made(pair):
                    self._release(pair)
                    return Outcome("there")
                self.batch.check_place(pair)
                place.accept()
                shipped = self._shipped(pair)
            except BusyError:
                time.sleep(SECONDS_BETWEEN_LOOKS)
                return Outcome("busy")
            except (ExistsError, OSError) as error:
                self._release(pair)
                return Outcome("failed", line_of(error))
        absolute = Pair(os.path.abspath(pair.photo), os.path.abspath(pair.painting), pair.name)
        self.running[self.paint.remote(self.order, absolute, self.posts, *shipped)] = pair
        return None

    def ended(self, seconds: float = SECONDS_BETWEEN_LOOKS) -> Iterator[tuple[Pair, Outcome]]:
        """Wait a little for a task to end; yields the outcome of each that has ended.

        Raises:
            InputError: as `Cluster.paint`.
        """
        ready, _ = self.ray.wait(list(self.running), timeout=seconds) if self.running else ([], [])
        for reference in ready:
            pair = self.running.pop(reference)
            try:
                outcome = self._kept(pair, self._outcome(reference))
            finally:
                self._release(pair)
            if outcome.state == "busy":
                time.sleep(SECONDS_BETWEEN_LOOKS)
            yield pair, outcome

    def board(self) -> list[Running]:
        """The running pictures, as they were last reported."""
        ready, _ = self.ray.wait([self.reading], timeout=0)
        if ready:
            try:
                self.last = self.ray.get(self.reading)
            except self.ray.exceptions.RayError:  # it is restarted
                self.last = []
            self.reading = self.posts.read.remote()
        names = {pair.name for pair in self.running.values()}
        return [each for each in self.last if each.name in names]

    def stop(self) -> None:
        """Stop all tasks, and wait until they have saved their checkpoints."""
        for reference in self.running:
            self.ray.cancel(reference)
        given_up = time.monotonic() + SECONDS_TO_STOP
        while self.running and time.monotonic() < given_up:
            for _ in self.ended():
                pass
        for pair in list(self.claims):
            self._release(pair)

    def _needs(self, cores: int) -> dict[str, float]:
        """Options of a Ray task: the resources that a picture needs.

        Raises:
            SettingError: no node has them.
        """
        recipe, nodes = self.batch.recipe, [node["Resources"] for node in self.ray.nodes()]
        needs: dict[str, float] = {"num_cpus": cores}
        gpus = any(node.get("GPU", 0) for node in nodes)
        if recipe.device.startswith("cuda") or (recipe.device == "auto" and gpus):
            needs["num_gpus"] = 1
        if recipe.memory is not None:
            needs["memory"] = recipe.memory
        if not any(all(n.get(_RESOURCE[k], 0) >= v for k, v in needs.items()) for n in nodes):
            wanted = ", ".join(f"{value:g} {_RESOURCE[name]}" for name, value in needs.items())
            raise SettingError(
                f"no node of the cluster has {wanted}; lower --ray-cores or --memory, or use"
                " --device cpu"
            )
        return needs

    def _shipped(self, pair: Pair) -> list[Any]:
        """The files of a picture, as the last arguments of its task.

        Raises:
            OSError: one cannot be read.
        """
        inputs, checkpoint = self.batch.inputs_of(pair), checkpoint_path(self.batch.output(pair))
        if pair.painting not in self.put:
            self.put[pair.painting] = self.ray.put(Path(pair.painting).read_bytes())
        shipment = Shipment(
            Path(pair.photo).read_bytes(),
            checkpoint.read_bytes() if checkpoint.exists() else None,
            {path: self._published(pair, path) for path in inputs},
        )
        return [shipment, self.put[pair.painting]]

    def _published(self, pair: Pair, path: str) -> str:
        if self.batch.keep_metadata:
            return path
        return published_path(path, self.batch.output(pair))

    def _outcome(self, reference: Any) -> Outcome:
        """The outcome of a task that has ended, by itself or by an error."""
        errors = self.ray.exceptions
        try:
            outcome: Outcome = self.ray.get(reference)
        except errors.TaskCancelledError:
            return Outcome("stopped")
        except errors.RayTaskError as error:
            if isinstance(error.cause, SettingError | OutputError):  # as all tasks would
                raise error.cause from None
            return Outcome("failed", line_of(error.cause))
        except errors.RayError as error:
            why = reason(error).partition(". ")[0]
            return Outcome("failed", f"its worker died {RETRIES + 1} times, the last time: {why}")
        return outcome

    def _kept(self, pair: Pair, outcome: Outcome) -> Outcome:
        """Write what a task has shipped, and check what it has made.

        Raises:
            OutputError: the picture cannot be written.
        """
        if outcome.picture is not None:
            content, place = outcome.picture, self.claims[pair][1]
            path = place.write(lambda path, overwrite: _write(path, content, overwrite=overwrite))
            if path != place.path or path != self.batch.output(pair):
                return Outcome("failed", f"a file has appeared at its place; it is {quoted(path)}")
        left = checkpoint_path(self.batch.output(pair))
        if outcome.checkpoint is not None:
            _write(left, outcome.checkpoint, overwrite=True)
        elif self.ship and outcome.state == "made":
            left.unlink(missing_ok=True)
        if outcome.state == "made" and not self.batch.is_made(pair):
            what = (
                "has made another picture; install the same VanGram and network there"
                if self.ship
                else "has made it, and it is not here; share the folder, or add --ship"
            )
            return replace(outcome, state="failed", error=f"node {outcome.node} {what}")
        return outcome

    def _release(self, pair: Pair) -> None:
        lock, _ = self.claims.pop(pair, (None, None))
        if lock is not None:
            lock.release()


_RESOURCE = {"num_cpus": "CPU", "num_gpus": "GPU", "memory": "memory"}
"""Ray's resources by a task's options."""


def _absolute(batch: Batch) -> Batch:
    """The batch with absolute paths, for workers; records keep the paths that were given."""
    given = filter(None, (*batch.digests, batch.parameters))
    return replace(
        batch,
        folder=Path(os.path.abspath(batch.folder)),
        pairs=(),
        entries={},
        painting=None,
        parameters=batch.parameters and os.path.abspath(batch.parameters),
        digests={os.path.abspath(path): digest for path, digest in batch.digests.items()},
        recorded={os.path.abspath(path): path for path in given},
    )


def _write(path: Path, content: bytes, *, overwrite: bool) -> None:
    with replacing(path, overwrite=overwrite) as handle:
        handle.write(content)


def _paint(
    order: Order, pair: Pair, board: Any, shipment: Shipment | None, painting: bytes | None
) -> Outcome:
    """Make a picture in a worker.

    Raises:
        SettingError: this node is not fit for the batch.
        OutputError: the picture cannot be written.
    """
    torch.set_num_threads(order.cores)
    keep_freed_memory()
    node: str = importlib.import_module("ray.util").get_node_ip_address()
    batch, posted, notes = order.batch, 0.0, list[str]()
    needed = (batch.parameters, *([] if shipment else [str(batch.folder), pair.photo]))
    if order.version != __version__:
        raise SettingError(
            f"node {node} has VanGram {__version__}, this machine has {order.version}; install the"
            " same on all"
        )
    for path in needed:
        if path is not None and not os.path.exists(path):
            raise SettingError(f"node {node} has no {quoted(path)}; share it, or see --ship")

    def watch(done: float) -> None:
        nonlocal posted
        if time.monotonic() - posted > SECONDS_BETWEEN_LOOKS:
            posted = time.monotonic()
            board.post.remote(Running(pair.name, node, os.getpid(), done))

    with ExitStack() as stack:
        if shipment is not None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vangram-")))
            batch, pair = _unpacked(folder, batch, pair, shipment, painting or b"")
        try:
            checkpointer = Checkpointer(batch.output(pair), notes.append, force=batch.force)
            stack.enter_context(closing(checkpointer))
            watch(0.0)
            outcome = _made(batch, pair, checkpointer, shipment, watch, notes)
        except BusyError:
            outcome = Outcome("busy")
        except ExistsError as error:
            outcome = Outcome("failed", line_of(error))
        except OutputError:
            raise
        except (InputError, DivergedError) as error:
            outcome = Outcome("failed", line_of(error))

        def as_given(text: str) -> str:
            for path in (pair.photo, pair.painting):
                text = text.replace(quoted(path), quoted(batch.recorded[path]))
            return text

        error_text = None if outcome.error is None else as_given(outcome.error)
        return replace(outcome, error=error_text, notes=tuple(map(as_given, notes)), node=node)


def _made(
    batch: Batch,
    pair: Pair,
    checkpointer: Checkpointer,
    shipment: Shipment | None,
    watch: Callable[[float], object],
    notes: list[str],
) -> Outcome:
    """Take the remaining steps of a picture and write it; raises as `_paint`."""
    begun = batch.begin(pair, checkpointer)
    if begun is None:
        return Outcome("there")
    run, noted = begun
    notes += noted
    record, published = run.record, {} if shipment is None else shipment.published
    run = replace(run, record=record.with_paths(published))
    position, stopped = take_steps(run, checkpointer, lambda step: watch(step.done))
    kept = keep_picture(run, position, stopped, checkpointer)
    if stopped is not None and not isinstance(stopped, KeyboardInterrupt):
        raise stopped
    picture = checkpoint = None
    if shipment is not None and kept.painting is not None:
        picture = kept.path.read_bytes()
    elif kept.path != checkpointer.output:
        batch.check_place(pair)  # says why
    if shipment is not None and kept.goes_on:
        left = replace(read_checkpoint(checkpointer.path), record=record)
        write_checkpoint(checkpointer.path, left)
        checkpoint = checkpointer.path.read_bytes()
    state: State = "made" if stopped is None else "stopped"
    return Outcome(state, picture=picture, checkpoint=checkpoint)


def _unpacked(
    folder: Path, batch: Batch, pair: Pair, shipment: Shipment, painting: bytes
) -> tuple[Batch, Pair]:
    """Write the shipped files into a folder of this node; the batch and pair with these paths."""
    paths = []
    for part, path, content in (
        ("photo", pair.photo, shipment.photo),
        ("painting", pair.painting, painting),
    ):
        make_folder(folder / part)
        paths.append(str(folder / part / os.path.basename(path)))
        Path(paths[-1]).write_bytes(content)
    here = Pair(paths[0], paths[1], pair.name)
    there = {here.photo: pair.photo, here.painting: pair.painting}
    batch = replace(
        batch,
        folder=folder,
        digests={new: batch.digests[old] for new, old in there.items()},
        recorded={new: batch.recorded[old] for new, old in there.items()},
    )
    if shipment.checkpoint is not None:
        checkpoint_path(batch.output(here)).write_bytes(shipment.checkpoint)
    return batch, here
