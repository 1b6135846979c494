"""What `vangram rerun` says at the end: whether it held."""

from __future__ import annotations

import sys
from pathlib import Path

import typer


def compare(picture: str, again: Path, differences: list[str]) -> None:
    """Say whether the same bytes came out; exit code 1 where they should have and did not."""
    if Path(picture).suffix.lower() != again.suffix.lower():
        return
    if Path(picture).read_bytes() == again.read_bytes():
        print(f"vangram: the same bytes as {picture}", file=sys.stderr)
        return
    why = "as the notes above let expect" if differences else "although nothing seems to differ"
    print(f"vangram: not the same bytes as {picture}, {why}", file=sys.stderr)
    if not differences:
        raise typer.Exit(1)
