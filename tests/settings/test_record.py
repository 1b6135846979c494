"""The record: its text comes back exactly, damage is told, and differences are lines."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vangram.errors import RecipeError
from vangram.settings.recipe import Recipe
from vangram.settings.record import FORMAT, Input, Record

RECORD = Record(
    recipe=Recipe(size=64, tv_weight=0.1),
    content=Input("photo.jpg", "aa"),
    style=Input("painting.jpg", "bb"),
    network_sha256="cc",
    versions={"torch": "2.13", "threads": "2"},
)

texts = st.text(max_size=20)
inputs = st.builds(Input, path=texts, sha256=st.none() | texts)
records = st.builds(
    Record,
    recipe=st.builds(
        Recipe,
        size=st.integers(2, 4096),
        tv_weight=st.floats(0, 1e9),
        style_layers=st.dictionaries(texts, st.floats(1e-9, 1e9), max_size=3),
    ),
    content=inputs,
    style=inputs,
    start=st.none() | inputs,
    network_sha256=texts,
    versions=st.dictionaries(texts, texts, max_size=4),
    finished=st.booleans(),
)


def values(**changes: Any) -> str:
    """The record's text with something else in it; None takes it out."""
    changed = json.loads(RECORD.to_json()) | changes
    return json.dumps({name: value for name, value in changed.items() if value is not None})


@given(records)
def test_record_survives_its_json_exactly(record: Record) -> None:
    assert Record.from_json(record.to_json()) == record
    assert Record.from_json(record.to_json()).to_json() == record.to_json()


def test_record_json_is_compact_and_says_its_format() -> None:
    text = RECORD.to_json()
    assert text.startswith(f'{{"format":{FORMAT},')
    assert ": " not in text
    assert "\n" not in text


def test_record_of_a_newer_format_is_refused() -> None:
    with pytest.raises(RecipeError, match=rf"format {FORMAT + 1}, this vangram reads {FORMAT}"):
        Record.from_json(values(format=FORMAT + 1))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        RECORD.to_json()[:-20],
        "null",
        "[]",
        "3",
        "{}",
        values(recipe=None),
        values(recipe=[]),
        values(recipe=7),
        values(recipe={"size": -1}),
        values(recipe={"hue": 1}),
        values(content=None),
        values(content="photo.jpg"),
        values(content={"path": "photo.jpg"}),
        values(content={"path": "photo.jpg", "sha256": "aa", "colour": 1}),
        values(network_sha256=None),
        values(colour=1),
        values(versions=[]),
        values(versions="2.13"),
        values(content={"path": 5, "sha256": "aa"}),
        values().replace('"tv_weight": 0.1', '"tv_weight": ' + "9" * 400),
        "[" * 100_000,
    ],
    ids=lambda text: repr(text)[:40],
)
def test_damaged_record_is_a_recipe_error_in_one_line(text: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Record.from_json(text)
    assert "\n" not in str(caught.value)


def test_equal_records_do_not_differ() -> None:
    assert RECORD.differences(replace(RECORD)) == []


def test_paths_alone_make_no_difference() -> None:
    assert RECORD.differences(replace(RECORD, content=Input("moved/photo.jpg", "aa"))) == []


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"content": Input("p.jpg", "zz")}, "the content is not the same file: p.jpg"),
        ({"style": Input("p.jpg", "zz")}, "the style is not the same file: p.jpg"),
        ({"start": Input("p.jpg", "zz")}, "the start is not the same file: p.jpg"),
        ({"network_sha256": "zz"}, "the network vgg19-lite has other parameters"),
        ({"versions": {"torch": "2.14", "threads": "2"}}, "torch was 2.13, is 2.14"),
        ({"versions": {"torch": "2.13"}}, "threads was 2, is none"),
        (
            {"versions": {"torch": "2.13", "threads": "2", "device": "cuda"}},
            "device was none, is cuda",
        ),
    ],
)
def test_difference_is_one_line(changes: dict[str, Any], line: str) -> None:
    was = replace(RECORD, start=Input("s.jpg", "dd")) if "start" in changes else RECORD
    assert was.differences(replace(was, **changes)) == [line]


def test_run_stopped_early_is_a_difference() -> None:
    (line,) = replace(RECORD, finished=False).differences(RECORD)
    assert "stopped early" in line


def test_differences_are_all_told() -> None:
    other = replace(
        RECORD,
        content=Input("a", "1"),
        style=Input("b", "2"),
        network_sha256="3",
        versions={"torch": "4"},
    )
    assert len(RECORD.differences(other)) == 5


def test_changes_are_those_of_inputs_and_parameters_alone() -> None:
    other = replace(RECORD, style=Input("b", "2"), network_sha256="3", versions={"torch": "4"})
    assert RECORD.changes(other) == [
        "the style is not the same file: b",
        "the network vgg19-lite has other parameters",
    ]


def test_network_that_has_changed_is_named_with_the_version_that_has_it() -> None:
    was = replace(RECORD, versions={"vangram": "0.1.0"}, network_sha256="62db1cdf69a6")
    now = replace(RECORD, versions={"vangram": "0.2.0", "network": "vgg19-lite 2"})
    (told,) = was.changes(now)
    assert told == (
        "the network vgg19-lite has other parameters (the picture's are vgg19-lite of vangram"
        " 0.1.0, SHA-256 62db1cdf; that version makes it again)"
    )
    (told,) = now.changes(was)
    assert "the picture's are vgg19-lite 2 of vangram 0.2.0" in told
    # A file is where the parameters are from then, and its own hash says all.
    given = replace(was, parameters=Input("p.safetensors", "62db1cdf69a6"))
    (told,) = given.changes(now)
    assert told == "the network vgg19-lite has other parameters"


def test_version_of_a_network_is_told_with_its_parameters_and_not_twice() -> None:
    was = replace(RECORD, versions={"network": "vgg19-lite 1"})
    assert was.differences(replace(was, versions={"network": "vgg19-lite 2"})) == []


def test_record_without_a_tolerance_took_all_its_steps() -> None:
    values = json.loads(RECORD.to_json())
    del values["recipe"]["tolerance"]
    assert Record.from_json(json.dumps(values)).recipe.tolerance == 0
    assert Record.from_json(RECORD.to_json()).recipe.tolerance == Recipe().tolerance > 0


def test_record_that_goes_on_with_the_same_versions_is_the_same() -> None:
    now = replace(RECORD, content=Input("moved/photo.jpg", "aa"))
    assert RECORD.continued(now).to_json() == RECORD.to_json()


def test_record_that_goes_on_with_other_versions_names_both_once() -> None:
    now = replace(RECORD, versions={"threads": "2", "torch": "2.14", "device": "cuda"})
    mixed = {"torch": "2.13, then 2.14", "threads": "2", "device": "none, then cuda"}
    assert RECORD.continued(now).versions == mixed
    assert RECORD.continued(now).continued(now).versions == mixed
    assert RECORD.continued(now).differences(now)
