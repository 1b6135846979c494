"""Shards: each name in one of them, whatever other names there are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vangram.batch import Shard
from vangram.errors import SettingError


@given(st.text(), st.integers(1, 9))
def test_every_name_is_in_one_shard(name: str, of: int) -> None:
    assert sum(Shard(number, of).has(name) for number in range(of)) == 1


def test_split_is_the_same_on_every_machine() -> None:
    # Pinned: another hash would make pictures twice while versions are mixed.
    names = [f"p{number}-s.png" for number in range(12)]
    found = [next(k for k in range(4) if Shard(k, 4).has(name)) for name in names]
    assert found == [0, 1, 2, 0, 1, 3, 3, 0, 2, 0, 2, 3]
    assert Shard(0, 1).has("na\udcefve.png")  # a name that is not UTF-8


def test_shards_share_names_about_evenly() -> None:
    # Binomial: 250 expected of 1000, with a standard deviation of 14.
    names = [f"IMG_{number:04}-painting.png" for number in range(1000)]
    assert all(180 < sum(map(Shard(k, 4).has, names)) < 320 for k in range(4))


@pytest.mark.parametrize("text", ["0/4", "4/4"])
def test_shards_count_from_0_or_from_1(text: str) -> None:
    assert Shard.parse(text) == Shard(0, 4)


@pytest.mark.parametrize(
    "text", ["", "4", "5/4", "-1/4", "1/0", "0/0", "a/4", "1/4/2", "1 / 4", "1/9999999", "٣/٤"]
)
def test_text_that_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(SettingError, match="shard needs K/N"):
        Shard.parse(text)
