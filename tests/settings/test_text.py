"""Settings as people write them."""

from __future__ import annotations

import pytest

from vangram.errors import SettingError
from vangram.settings.text import parse_memory

GB = 10**9


@pytest.mark.parametrize(
    ("text", "amount"),
    [("4GB", 4 * GB), ("1.5 gb", 3 * GB // 2), ("800M", 800_000_000), ("1000000B", 10**6)],
)
def test_memory_is_read_as_people_write_it(text: str, amount: int) -> None:
    assert parse_memory(text) == amount


@pytest.mark.parametrize("text", ["", "much", "4 apples", "-1GB", "nan"])
def test_memory_that_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(SettingError, match="no amount of memory"):
        parse_memory(text)


@pytest.mark.parametrize("text", ["2", "1000000"])
def test_memory_without_a_unit_is_refused(text: str) -> None:
    with pytest.raises(SettingError, match=f"'{text}' has no unit: give one, as in 4GB"):
        parse_memory(text)
