"""Shards: a fixed split of named results among processes that do not communicate."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from vangram.errors import SettingError

FORM = re.compile(r"(\d{1,5})/(\d{1,5})", re.ASCII)


@dataclass(frozen=True)
class Shard:
    """Part `number` of `of` parts: the names whose hash modulo `of` is `number`."""

    number: int
    """Number of the part, from 0."""
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @classmethod
    def parse(cls, text: str) -> Shard:
        """A shard from "K/N". K counts from 0 or from 1: N/N is 0/N.

        Raises:
            SettingError: it is no shard.
        """
        found = FORM.fullmatch(text)
        number, of = map(int, found.groups()) if found else (0, 0)
        if of < 1 or number > of:
            raise SettingError(
                f"shard needs K/N, with K from 0 to N-1 or from 1 to N, not {text!r}; try 1/4"
            )
        return cls(number % of, of)

    def has(self, name: str) -> bool:
        """Whether a result belongs to this shard; its name alone decides, so machines agree."""
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
        return int.from_bytes(digest[:8], "big") % self.of == self.number
