"""The studio's database, one SQLite file: jobs, their losses, pictures, the history.

Every change is on the disk when its method returns, and whole or not there, however the process
ends. One server at a time uses a file.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vangram.errors import OutputError
from vangram.storage.files import quoted, reason

FORMAT = 1
TABLES = """
CREATE TABLE IF NOT EXISTS jobs (id TEXT PRIMARY KEY, json TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS losses (
    job TEXT, level INTEGER, step INTEGER, loss REAL, PRIMARY KEY (job, level, step)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pictures (id TEXT PRIMARY KEY, used REAL NOT NULL, json TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS described (
    name TEXT PRIMARY KEY, version TEXT NOT NULL, json TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS starred (name TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value TEXT NOT NULL);
"""

Loss = tuple[int, int, float]
"""(level, step, loss)."""


class Store:
    """The database's file.

    Raises:
        OutputError: it cannot be opened or written, now or at any change.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._told():
            self.connection = sqlite3.connect(path, isolation_level=None, timeout=10)
            self.connection.execute("PRAGMA journal_mode = WAL")
            self.connection.execute("PRAGMA synchronous = FULL")
            (version,) = self.connection.execute("PRAGMA user_version").fetchone()
            if version not in (0, FORMAT):
                raise OutputError(
                    f"{quoted(path)} was written by another version of vangram; "
                    "use that one, or choose another --folder"
                )
            self.connection.executescript(TABLES)
            self.connection.execute(f"PRAGMA user_version = {FORMAT}")

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    def jobs(self) -> dict[str, dict[str, Any]]:
        """Every job by its id."""
        return {row[0]: json.loads(row[1]) for row in self._rows("SELECT id, json FROM jobs")}

    def state(self, key: str, default: Any) -> Any:
        """A value that was saved under a key."""
        rows = self._rows("SELECT value FROM state WHERE key = ?", key)
        return json.loads(rows[0][0]) if rows else default

    def save_jobs(self, jobs: Iterable[tuple[str, dict[str, Any]]], **state: Any) -> None:
        """Save jobs, and values by key, in one transaction."""
        with self._change() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO jobs VALUES (?, ?)",
                [(id, json.dumps(job)) for id, job in jobs],
            )
            connection.executemany(
                "INSERT OR REPLACE INTO state VALUES (?, ?)",
                [(key, json.dumps(value)) for key, value in state.items()],
            )

    def remove_job(self, id: str) -> None:
        """Remove a job and its losses."""
        with self._change() as connection:
            connection.execute("DELETE FROM jobs WHERE id = ?", (id,))
            connection.execute("DELETE FROM losses WHERE job = ?", (id,))

    def losses(self, job: str) -> list[Loss]:
        """The losses of a job by level and step."""
        query = "SELECT level, step, loss FROM losses WHERE job = ? ORDER BY level, step"
        return self._rows(query, job)

    def add_losses(self, job: str, losses: Sequence[Loss]) -> None:
        """Add losses to those of a job."""
        with self._change() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO losses VALUES (?, ?, ?, ?)",
                [(job, *loss) for loss in losses],
            )

    def cut_losses(self, job: str, level: int, step: int) -> None:
        """Remove the losses of a job that come after a step."""
        with self._change() as connection:
            connection.execute(
                "DELETE FROM losses WHERE job = ? AND (level, step) > (?, ?)", (job, level, step)
            )

    def pictures(self, limit: int) -> list[dict[str, Any]]:
        """Pictures, the last used first."""
        query = "SELECT json FROM pictures ORDER BY used DESC, id LIMIT ?"
        return [json.loads(row[0]) for row in self._rows(query, limit)]

    def picture(self, id: str) -> dict[str, Any] | None:
        """A picture; None where there is none of this id."""
        rows = self._rows("SELECT json FROM pictures WHERE id = ?", id)
        return json.loads(rows[0][0]) if rows else None

    def save_picture(self, id: str, used: float, values: dict[str, Any]) -> None:
        """Save a picture."""
        with self._change() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO pictures VALUES (?, ?, ?)", (id, used, json.dumps(values))
            )

    def use_pictures(self, ids: Iterable[str], used: float) -> None:
        """Note when pictures were used last."""
        with self._change() as connection:
            connection.executemany(
                "UPDATE pictures SET used = ? WHERE id = ?", [(used, id) for id in ids]
            )

    def described(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """Name of a file in the output folder -> its version and description."""
        rows = self._rows("SELECT name, version, json FROM described")
        return {name: (version, json.loads(text)) for name, version, text in rows}

    def describe(self, name: str, version: str, values: dict[str, Any]) -> None:
        """Save the description of a version of a file in the output folder."""
        with self._change() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO described VALUES (?, ?, ?)",
                (name, version, json.dumps(values)),
            )

    def undescribe(self, names: Iterable[str]) -> None:
        """Remove the descriptions of files that no longer exist."""
        with self._change() as connection:
            connection.executemany("DELETE FROM described WHERE name = ?", [(n,) for n in names])

    def starred(self) -> set[str]:
        """Names of files in the output folder with a star."""
        return {row[0] for row in self._rows("SELECT name FROM starred")}

    def star(self, name: str, starred: bool) -> None:
        """Give a file a star, or take it away."""
        query = "INSERT OR IGNORE INTO starred VALUES (?)"
        with self._change() as connection:
            connection.execute(query if starred else "DELETE FROM starred WHERE name = ?", (name,))

    def _rows(self, query: str, *values: Any) -> list[Any]:
        with self._told():
            return self.connection.execute(query, values).fetchall()

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """One transaction."""
        with self._told():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:  # a full disk ends the transaction itself
                    self.connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise OutputError(
                f"{quoted(self.path)} cannot be used ({reason(error)}); free some space, or choose "
                "another --folder"
            ) from error
