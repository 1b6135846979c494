"""A part of a picture or of a layer, by its rows and columns."""

from __future__ import annotations

Window = tuple[slice, slice]
"""Rows and columns."""
