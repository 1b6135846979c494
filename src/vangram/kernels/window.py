"""A window: a rectangle of an image or a feature map."""

from __future__ import annotations

Window = tuple[slice, slice]
"""(rows, columns)."""
