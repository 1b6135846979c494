"""A batch on a Ray cluster: progress, and each picture's path when it is made."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, redirect_stdout

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from vangram.batch import Batch
from vangram.batch.cluster import Cluster, Running
from vangram.cli.batch_runner import making
from vangram.cli.interrupts import INTERRUPTS
from vangram.cli.progress import duration
from vangram.cli.streams import Interval
from vangram.run.progress import Pace
from vangram.storage.files import printable

SHOWN = 8
"""Number of running pictures that are named; the others are counted."""


def make_on_cluster(batch: Batch, address: str, *, cores: int, ship: bool, quiet: bool) -> None:
    """Make the missing pictures on a cluster and print each one's path.

    Args:
        batch: no sequence.
        address: of the cluster, as `Cluster` has it.
        cores: CPU cores for each picture.
        ship: whether files travel through the object store.
        quiet: print no progress.

    Raises:
        SettingError: there is no such cluster, or its nodes are not fit for the batch.
        OutputError: a file cannot be written.
        typer.Exit: 3 where a picture failed.
    """
    output = sys.stdout
    # Ray prints pages of its logs there when a node dies, until the cluster is left.
    with (
        open(os.devnull, "w") as nowhere,
        redirect_stdout(nowhere),
        closing(Cluster(address)) as cluster,
    ):
        INTERRUPTS.install()  # again, for Ray has handlers of its own
        with making(batch, quiet=quiet) as log, ExitStack() as stack:
            show = None if quiet else stack.enter_context(closing(_Progress(batch)))
            moved = _Moves()
            events = stack.enter_context(closing(cluster.paint(batch, cores=cores, ship=ship)))
            for event in events:
                if isinstance(event, list):
                    log.notes(moved(event))
                    if show is not None:
                        show(event)
                    continue
                pair, outcome = event
                log.notes(outcome.notes)
                log.settle(pair, outcome.error)
                if outcome.state == "made":
                    print(batch.output(pair), file=output, flush=True)


class _Moves:
    """Notes of pictures that are tried again because their worker or its node has died."""

    def __init__(self) -> None:
        self.last: dict[str, Running] = {}

    def __call__(self, running: Sequence[Running]) -> Iterator[str]:
        """A note for each picture whose worker is another one than before."""
        for each in running:
            was = self.last.setdefault(each.name, each)
            self.last[each.name] = each
            if was.pid != each.pid or was.node != each.node:
                yield (
                    f"the worker of {each.name!r} on {was.node} has died; it is tried again on"
                    f" {each.node}"
                )


class _Progress:
    """Prints pictures made, running pictures with their nodes, and the time left."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.of = max(1, len(batch.pairs))
        self.pace = Pace(batch.count("made") / self.of)
        self.interval = Interval()
        self.last: list[str] = []
        console = Console(stderr=True)
        self.live = Live(console=console, transient=True) if console.is_terminal else None
        if self.live:
            self.live.start()

    def __call__(self, running: Sequence[Running]) -> None:
        """Print the progress: at once on a terminal, elsewhere every few seconds."""
        if self.live is None and not self.interval.is_over():
            return
        ended = len(self.batch.pairs) - self.batch.count("missing")
        left = self.pace.seconds_left((ended + sum(each.done for each in running)) / self.of)
        head = f"{ended}/{self.of}" + ("" if left is None else f"  {duration(left)} left at most")
        named = [f"{each.name} {each.done:.0%} on {each.node}" for each in running[:SHOWN]]
        more = [f"{len(running) - SHOWN} more"] if len(running) > SHOWN else []
        named = named or ["no worker has begun: they start, or all cores are taken"]
        lines = [printable(line) for line in (head, *named, *more)]
        if self.live:
            self.live.update(Group(*map(Text, lines)))
        elif lines != self.last:
            print("  ".join([lines[0], ", ".join(lines[1:])]), file=sys.stderr, flush=True)
        self.last = lines

    def close(self) -> None:
        """Remove the lines from the terminal."""
        if self.live:
            self.live.stop()
