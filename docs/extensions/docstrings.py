"""Docstrings and signatures as people write and read them."""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

NO_LITERAL = re.compile(r"<[^<>]*>")
"""A default that has no short way to be written."""
ONE_VALUE = ("attribute", "data", "property")
"""What has neither arguments nor sections."""

_written: list[str] = []
"""The docstring at hand, before napoleon."""


def _process_signature(
    app: Sphinx, what: str, name: str, it: object, options: object, signature: str | None,
    returned: str | None,
) -> tuple[str, str | None] | None:  # fmt: skip
    """Write `...` for defaults such as `<factory>`, which Sphinx cannot parse."""
    return None if signature is None else (NO_LITERAL.sub("...", signature), returned)


def _before_napoleon(
    app: Sphinx, what: str, name: str, it: object, options: object, lines: list[str]
) -> None:
    """What a module's docstring indents is code, and no quotation."""
    if what == "module":
        for index in range(len(lines) - 1, 0, -1):
            if lines[index].startswith("    ") and not lines[index - 1]:
                lines[index:index] = ["::", ""]
    _written[:] = lines


def _after_napoleon(
    app: Sphinx, what: str, name: str, it: object, options: object, lines: list[str]
) -> None:
    """What a value's docstring says before a colon is not its type."""
    if what in ONE_VALUE:
        lines[:] = _written


def setup(app: Sphinx) -> dict[str, Any]:
    """Listen to autodoc, on both sides of napoleon's 500."""
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-signature", _process_signature)
    app.connect("autodoc-process-docstring", _before_napoleon, priority=400)
    app.connect("autodoc-process-docstring", _after_napoleon, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
