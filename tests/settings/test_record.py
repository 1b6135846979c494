"""The record: its text comes back exactly, damage is told, and differences are lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vangram.errors import RecipeError
from vangram.settings.inputs import Inputs
from vangram.settings.recipe import Recipe
from vangram.settings.record import FORMAT, Input, Record

RECORD = Record(
    recipe=Recipe(size=64, tv_weight=0.1),
    inputs=Inputs(content=Input("photo.jpg", "aa"), styles=(Input("painting.jpg", "bb"),)),
    network_sha256="cc",
    versions={"torch": "2.13", "threads": "2"},
)

EVERYTHING = Inputs(
    content=Input("photo.jpg", "00"),
    styles=(Input("a.jpg", "01"), Input("b.jpg", "02"), Input("c.jpg", "03")),
    start=Input("start.png", "04"),
    parameters=Input("net.pth", "05"),
    mask=Input("mask.png", "06"),
    style_masks=(Input("am.png", "07"), Input("bm.png", "08"), Input("cm.png", "09")),
    keep=Input("keep.png", "10"),
    before=Input("last.png", "11"),
    before_frame=Input("frame.png", "12"),
    flow=Input("a.flo", "13"),
)

texts = st.text(max_size=20)
files = st.builds(Input, path=texts, sha256=st.none() | texts)
several = st.lists(files, max_size=3).map(tuple)
anything: dict[str, Any] = {each.name: st.none() | files for each in fields(Inputs)}
anything |= {"content": files, "styles": several.filter(bool), "style_masks": several}
records = st.builds(
    Record,
    recipe=st.builds(
        Recipe,
        size=st.integers(2, 4096),
        tv_weight=st.floats(0, 1e9),
        style_layers=st.dictionaries(texts, st.floats(1e-9, 1e9), max_size=3),
    ),
    inputs=st.builds(Inputs, **anything),
    network_sha256=texts,
    versions=st.dictionaries(texts, texts, max_size=4),
    finished=st.booleans(),
)


def values(**changes: Any) -> str:
    """The record's text with something else in it; None takes it out."""
    changed = json.loads(RECORD.to_json()) | changes
    return json.dumps({name: value for name, value in changed.items() if value is not None})


def with_inputs(**changes: Any) -> Record:
    return replace(RECORD, inputs=replace(RECORD.inputs, **changes))


@given(records)
def test_record_survives_its_json_exactly(record: Record) -> None:
    assert Record.from_json(record.to_json()) == record
    assert Record.from_json(record.to_json()).to_json() == record.to_json()


def test_record_json_is_compact_and_says_its_format() -> None:
    text = RECORD.to_json()
    assert text.startswith(f'{{"format":{FORMAT},')
    assert ": " not in text
    assert "\n" not in text


def test_record_keeps_the_form_in_which_older_versions_wrote_inputs() -> None:
    inputs: dict[str, Any] = json.loads(replace(RECORD, inputs=EVERYTHING).to_json())
    first = {key: inputs[key]["path"] for key in ("content", "style", "start", "parameters")}
    assert first == {
        "content": "photo.jpg",
        "style": "a.jpg",
        "start": "start.png",
        "parameters": "net.pth",
    }
    assert {key: given["path"] for key, given in inputs["others"].items()} == {
        "style-2": "b.jpg",
        "style-3": "c.jpg",
        "mask": "mask.png",
        "style-mask": "am.png",
        "style-mask-2": "bm.png",
        "style-mask-3": "cm.png",
        "keep": "keep.png",
        "before": "last.png",
        "before-frame": "frame.png",
        "flow": "a.flo",
    }


def test_paths_are_taken_from_the_older_record_where_the_files_are_the_same() -> None:
    moved = EVERYTHING.map(lambda given: replace(given, path=f"moved/{given.path}"))
    moved = replace(moved, keep=Input("moved/keep.png", "zz"))
    found = replace(RECORD, inputs=moved).with_paths_of(replace(RECORD, inputs=EVERYTHING))
    assert found.inputs == replace(EVERYTHING, keep=moved.keep)


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
        values(network_sha256=0.5),
        values(finished="yes"),
        values(keep_metadata=1),
        values(colour=1),
        values(versions=[]),
        values(versions="2.13"),
        values(content={"path": 5, "sha256": "aa"}),
        values(others={"hue": {"path": "p.jpg", "sha256": "aa"}}),
        values(others={"style-3": {"path": "p.jpg", "sha256": "aa"}}),
        values(others={"mask-2": {"path": "p.jpg", "sha256": "aa"}}),
        values(others=["mask"]),
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
    assert RECORD.differences(with_inputs(content=Input("moved/photo.jpg", "aa"))) == []


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"network_sha256": "zz"}, "the network vgg19-lite has other parameters"),
        ({"versions": {"torch": "2.14", "threads": "2"}}, "torch was 2.13, is 2.14"),
        ({"versions": {"torch": "2.13"}}, "threads was 2, is none"),
        (
            {"versions": {"torch": "2.13", "threads": "2", "device": "cuda"}},
            "device was none, is cuda",
        ),
        ({"versions": {"torch": "2.13", "threads": "2", "ranks": "3"}}, "ranks was 1, is 3"),
    ],
)
def test_difference_is_one_line(changes: dict[str, Any], line: str) -> None:
    assert RECORD.differences(replace(RECORD, **changes)) == [line]


@pytest.mark.parametrize("changed", [str(name) for name, _ in EVERYTHING.named()])
def test_input_that_is_another_file_is_told_by_its_name(changed: str) -> None:
    was = replace(RECORD, inputs=EVERYTHING)
    now = EVERYTHING.named().map(
        lambda named: replace(named[1], sha256="zz") if str(named[0]) == changed else named[1]
    )
    (path,) = set(now) - set(EVERYTHING)
    (line,) = was.differences(replace(was, inputs=now))
    assert line == f"the {changed} is not the same file: {path.path}"


def test_run_stopped_early_is_a_difference() -> None:
    (line,) = replace(RECORD, finished=False).differences(RECORD)
    assert "stopped early" in line


def test_differences_are_all_told() -> None:
    other = replace(
        with_inputs(content=Input("a", "1"), styles=(Input("b", "2"),)),
        network_sha256="3",
        versions={"torch": "4"},
    )
    assert len(RECORD.differences(other)) == 5


def test_changes_are_those_of_inputs_and_parameters_alone() -> None:
    other = with_inputs(styles=(Input("b", "2"),))
    other = replace(other, network_sha256="3", versions={"torch": "4"})
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
    file = Input("p.safetensors", "62db1cdf69a6")
    (told,) = replace(was, inputs=replace(was.inputs, parameters=file)).changes(now)
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
    now = with_inputs(content=Input("moved/photo.jpg", "aa"))
    assert RECORD.continued(now).to_json() == RECORD.to_json()


def test_record_that_goes_on_with_other_versions_names_both_once() -> None:
    now = replace(RECORD, versions={"threads": "2", "torch": "2.14", "device": "cuda"})
    mixed = {"torch": "2.13, then 2.14", "threads": "2", "device": "none, then cuda"}
    assert RECORD.continued(now).versions == mixed
    assert RECORD.continued(now).continued(now).versions == mixed
    assert RECORD.continued(now).differences(now)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths to all values inside one of JSON."""
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in parts:
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, key))


TEXTS = ("", "\0", "\ud800", "\x1b[2J\n", "a" * 5000, "/dev/zero")
NAMED = tuple({"path": text, "sha256": "aa"} for text in TEXTS)
HOSTILE = (None, True, -1, 1e308, 10**30, [], [1], {}, {"a": 1}, {"path": "x"}, *TEXTS, *NAMED)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_record_is_refused_or_usable(hostile: object) -> None:
    text = replace(RECORD, inputs=replace(EVERYTHING, parameters=None)).to_json()
    for *above, key in list(places(json.loads(text))):
        for replaced in (key, "else", "style-02", "self"):
            changed = json.loads(text)
            inside = changed
            for each in above:
                inside = inside[each]
            if isinstance(inside, dict):
                del inside[key]
                inside[replaced] = hostile
            else:
                inside[key] = hostile
            with suppress(RecipeError):
                record = Record.from_json(json.dumps(changed))
                record.published("/home/me/out.png").to_json()
                record.continued(RECORD)
                for line in record.differences(RECORD) + RECORD.differences(record):
                    assert isinstance(line, str)
