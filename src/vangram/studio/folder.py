"""Paths of the studio's files: the output folder, and the hidden folder in it."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from vangram.errors import OutputError
from vangram.storage.files import quoted, reason

HIDDEN = ".studio"
BIN = "bin"


class Folder:
    """An output folder with the studio's own files in it; no name in it comes from outside.

    Args:
        root: where the pictures go; made where it is missing.

    Raises:
        OutputError: it cannot be made or written to.
    """

    def __init__(self, root: Path) -> None:
        self.root = root = root.absolute()
        self.hidden = root / HIDDEN
        self.bin = root / BIN
        self.pictures = self.hidden / "pictures"
        """Pictures that were uploaded, by id."""
        self.incoming = self.hidden / "incoming"
        """Uploads that are not whole or not checked yet."""
        self.thumbnails = self.hidden / "thumbnails"
        self.previews = self.hidden / "previews"
        self.drafts = self.hidden / "drafts"
        """Results that are no part of the history: drafts, and folders of sweeps."""
        self.tiles = self.hidden / "tiles"
        folders = (self.pictures, self.incoming, self.thumbnails, self.previews, self.drafts)
        try:
            for folder in (*folders, self.tiles):
                folder.mkdir(parents=True, exist_ok=True)
            if not os.access(root, os.W_OK | os.X_OK):
                raise PermissionError(13, "Permission denied")
        except OSError as error:
            raise OutputError(
                f"{quoted(root)} cannot be the studio's folder ({reason(error)});"
                " choose another with --folder"
            ) from None

    def clear_incoming(self) -> None:
        """Remove incomplete uploads that a killed server has left.

        Only the server of the folder may do so.
        """
        for left in self.incoming.iterdir():
            with suppress(OSError):
                left.unlink()

    @property
    def database(self) -> Path:
        """The database: jobs, pictures, history."""
        return self.hidden / "studio.sqlite"

    @property
    def lock(self) -> Path:
        """Lock file of the one server of the folder."""
        return self.hidden / "lock"

    @property
    def worker_lock(self) -> Path:
        """Lock file of the one worker that computes in the folder."""
        return self.hidden / "worker-lock"

    @property
    def address(self) -> Path:
        """File with the address of the folder's server."""
        return self.hidden / "address"

    @property
    def token(self) -> Path:
        """File with the token of servers that listen beyond loopback."""
        return self.hidden / "token"

    def preview(self, job: str, *, full: bool = False) -> Path:
        """Path of a job's preview."""
        return self.previews / f"{job}{'-full' * full}.jpg"

    def thumbnail(self, key: str) -> Path:
        """Path of the thumbnail of a key."""
        return self.thumbnails / f"{key}.jpg"

    def draft(self, job: str, suffix: str = "") -> Path:
        """Path of a draft's result; without a suffix, a sweep's folder."""
        return self.drafts / f"{job}{suffix}"

    def forget(self, job: str) -> None:
        """Remove a job's previews and drafts."""
        for path in (self.preview(job), self.preview(job, full=True), *self.drafts.glob(f"{job}*")):
            with suppress(OSError):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
