"""A loss taken apart: the literal values, and weights that carry over from units to units."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.conftest import Outcome
from tests.oracle import truth
from tests.support import drawn
from vangram.errors import SizeError
from vangram.reports.explain import explain
from vangram.run import Run
from vangram.settings.recipe import Recipe, StyleLossName, Units

Command = Callable[..., Outcome]
RECIPE = Recipe(
    size=64,
    steps=10,
    levels=1,
    init="noise",
    content_layers={"relu3_1": 1.0},
    style_layers={"relu1_1": 0.3, "relu2_1": 0.7},
)
# A term in float32, of which a thousand positions are summed.
SINGLE = 1e-4


def image() -> Tensor:
    return drawn(48, 64, seed=3)[None]


CASES: list[tuple[Units, StyleLossName]] = [
    ("relative", "gram"),
    ("paper", "gram"),
    ("relative", "gram+moments"),
    ("paper", "wasserstein"),
]


@pytest.fixture(params=CASES, ids=" ".join)
def run(request: pytest.FixtureRequest, photo: Path, painting: Path) -> Run:
    units, style_loss = request.param
    weight = 1.0 if units == "relative" else 1e-4
    recipe = RECIPE.replace(units=units, style_loss=style_loss, content_weight=weight)
    return Run.prepare(photo, painting, recipe=recipe)


def test_explained_terms_are_the_literal_formulas(run: Run) -> None:
    pictures = run.inputs.pictures
    assert pictures.content is not None
    style = pictures.styles[0].pixels
    style = torch.nn.functional.interpolate(
        style,
        run.inputs.style_size(pictures.styles[0], run.levels[-1].size),
        mode="bicubic",
        antialias=True,
    )
    content = pictures.content.pixels.double()
    paper = run.recipe.replace(units="paper")
    true = truth(paper, run.network.double(), content, style.double(), image().double())
    run.network.float()
    explanation = explain(run, image())
    found = {(e.term.kind, e.term.layer): e.literal for e in explanation.terms}
    assert found.keys() == true.terms.keys()
    for name, value in found.items():
        # The painting is resized in bands here and at once there.
        assert value == pytest.approx(true.terms[name], rel=1e-3), name
    relative = {(e.term.kind, e.term.layer): e.relative for e in explanation.terms}
    at_zero = {(e.term.kind, e.term.layer): e.at_zero for e in explanation.terms}
    assert at_zero.pop(("tv", "")) is None
    assert at_zero.pop(("range", "")) is None
    for name, zero in at_zero.items():
        assert zero is not None
        assert relative[name] * zero == pytest.approx(found[name])


def test_explained_weights_add_up_to_the_loss(run: Run) -> None:
    explanation = explain(run, image())
    assert sum(e.term.weighted for e in explanation.terms) == pytest.approx(explanation.loss)


@pytest.mark.parametrize("units", ["relative", "paper"])
def test_runs_with_converted_weights_take_the_same_path(
    run: Run, photo: Path, painting: Path, units: Units
) -> None:
    explanation = explain(run, image())
    (recipe,) = (same for same in explanation.same if same.units == units)
    assert recipe.units == units
    other = Run.prepare(photo, painting, recipe=recipe)
    ours, theirs = list(run), list(other)
    assert len(ours) == len(theirs) == 10
    for one, two in zip(ours, theirs, strict=True):
        assert one.loss == pytest.approx(two.loss, rel=SINGLE)
    moved = (ours[-1].image - ours[0].image).norm()
    # Rounding differs from the first step on, and L-BFGS carries it along.
    assert float((ours[-1].image - theirs[-1].image).norm() / moved) < 1e-2


def test_runs_with_weights_that_are_not_converted_take_another_path(
    photo: Path, painting: Path
) -> None:
    one, two = (
        list(Run.prepare(photo, painting, recipe=RECIPE.replace(units=units)))[-1]
        for units in ("relative", "paper")
    )
    assert one.loss != pytest.approx(two.loss, rel=0.1)


def test_picture_of_another_size_is_refused(run: Run) -> None:
    with pytest.raises(SizeError, match="resized since"):
        explain(run, drawn(40, 64, seed=3)[None])


EACH = ("--style-layers", "relu1_1=0.5,relu2_1", "--style-layers", "relu2_1=2,relu3_1")


@pytest.mark.parametrize(
    ("kind", "paintings", "chosen"),
    [
        ("stylize", 1, ()),
        ("stylize", 1, ("--style-loss", "gram+moments")),
        ("stylize", 1, ("--style-loss", "wasserstein", "--style-size", 1.5, "--colour", "match")),
        ("stylize", 2, EACH),
        ("stylize", 2, (*EACH, "--blend", "0.3,0.7", "--units", "paper", "--style-weight", 1e-3)),
        ("texture", 2, ("--layers", "relu1_1=2,relu2_1")),
    ],
)
def test_explain_prints_commands_with_the_same_loss(
    command: Command, photo: Path, painting: Path, saved: Callable[..., Path],
    tmp_path: Path, kind: str, paintings: int, chosen: tuple[object, ...],
) -> None:  # fmt: skip
    def loss(picture: str | Path) -> float:
        outcome = command("explain", picture)
        assert outcome.code == 0, outcome.err
        said = outcome.out
        made.update(line.strip() for line in said.splitlines() if "vangram " in line)
        found = re.search(r"loss ([\d.e+-]+)", said)
        assert found is not None
        return float(found[1])

    made: set[str] = set()
    first, pictures = tmp_path / "first.png", [painting, saved("second.png", 50, 40, seed=4)]
    given = [*([photo] if kind == "stylize" else []), *pictures[:paintings]]
    plain: list[object] = ["--size", 48, "--steps", 2]
    plain += ["--init", "noise", "--tv-weight", 2, "--levels", 1] if kind == "stylize" else []
    assert command(kind, *given, "-o", first, *plain, *chosen).code == 0
    wanted = loss(first)
    assert len(made) == 2
    for line in list(made):
        _, *words = shlex.split(line)
        outcome = command(*words)
        assert outcome.code == 0, outcome.err
        # Two steps of the same path, written in 8 bits.
        assert loss(words[words.index("--output") + 1]) == pytest.approx(wanted, rel=1e-2)


def test_explain_refuses_a_changed_input(
    command: Command, photo: Path, painting: Path, tmp_path: Path, saved: Callable[..., Path]
) -> None:
    output = tmp_path / "out.png"
    words = ("--size", 48, "--steps", 1, "-q")
    assert command("stylize", photo, painting, "-o", output, *words).code == 0
    other = saved("other.png", 48, 64, seed=9)
    outcome = command("explain", output, "--content", other)
    assert outcome.code == 2
    (line,) = outcome.err.splitlines()
    assert "content is not the same file" in line
