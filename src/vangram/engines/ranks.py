"""The ranks of a command under torchrun, and the messages between them.

Every rank runs the same command. Rank 0 carries it out; the others wait for its requests. Small
messages travel through gloo between CPUs; large ones through NCCL where each rank has a GPU of its
own.
"""

from __future__ import annotations

import os
import platform
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import timedelta
from io import BytesIO
from typing import Any, ClassVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore, Store

from vangram import __version__
from vangram.errors import EchoedError, RankError, SettingError
from vangram.settings.torchrun import has_agent_store, rank_count, rank_here, restarts

TIMEOUT = "VANGRAM_TIMEOUT"
"""Environment variable: seconds that a rank waits for another in the midst of an evaluation."""
DEFAULT_TIMEOUT = 120.0
LEAST_TO_JOIN = 120.0
"""Seconds that a rank waits at least for the others to start."""
SECONDS_UNTIL_TOLD = 10.0
"""Time after which a line says that this rank waits for others to start."""
SECONDS_BETWEEN_LOOKS = 0.2
"""Interval of checks whether the others have started."""
NAMED = 4
"""Most ranks that a line lists by number as missing."""
SECONDS_FOR_NAMES = 20.0
"""Seconds until a cluster that is just starting knows the name of rank 0's machine."""
FOREVER = timedelta(days=3650)
"""Time that a rank waits for a request; one that has ended is noticed at once."""
HERE = "vangram/here"
"""Beginning of the key in the store that each rank sets when it has started."""
ENDED = "vangram/ended"
"""Key in the store that rank 0 sets when it has told why it ends."""
CPU = torch.device("cpu")


class Ranks:
    """The group of this process; made by `join`.

    Args:
        store: where the ranks find each other.
        rank: of this process.
        size: number of ranks.
        timeout: seconds.
    """

    current: ClassVar[Ranks | None] = None
    """The group that this process has joined; None: it computes alone."""

    def __init__(self, store: Store, rank: int, size: int, timeout: float) -> None:
        self.store, self.rank, self.size = store, rank, size
        self.timeout = timedelta(seconds=timeout)
        self.in_step = True
        """False once an evaluation has failed halfway, from when on nothing can be sent."""
        self.bytes = 0
        """Bytes that this rank has sent to others and received from them, without the sums."""
        self.described = [f"rank {rank}" for rank in range(size)]
        self.network: object = None
        """Rank 0: the network that the other ranks have."""
        self.engine: object = None
        """Rank 0: the engine whose level the other ranks have."""
        self.without_gpu = ""
        """Rank 0: a rank that has no GPU of its own."""
        self._sending: list[tuple[int, dist.Work, Tensor]] = []

    @classmethod
    def join(cls, tell: Callable[[str], object] = lambda line: None) -> Ranks:
        """Wait for the other ranks, and compare what they are.

        Args:
            tell: called with a line where the others do not come at once.

        Raises:
            RankError: a rank does not come. Where all that have come know it, the first of them
                alone raises it, the others an EchoedError.
            SettingError: one of torchrun's variables or the time is none, or a rank has other
                versions.
        """
        timeout = _timeout()
        rank, size = _rank(), rank_count()
        check_address(SECONDS_FOR_NAMES)
        patience = max(timeout, LEAST_TO_JOIN)
        waiting = timedelta(seconds=patience)
        gpu = torch.cuda.is_available() and dist.is_nccl_available()
        store = _store(rank, size, patience, tell)
        with _failures(f"one of the {size} ranks", patience):
            if os.environ.get("GROUP_WORLD_SIZE", "1") == "1":
                # A rank that was killed has left its address in torchrun's store (torch 2.13).
                store = PrefixStore(f"vangram/{restarts()}", store)
            gather(store, rank, size, patience, tell)
            dist.init_process_group(
                "cpu:gloo,cuda:nccl" if gpu else "gloo",
                store=store,
                rank=rank,
                world_size=size,
                timeout=waiting,
            )
        ranks = cls(store, rank, size, timeout)
        try:
            ranks.compare()
        except SettingError:
            ranks.tell_ended()
            raise
        cls.current = ranks
        return ranks

    def leave(self) -> None:
        """Leave the group; its other ranks leave it as well, or have ended."""
        Ranks.current = None
        with suppress(RuntimeError):
            dist.destroy_process_group()

    def count(self, device: torch.device) -> int:
        """Number of ranks that can compute with rank 0's device.

        Raises:
            SettingError: it is a GPU, and a rank has none of its own.
        """
        if device.type != "cpu" and self.without_gpu:
            raise SettingError(
                f"{self.without_gpu} has no GPU of its own, and rank 0 computes on one: use"
                " --nproc-per-node=gpu, or --device cpu"
            )
        return self.size

    def wire(self, device: torch.device) -> torch.device:
        """Device whose memory large messages travel from and to, for a network's device."""
        return device if device.type == "cuda" else CPU

    def send(self, tensor: Tensor, to: int) -> None:
        """Begin to send a tensor to a rank; `sent` waits for it."""
        tensor = tensor.detach().contiguous()
        with self._failures(to):
            work = dist.isend(tensor, to)
        assert work is not None
        self._sending.append((to, work, tensor))
        self.bytes += tensor.numel() * tensor.element_size()

    def sent(self) -> None:
        """Wait until all has been sent."""
        while self._sending:
            to, work, _ = self._sending.pop(0)
            with self._failures(to):
                work.wait(self.timeout)

    def receive(
        self, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device, sender: int
    ) -> Tensor:
        """A tensor from a rank."""
        tensor = torch.empty(shape, dtype=dtype, device=device)
        self._wait_for(sender, tensor, self.timeout)
        self.bytes += tensor.numel() * tensor.element_size()
        return tensor

    def exchange(self, sent: Mapping[int, Tensor], received: Mapping[int, Tensor]) -> None:
        """Send tensors to ranks, and replace others by what the same ranks send at the same time.

        Args:
            sent: by rank.
            received: by rank; views that are written to.
        """
        # Together, as NCCL's would wait for each other one after the other.
        messages = [dist.P2POp(dist.isend, sent[rank].contiguous(), rank) for rank in sent]
        messages += [dist.P2POp(dist.irecv, received[rank].contiguous(), rank) for rank in received]
        with self._failures(None):
            works = dist.batch_isend_irecv(messages)
        for number, work in enumerate(works):
            known = len(works) == len(messages)  # NCCL's are one
            with self._failures(messages[number].peer if known else None):
                work.wait(self.timeout)
        for message in messages[len(sent) :]:
            there = received[message.peer]
            if message.tensor.data_ptr() != there.data_ptr():
                there.copy_(message.tensor)
        self.bytes += sum(each.tensor.numel() * each.tensor.element_size() for each in messages)

    def send_number(self, number: int, to: int) -> None:
        """Send an integer."""
        self.send(torch.tensor([number]), to)

    def receive_number(self, sender: int) -> int:
        """An integer from a rank."""
        return int(self.receive((1,), torch.int64, CPU, sender))

    def send_value(self, value: object, to: int) -> None:
        """Send any value that can be pickled; its tensors are copied."""
        buffer = BytesIO()
        torch.save(value, buffer)
        data = torch.frombuffer(buffer.getbuffer(), dtype=torch.uint8)
        self.send_number(len(data), to)
        self.send(data, to)
        self.sent()

    def receive_value(self, sender: int, device: torch.device = CPU) -> Any:
        """A value from a rank, with its tensors on a device."""
        size = self.receive_number(sender)
        data = self.receive((size,), torch.uint8, CPU, sender)
        buffer = BytesIO(data.numpy().data)
        return torch.load(buffer, map_location=device, weights_only=False)

    def sum_up(self, buffer: Tensor) -> None:
        """Add the buffers of all ranks, in place; all have the same bytes afterwards."""
        with self._failures(None):
            work = dist.all_reduce(buffer, async_op=True)
            assert work is not None
            work.wait(self.timeout)

    def next_request(self) -> int:
        """Wait for rank 0's next request, for as long as it takes."""
        kind = torch.empty(1, dtype=torch.int64)
        self._wait_for(0, kind, FOREVER)
        return int(kind)

    @contextmanager
    def together(self, request: int) -> Iterator[None]:
        """Tell all other ranks what comes next, and do it in step with them.

        Where it fails halfway, nothing more can be asked of them.

        Raises:
            RankError: an earlier request has failed halfway, or a rank has ended.
        """
        if not self.in_step:
            raise RankError("the other ranks no longer follow, as a step has failed; start again")
        self.in_step = False
        for rank in range(1, self.size):
            self.send_number(request, rank)
        yield
        self.sent()
        self.in_step = True

    def told(self) -> bool:
        """Whether rank 0 has told why it ends."""
        try:
            return bool(self.store.check([ENDED]))
        except RuntimeError:  # the store has gone with rank 0
            return False

    def tell_ended(self) -> None:
        """Let the other ranks end in silence."""
        with suppress(RuntimeError):
            self.store.set(ENDED, "")

    def description(self) -> dict[str, Any]:
        """Versions, host and GPU of this process, for `compare`."""
        gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
        return {
            "vangram": __version__,
            "torch": torch.__version__,
            "host": platform.node(),
            "process": os.getpid(),
            "gpu": rank_here() < gpus,
        }

    def compare(self) -> None:
        """Check at rank 0 that all ranks have the same versions.

        Raises:
            SettingError: one has another version.
        """
        ours = self.description()
        if self.rank:
            self.send_value(ours, 0)
            return
        for rank in range(1, self.size):
            theirs = self.receive_value(rank)
            where = f"rank {rank} ({theirs['host']}, process {theirs['process']})"
            self.described[rank] = where
            self.without_gpu = self.without_gpu or ("" if theirs["gpu"] else where)
            for name in ("vangram", "torch"):
                if theirs[name] != ours[name]:
                    raise SettingError(
                        f"{where} has {name} {theirs[name]}, and rank 0 has {ours[name]}:"
                        " install the same version on all machines"
                    )

    def _wait_for(self, sender: int, tensor: Tensor, timeout: timedelta) -> None:
        """Receive a tensor in place."""
        with self._failures(sender):
            work = dist.irecv(tensor, sender)
            assert work is not None
            work.wait(timeout)

    def _failures(self, rank: int | None) -> AbstractContextManager[None]:
        """Errors that name a rank; None: one that is not known."""
        who = f"one of the {self.size} ranks" if rank is None else self.described[rank]
        return _failures(who, self.timeout.total_seconds())


@contextmanager
def _failures(who: str, timeout: float) -> Iterator[None]:
    """Turn errors of torch's communication into ours, which say who fails."""
    try:
        yield
    except RuntimeError as error:
        if "timed out" in str(error).lower() or "timeout" in str(error).lower():
            raise RankError(
                f"{who} did not answer for {timeout:g} s; {TIMEOUT}={2 * timeout:g} waits longer"
            ) from error
        raise RankError(
            f"{who} ended, or cannot be reached; its own output, or torchrun's, says why, and the"
            " same command goes on"
        ) from error


def _store(rank: int, size: int, patience: float, tell: Callable[[str], object]) -> Store:
    """The store of torchrun, or of rank 0, where the ranks find each other.

    Raises:
        RankError: it is not there.
        SettingError: another program has rank 0's port.
    """
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    host = rank == 0 and not has_agent_store()
    if not host:
        _reach(address, port, patience, tell)
    try:
        return dist.TCPStore(  # type: ignore[attr-defined]
            address,
            port,
            size,
            host,
            timedelta(seconds=patience),
            wait_for_workers=False,
            multi_tenant=True,
        )
    except RuntimeError as error:
        if "EADDRINUSE" not in str(error):
            raise RankError(
                f"rank 0 cannot be reached at {address}:{port}; its own output says why"
            ) from error
        raise SettingError(
            f"MASTER_PORT={port} is another program's here; choose another port for all ranks"
        ) from error


def _reach(address: str, port: int, patience: float, tell: Callable[[str], object]) -> None:
    """Wait until rank 0's store answers; torch would print pages, and wait for longer.

    Raises:
        RankError: it does not.
    """
    waited = _Waiting("rank 0", patience, tell)
    while True:
        try:
            socket.create_connection((address, port), timeout=patience).close()
        except OSError as error:
            waited(f"cannot be reached at {address}:{port} ({error.strerror or error})")
        else:
            return


def gather(
    store: Store, rank: int, size: int, patience: float, tell: Callable[[str], object]
) -> None:
    """Wait until all ranks have started; errors as `join`."""

    def missing() -> list[int]:
        try:
            return [each for each in range(size) if not store.check([f"{HERE}/{each}"])]
        except RuntimeError as error:  # the store has gone with rank 0
            raise EchoedError("rank 0 ended; its own output says why") from error

    store.set(f"{HERE}/{rank}", "")
    waited: _Waiting | None = None
    while absent := missing():
        some = ", ".join(map(str, absent[:NAMED]))
        more = f" and {len(absent) - NAMED} more" if len(absent) > NAMED else ""
        who = f"rank{'s' if len(absent) > 1 else ''} {some}{more} of {size}"
        first = next(each for each in range(size) if each not in absent) == rank
        waited = waited or _Waiting(who, patience, tell)
        waited.who, waited.first = who, first
        waited("did not start")


class _Waiting:
    """Waits for ranks to start, a little with each call.

    Args:
        who: the ranks.
        patience: seconds.
        tell: called with a line once.
    """

    def __init__(self, who: str, patience: float, tell: Callable[[str], object]) -> None:
        self.who, self.patience, self.tell = who, patience, tell
        self.first = True
        """Whether this rank is the one that says so."""
        self.began = time.monotonic()
        self.told = False

    def __call__(self, what: str) -> None:
        """Wait a little.

        Args:
            what: the ranks do or did not.

        Raises:
            RankError: they were waited for long enough.
        """
        waited = time.monotonic() - self.began
        if waited > self.patience:
            line = (
                f"{self.who} {what} within {self.patience:g} s; start all ranks, or `unset"
                f" WORLD_SIZE` to run without; {TIMEOUT}={2 * self.patience:g} waits longer"
            )
            raise RankError(line) if self.first else EchoedError(line)
        if waited > SECONDS_UNTIL_TOLD and self.first and not self.told:
            self.tell(f"waiting for {self.who}; `unset WORLD_SIZE` runs without other ranks")
            self.told = True
        time.sleep(SECONDS_BETWEEN_LOOKS)


def check_address(patience: float) -> None:
    """Check that the address of rank 0's machine is known; torch would try for minutes.

    Args:
        patience: seconds until it has to be.

    Raises:
        SettingError: it is not, or the port is no number of a port.
    """
    address, port = os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"]
    if not (port.isdecimal() and 0 < int(port) < 2**16):
        raise SettingError(f"MASTER_PORT={port!r} is no port; give rank 0's, as MASTER_PORT=29500")
    until = time.monotonic() + patience
    while True:
        try:
            socket.getaddrinfo(address, int(port))
        except (OSError, UnicodeError) as error:
            if time.monotonic() >= until:
                raise SettingError(
                    f"MASTER_ADDR={address!r} is not known here; give the name or address of the"
                    " machine with rank 0"
                ) from error
            time.sleep(0.5)
        else:
            return


def _rank() -> int:
    """Number of this process among the ranks.

    Raises:
        SettingError: the variable is no such number.
    """
    text, size = os.environ["RANK"], rank_count()
    if not (text.isdecimal() and int(text) < size):
        raise SettingError(f"RANK={text!r} is no rank; give 0 to {size - 1}, as WORLD_SIZE={size}")
    return int(text)


def _timeout() -> float:
    """Seconds that a rank waits for another.

    Raises:
        SettingError: the variable is set to no number above zero.
    """
    text = os.environ.get(TIMEOUT, str(DEFAULT_TIMEOUT))
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e7:
        raise SettingError(f"{TIMEOUT}={text!r} is no time; give seconds, as {TIMEOUT}=120")
    return seconds
