"""The judge: its two figures, its curve, its table, and pictures that are not made twice."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from tests.support import NARROW_VGG19, drawn, he_initialised, prepared_level
from training import judge
from training.judge import (
    Candidate,
    Entry,
    Figures,
    content_distance,
    gram_per_position,
    pairs_of,
    ratios_of,
    recipe_of,
    style_at,
    style_left,
    summaries_of,
)
from vangram.errors import NetworkError, SettingError
from vangram.networks import NETWORKS, Topology
from vangram.run import Run

WITHOUT_CONTENT_LAYER = replace(
    NARROW_VGG19,
    widths=(4, 6, 8, 8, 8),
    depths=(1, 1, 1, 1, 1),
    heads={f"relu{block}_1": 8 for block in range(1, 6)},
)
"""A student's stand-in."""


def features(seed: int, height: int = 5, width: int = 7) -> torch.Tensor:
    """Activations (6, height, width), none negative."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(6, height, width, generator=generator)


def test_style_left_is_zero_for_the_painting_and_one_for_features_of_zero() -> None:
    target = gram_per_position(features(0))
    assert style_left(features(0), target) == 0
    assert style_left(torch.zeros(6, 5, 7), target) == 1
    assert 0 < style_left(features(1), target) < 1


def test_style_left_compares_per_position() -> None:
    # The same features twice side by side: another size, the same style.
    twice = torch.cat([features(0), features(0)], dim=2)
    assert style_left(twice, gram_per_position(features(0))) < 1e-24  # float64 sums


def test_style_left_is_the_square_of_the_relative_gram_error() -> None:
    wanted = gram_per_position(features(0))
    got = style_left(features(1), wanted)
    error = torch.linalg.norm(gram_per_position(features(1)) - wanted)
    assert got == pytest.approx(float(error / torch.linalg.norm(wanted)) ** 2)


def test_content_distance_is_zero_for_the_photograph_and_one_for_features_of_zero() -> None:
    assert content_distance(features(0), features(0)) == 0
    assert content_distance(torch.zeros(6, 5, 7), features(0)) == 1
    assert content_distance(3 * features(0), features(0)) == pytest.approx(4)


def test_style_at_follows_an_exponential_exactly() -> None:
    curve = [(c, math.exp(-3 * c)) for c in (0.9, 0.3, 0.5)]  # in no order
    for content in (0.3, 0.4, 0.77, 0.9):
        style, inside = style_at(content, curve)
        assert style == pytest.approx(math.exp(-3 * content))
        assert inside


def test_style_at_goes_through_every_point_of_a_bent_curve() -> None:
    curve = [(0.2, 0.5), (0.6, 0.1), (1.0, 0.08)]
    for content, wanted in curve:
        assert style_at(content, curve)[0] == pytest.approx(wanted)
    assert style_at(0.4, curve)[0] == pytest.approx(math.sqrt(0.5 * 0.1))
    assert style_at(0.8, curve)[0] == pytest.approx(math.sqrt(0.1 * 0.08))


@pytest.mark.parametrize(("content", "wanted"), [(0.1, 0.5), (1.2, 0.08)])
def test_style_at_takes_the_nearest_end_outside_and_says_so(content: float, wanted: float) -> None:
    style, inside = style_at(content, [(0.2, 0.5), (0.6, 0.1), (1.0, 0.08)])
    assert style == pytest.approx(wanted)
    assert not inside


def entry(pair: str, network: str, strength: float, style: float, content: float) -> Entry:
    """A picture whose style left is the same at every layer."""
    left = dict.fromkeys(judge.STYLE_LAYERS, style)
    return Entry(pair, network, strength, Figures(left, content))


MADE_UP = [
    entry("a", "vgg19", 1, 0.04, 0.4),
    entry("a", "vgg19", 2, 0.01, 0.8),
    entry("a", "lite", 1, 0.04, 0.6),  # VGG-19's: 0.02
    entry("a", "lite", 2, 0.03, 0.9),  # VGG-19's nearest: 0.01
    entry("b", "vgg19", 1, 0.1, 0.5),
    entry("b", "vgg19", 2, 0.05, 0.7),
    entry("b", "lite", 1, 0.8, 0.5),  # VGG-19's: 0.1
    entry("b", "lite", 2, 0.05, 0.7),  # VGG-19's: 0.05
]


def test_ratios_are_over_vgg19s_curve_of_the_same_pair() -> None:
    ratios = ratios_of(MADE_UP)
    assert [(r.pair, r.network, r.strength) for r in ratios] == [
        ("a", "lite", 1), ("a", "lite", 2), ("b", "lite", 1), ("b", "lite", 2),
    ]  # fmt: skip
    assert [r.value for r in ratios] == pytest.approx([2, 3, 8, 1])
    assert [r.covered for r in ratios] == [None, (0.4, 0.8), None, None]


def test_ratios_of_a_pair_without_vgg19s_pictures_are_left_out() -> None:
    assert ratios_of([each for each in MADE_UP if each.network != "vgg19"]) == []
    assert summaries_of([]) == []


def test_summaries_have_geometric_mean_and_maximum() -> None:
    (summary,) = summaries_of(ratios_of(MADE_UP))
    assert summary.network == "lite"
    assert summary.at_one == pytest.approx((4, 8))  # of 2 and 8
    assert summary.overall == pytest.approx((48**0.25, 8))
    assert (summary.outside, summary.pictures) == (1, 4)


def test_summaries_without_strength_1_say_so() -> None:
    (summary,) = summaries_of([r for r in ratios_of(MADE_UP) if r.strength == 2])
    assert summary.at_one is None


def test_report_marks_rows_outside_vgg19s_range(capsys: pytest.CaptureFixture[str]) -> None:
    judge.report_pair([each for each in MADE_UP if each.pair == "a"])
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| lite")]
    assert rows == [
        "| lite | 1 | 0.0400 | 0.0400 | 0.0400 | 0.0400 | 0.0400 | 0.0400 | 0.600 |",
        "| lite | 2 | 0.0300 | 0.0300 | 0.0300 | 0.0300 | 0.0300 | 0.0300 | 0.900 |",
        "| lite | 1 | 2.00 |",
        "| lite | 2 | 3.00 (outside VGG-19's 0.400 to 0.800: over its nearest picture's) |",
    ]


def test_pairs_are_one_to_one_unless_crossed() -> None:
    contents, styles = [Path("a.jpg"), Path("b.jpg")], [Path("x.jpg"), Path("y.jpg")]
    names = [pair.name for pair in pairs_of(contents, styles, cross=False)]
    assert names == ["a-x", "b-y"]
    names = [pair.name for pair in pairs_of(contents, styles, cross=True)]
    assert names == ["a-x", "a-y", "b-x", "b-y"]


def test_pairs_of_unequal_numbers_or_of_one_name_are_refused() -> None:
    with pytest.raises(SettingError, match=r"2 contents and 1 styles.*--cross"):
        pairs_of([Path("a.jpg"), Path("b.jpg")], [Path("x.jpg")], cross=False)
    with pytest.raises(SettingError, match="two pairs would be called a-x"):
        pairs_of([Path("a.jpg"), Path("other/a.png")], [Path("x.jpg")], cross=True)


def test_recipe_has_the_literatures_content_layer_where_the_network_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    swap(monkeypatch, "vgg19-lite", WITHOUT_CONTENT_LAYER)
    assert recipe_of("vgg19-caffe", 64, 3).content_layers == {"relu4_2": 1.0}
    assert recipe_of("vgg19-lite", 64, 3).content_layers == {"relu4_1": 1.0}


def test_files_of_one_name_get_labels_of_their_own(tmp_path: Path) -> None:
    found = []
    for folder, content in (("a", b"1"), ("b", b"2"), ("c", b"2")):
        (tmp_path / folder).mkdir()
        file = tmp_path / folder / "lite.safetensors"
        file.write_bytes(content)
        found.append(judge.candidate(str(file), Path("teacher"), tmp_path))
        file.write_bytes(b"as training goes on")
    first, second, third = found
    assert first.label != second.label
    assert second == third
    assert first.parameters is not None
    assert first.parameters.read_bytes() == b"1"


def test_vgg19_runs_with_the_units_of_the_teachers_parameters(tmp_path: Path) -> None:
    teacher = tmp_path / "teacher.safetensors"
    expected = Candidate("vgg19", "vgg19-caffe", teacher)
    assert judge.candidate("vgg19", teacher, tmp_path) == expected


def test_unknown_networks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="no network 'vgg20' to judge; give vgg19, vgg19-lite"):
        judge.candidate("vgg20", tmp_path, tmp_path)
    with pytest.raises(NetworkError, match=r"absent\.safetensors' cannot be read \(No such file"):
        judge.candidate(str(tmp_path / "absent.safetensors"), tmp_path, tmp_path)


def swap(monkeypatch: pytest.MonkeyPatch, name: str, topology: Topology) -> None:
    """Give a network of the registry another shape."""
    monkeypatch.setitem(NETWORKS, name, replace(NETWORKS[name], topology=topology))


@pytest.fixture
def arguments(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, photo: Path, painting: Path
) -> list[str]:
    """Of a small contest between narrow networks of random parameters."""
    files = {}
    for seed, (name, topology) in enumerate(
        (("vgg19-caffe", NARROW_VGG19), ("vgg19-lite", WITHOUT_CONTENT_LAYER))
    ):
        swap(monkeypatch, name, topology)
        files[name] = tmp_path / f"{name}.safetensors"
        network = he_initialised(topology, seed).float()
        save_file({k: v.contiguous() for k, v in network.state_dict().items()}, files[name])
    return [
        "--teacher", str(files["vgg19-caffe"]), "--networks", "vgg19", str(files["vgg19-lite"]),
        "--contents", str(photo), "--styles", str(painting), "--strengths", "1", "4",
        "--size", "48", "--steps", "2", "--out", str(tmp_path / "out"),
    ]  # fmt: skip


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Networks of the runs that have been run; a run ends at its first picture."""
    runs: list[str] = []

    def steps(self: Run) -> Iterator[SimpleNamespace]:
        runs.append(self.recipe.network)
        yield SimpleNamespace(image=prepared_level(self).first)

    monkeypatch.setattr(Run, "steps", steps)
    return runs


def test_contest_measures_every_network_at_every_strength(
    arguments: list[str], made: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judge.main(arguments)
    assert len(made) == 4
    figures = json.loads((tmp_path / "out" / "figures.json").read_text())
    assert [p["strength"] for p in figures["pictures"]] == [1, 4, 1, 4]
    assert len(figures["ratios"]) == 2
    for picture in figures["pictures"]:
        name = f"{picture['pair']}-{picture['network']}-{picture['strength']:g}.png"
        assert (tmp_path / "out" / name).exists()
        values = picture["figures"]["style"].values()
        assert picture["figures"]["mean"] == pytest.approx(sum(values) / 5)
        assert all(value > 0 for value in values)
    said = capsys.readouterr()
    assert said.out.count("| vgg19 |") == 2
    assert [line.split(":")[0].split()[0] for line in said.err.splitlines()] == [
        "[1/4]", "[2/4]", "[3/4]", "[4/4]",
    ]  # fmt: skip


def test_pictures_that_are_there_are_not_made_again(
    arguments: list[str], made: list[str], tmp_path: Path
) -> None:
    judge.main(arguments)
    assert made == ["vgg19-caffe"] * 2 + ["vgg19-lite"] * 2
    first = (tmp_path / "out" / "figures.json").read_bytes()
    made.clear()
    judge.main(arguments)
    assert made == []
    assert (tmp_path / "out" / "figures.json").read_bytes() == first


def test_pictures_of_other_steps_painting_or_damage_are_made_again(
    arguments: list[str], made: list[str], tmp_path: Path, saved: Callable[..., Path]
) -> None:
    judge.main(arguments)
    made.clear()
    broken = next((tmp_path / "out").glob("*-vgg19-4.png"))
    broken.write_bytes(broken.read_bytes()[:100])
    judge.main(arguments)
    assert made == ["vgg19-caffe"]
    made.clear()
    judge.main([*arguments, "--steps", "3"])
    assert len(made) == 4
    made.clear()
    saved("painting.png", 56, 48, seed=7)
    judge.main([*arguments, "--steps", "3"])
    assert len(made) == 4


def test_judge_measures_the_photograph_itself_as_content_distance_zero(
    arguments: list[str], made: list[str], tmp_path: Path
) -> None:
    # A run that stops where it starts, at the photograph; 8 bits are what is left of it.
    judge.main(arguments)
    figures = json.loads((tmp_path / "out" / "figures.json").read_text())
    assert all(picture["figures"]["content"] < 1e-4 for picture in figures["pictures"])


def test_judge_measures_the_painting_itself_as_no_style_left(arguments: list[str]) -> None:
    measure = judge.Judge(judge.parse(arguments).teacher)
    picture, other = drawn(32, 48, seed=1)[None], drawn(32, 48, seed=2)[None]
    itself = measure.figures(picture, measure.targets(other, picture))
    assert itself.mean == 0
    assert itself.content > 0
    assert measure.figures(other, measure.targets(other, picture)).mean > 0


def test_padding_by_reflection_is_vgg19s_where_it_paints_and_where_it_measures(
    arguments: list[str],
    made: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = judge.PADDINGS["reflect"]
    monkeypatch.setitem(NETWORKS, name, NETWORKS[judge.JUDGE])  # removed after the test
    judge.main(arguments)
    zeros = json.loads((tmp_path / "out" / "figures.json").read_text())
    made.clear()
    judge.main([*arguments, "--padding", "reflect"])
    reflect = json.loads((tmp_path / "out" / "figures.json").read_text())
    assert made == [name] * 2  # the student's pictures are there
    assert NETWORKS[name].topology == replace(NETWORKS[judge.JUDGE].topology, padding="reflect")
    for one, other in zip(zeros["pictures"], reflect["pictures"], strict=True):
        assert one["figures"]["style"]["relu1_1"] != other["figures"]["style"]["relu1_1"]
    capsys.readouterr()


@pytest.mark.parametrize("option", ["--teacher", "--contents", "--styles", "--networks"])
def test_bad_paths_are_told_of_in_one_line(
    arguments: list[str], option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        judge.main([*arguments, option, "absent.safetensors"])
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("python -m training.judge: ")
    assert "absent.safetensors" in line


def test_absent_default_paintings_are_told_of_in_one_line(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(judge, "STYLES", (Path("absent.jpg"),))
    at = arguments.index("--styles")
    with pytest.raises(SystemExit):
        judge.main(arguments[:at] + arguments[at + 2 :])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("pass --styles")
