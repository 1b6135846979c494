"""The studio: its parts, started and ended together."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import vangram
from vangram.errors import RecipeError
from vangram.settings.record import Record
from vangram.studio.access import Access
from vangram.studio.folder import Folder
from vangram.studio.history import History
from vangram.studio.pictures import Pictures, Received
from vangram.studio.queue import Job, Queue
from vangram.studio.reader import NOW, SOON, Reader
from vangram.studio.records import recipe_of
from vangram.studio.refusals import Refused
from vangram.studio.requests import JobBody, cells_of
from vangram.studio.store import Store

LARGEST_UPLOAD = 100_000_000
"""Largest upload in pixels."""
SECONDS_BEFORE_READING = 0.3
"""Delay before the reader loads torch, which occupies two cores: the page comes first."""
SECONDS_BETWEEN_LOOKS = 2.0
"""Interval of searches for new files in the output folder."""
EXAMPLES = {"photos": "photo", "styles": "painting"}
"""Folder of examples -> their role."""


class Studio:
    """Pictures, queue and history behind the HTTP interface.

    Args:
        root: the output folder.
        access: who may ask.

    Raises:
        OutputError: the folder cannot be used.
    """

    def __init__(self, root: Path, access: Access) -> None:
        self.access = access
        self.folder = Folder(root)
        self.folder.clear_incoming()
        self.store = Store(self.folder.database)
        self.reader = Reader()
        self.pictures = Pictures(self.folder, self.store, self.reader, LARGEST_UPLOAD)
        self.history = History(self.folder, self.store, self.reader, self.pictures)
        self.queue = Queue(self.folder, self.store, self.pictures, self.history)
        self.tasks: list[asyncio.Task[Any]] = []

    async def start(self) -> None:
        """Start all parts; the queue continues where the last server ended."""
        loop = asyncio.get_running_loop()
        self.queue.start()
        loop.call_later(SECONDS_BEFORE_READING, self.reader.start)
        watching = self.history.watch(self.tell_of_history, SECONDS_BETWEEN_LOOKS)
        self.tasks.append(loop.create_task(watching))

    async def close(self) -> None:
        """End all parts; their state is saved."""
        for task in self.tasks:
            task.cancel()
        await self.queue.close()
        await self.reader.close()
        self.store.close()

    async def plan(self, body: JobBody, urgency: int = SOON) -> dict[str, Any]:
        """Size, seconds and memory of a job, checked as the run itself would check it.

        Args:
            body: of the job.
            urgency: of the reader's answer.

        Raises:
            VangramError: something given cannot be used.
            Refused: likewise.
        """
        recipes = [cell.recipe.to_dict() for cell in cells_of(body)]
        inputs = self.pictures.paths(body.inputs)
        try:
            found = await self.reader.ask(
                "plan", urgency=urgency, inputs=inputs, recipes=recipes, given=list(body.settings)
            )
        except Refused as refused:
            said = self.pictures.said(refused.detail, body.pictures())
            raise Refused(refused.status_code, said, refused.kind) from None
        notes = [self.pictures.said(note, body.pictures()) for note in found["notes"]]
        return found | {"notes": notes}

    async def add(self, body: JobBody, key: str | None) -> tuple[Job, bool]:
        """Put a job into the queue; returns it, and whether it is new. Raises as `plan`."""
        cells = [
            {"values": dict(cell.values), "settings": cell.recipe.to_dict()}
            for cell in cells_of(body)
        ]
        return await self.queue.add(body, key, lambda: self.plan(body, NOW), cells)

    def as_json(self, picture: dict[str, Any]) -> dict[str, Any]:
        """An uploaded picture in the form of the HTTP interface."""
        hidden = ("record", "suffix")
        url = f"/api/v1/pictures/{picture['id']}"
        return {name: value for name, value in picture.items() if name not in hidden} | {
            "recipe": None if picture["record"] is None else self.recipe(picture["record"]),
            "thumbnail": f"{url}/thumbnail",
            "file": f"{url}/file",
            "tiles": f"{url}/tiles",
        }

    def recipe(self, record: str) -> dict[str, Any] | None:
        """A record in the form of the HTTP interface; None where it cannot be read."""
        with suppress(RecipeError):
            return recipe_of(Record.from_json(record), self.pictures.named)
        return None

    async def recipe_in(self, received: Received) -> dict[str, Any]:
        """The recipe that a file carries; the file is not kept.

        Raises:
            Refused: it is no picture.
            RecipeError: it carries no recipe, or a damaged one.
        """
        try:
            noted = await self.pictures.inspect(received.path, received.name, None)
        finally:
            with suppress(OSError):
                received.path.unlink()
        if noted["record"] is None:
            raise RecipeError(
                f"{received.name!r} carries no recipe; was it made by vangram, or edited since?"
            )
        return recipe_of(Record.from_json(noted["record"]), self.pictures.named)

    async def tile(self, path: Path, key: str, level: int, column: int, row: int) -> Path | None:
        """The file of a tile; None where there is none."""
        output = self.folder.tiles / f"{key}-{level}-{column}-{row}.png"
        if not output.exists():
            reply = await self.reader.ask(
                "tile",
                path=str(path),
                key=key,
                level=level,
                column=column,
                row=row,
                output=str(output),
            )
            if not reply["there"]:
                return None
        return output

    def tell_of_history(
        self, added: Sequence[str], removed: Sequence[str], changed: Sequence[str]
    ) -> None:
        """Send an event with the ids of pictures that were added, removed or changed."""
        said = {"added": list(added), "removed": list(removed), "changed": list(changed)}
        self.queue.hub.publish("history", str(self.queue.hub.revision), said)


def examples() -> dict[str, tuple[Path, str]]:
    """Examples that ship: id -> (path, role)."""
    package = Path(vangram.__file__).parent
    places = package / "studio" / "examples", package.parent.parent / "examples"
    found: dict[str, tuple[Path, str]] = {}
    for folder, role in EXAMPLES.items():
        for path in sorted(p for place in places for p in (place / folder).glob("*.jpg")):
            if re.fullmatch(r"[0-9a-z-]+", path.stem):
                found.setdefault(path.stem, (path, role))
    return found
