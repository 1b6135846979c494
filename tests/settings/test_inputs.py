"""Inputs: one value that keeps its places whatever is in them."""

from __future__ import annotations

from dataclasses import fields

from hypothesis import given
from hypothesis import strategies as st

from vangram.settings.inputs import SEVERAL, InputName, Inputs

values = st.text(max_size=5)
inputs = st.builds(
    Inputs,
    **{
        each.name: st.lists(values).map(tuple) if each.name in SEVERAL else st.none() | values
        for each in fields(Inputs)
    },
)


def test_inputs_are_gone_through_in_the_order_of_the_fields() -> None:
    given = Inputs(flow="f", styles=("s", "t"), keep="k", content="c")
    assert list(given) == ["c", "s", "t", "k", "f"]
    assert not list(Inputs[str]())


def test_names_are_words_with_numbers_from_the_second_on() -> None:
    given = Inputs(content="c", styles=("s", "t"), style_masks=("m", "n"), before_frame="b")
    names = [name for name, _ in given.named()]
    assert [str(name) for name in names] == [
        "content", "style", "style 2", "style mask", "style mask 2", "before frame",
    ]  # fmt: skip
    assert [name.option for name in names] == [
        "--content", "--style", "--style", "--style-mask", "--style-mask", "--before-frame",
    ]  # fmt: skip


@given(inputs)
def test_map_changes_values_and_no_places(given: Inputs[str]) -> None:
    assert given.map(lambda value: value) == given
    assert given.named().map(lambda named: named[1]) == given
    assert list(given.map(len)) == [len(value) for value in given]


@given(inputs)
def test_each_input_is_found_by_its_name(given: Inputs[str]) -> None:
    for name, value in given.named():
        assert given.get(name) == value
    assert given.get(InputName("style", len(given.styles) + 1)) is None


def test_empty_value_is_given_and_none_is_not() -> None:
    assert list(Inputs(content="", mask=None)) == [""]
