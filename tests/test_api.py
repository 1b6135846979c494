"""Content reconstruction and texture synthesis: what they find, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import vangram
from tests.conftest import Outcome
from tests.support import drawn
from vangram.errors import SettingError, SizeError, VangramError
from vangram.images import read_recipe
from vangram.networks import load_network, parameters_path
from vangram.run import Run
from vangram.settings.recipe import RECONSTRUCTION, TEXTURE, Pooling
from vangram.settings.record import Record

Command = Callable[..., Outcome]
LAYERS = {"relu1_1": 0.5, "relu2_1": 0.5}


def psnr(one: torch.Tensor, other: torch.Tensor) -> float:
    """Peak signal to noise ratio of pictures in [0, 1], in dB."""
    return -10 * float((one - other).square().mean().log10())


def test_reconstruction_from_low_layers_gives_back_the_pixels() -> None:
    photograph = drawn(48, 64, seed=1)
    found = {
        layer: psnr(
            vangram.reconstruct(photograph, content_layers={layer: 1.0}, size=64, steps=60).pixels,
            photograph[None],
        )
        for layer in ("relu1_1", "relu3_1")
    }
    # Grey is at 16 dB, all without its finest grain at 25.
    assert found["relu1_1"] > 30
    assert found["relu1_1"] > found["relu3_1"] + 5


def test_reconstruction_goes_by_the_content_alone(photo: Path) -> None:
    run = Run.prepare(photo, **RECONSTRUCTION, size=64, steps=3)
    steps = list(run)
    assert {term.kind for step in steps for term in step.terms} == {"content", "range"}
    assert len({step.level.size for step in steps}) == 1
    assert steps[-1].loss < steps[0].loss


def test_texture_has_any_size_and_the_paintings_gram_matrices() -> None:
    painting = drawn(56, 48, seed=2)
    recipe = {**TEXTURE, "style_layers": LAYERS, "levels": 1, "steps": 40}
    run = Run.prepare(None, painting, **recipe, size=80, proportions=(40, 80))
    steps = list(run)
    result = run.painting(steps[-1].image)
    assert tuple(result.pixels.shape) == (1, 3, 40, 80)
    assert {term.kind for term in steps[-1].terms} == {"style", "tv", "range"}
    for layer in LAYERS:
        (value,) = (term.value for term in steps[-1].terms if term.layer == layer)
        assert value < 0.02  # of what grey has, nearly


def test_texture_has_the_paintings_proportions_where_none_are_asked_for() -> None:
    result = vangram.texture(drawn(56, 48, seed=2), style_layers=LAYERS, size=42, steps=1)
    assert tuple(result.pixels.shape) == (1, 3, 42, 36)


def test_texture_sees_the_painting_at_its_own_size_or_smaller() -> None:
    def seen(**settings: Any) -> tuple[int, int]:
        run = Run.prepare(None, drawn(56, 48, seed=2), **TEXTURE | settings)
        return run.inputs.style_size(run.inputs.pictures.styles[0], run.levels[-1].size)

    assert seen(size=200) == (56, 48)
    assert seen(size=42) == (42, 36)


def test_stylize_sees_the_painting_at_the_pictures_size(photo: Path) -> None:
    run = Run.prepare(photo, drawn(56, 48, seed=2), size=200)
    assert run.inputs.style_size(run.inputs.pictures.styles[0], run.levels[-1].size) == (200, 171)


@pytest.mark.parametrize(
    ("content", "style", "settings", "error"),
    [
        (False, True, {"init": "noise"}, SettingError),
        (False, True, {"content_weight": 0.0}, SettingError),
        (True, False, {}, SettingError),
        (True, True, {"proportions": (3, 4)}, SettingError),
        (False, False, {"content_weight": 0.0, "init": "noise"}, SettingError),
        (False, True, {"content_weight": 0.0, "init": "noise", "size": 20}, SizeError),
    ],
)
def test_prepare_refuses_pictures_that_the_recipe_cannot_use(
    photo: Path, painting: Path, content: bool, style: bool, settings: dict[str, Any],
    error: type[VangramError],
) -> None:  # fmt: skip
    with pytest.raises(error) as caught:
        Run.prepare(photo if content else None, *[painting] * style, **settings)
    assert "\n" not in str(caught.value)


def test_texture_of_a_painting_too_small_is_refused() -> None:
    with pytest.raises(SizeError, match="painting is too small"):
        vangram.texture(drawn(20, 300, seed=1), size=300)


QUICK = ("--size", 48, "--steps", 2, "-q")


@pytest.mark.parametrize("kind", ["reconstruct", "texture"])
def test_both_commands_write_record_rerun_and_explain(
    command: Command, photo: Path, painting: Path, tmp_path: Path, kind: str
) -> None:
    output = tmp_path / "out.png"
    source = photo if kind == "reconstruct" else painting
    outcome = command(kind, source, "-o", output, *QUICK)
    assert outcome.code == 0, outcome.err
    assert outcome.out == f"{output}\n"
    text = read_recipe(output)
    assert text is not None
    inputs = Record.from_json(text).inputs
    assert [str(name) for name, _ in inputs.named()] == [
        "content" if kind == "reconstruct" else "style"
    ]
    outcome = command("rerun", output)
    assert outcome.code == 0, outcome.err
    assert "the same bytes" in outcome.err
    outcome = command("explain", output)
    assert outcome.code == 0, outcome.err
    assert ("content relu4_2" if kind == "reconstruct" else "style relu5_1") in outcome.out


def recipe_of(path: Path) -> vangram.Recipe:
    text = read_recipe(path)
    assert text is not None
    return Record.from_json(text).recipe


def test_commands_give_what_the_library_gives(
    command: Command, photo: Path, painting: Path, tmp_path: Path
) -> None:
    small: dict[str, Any] = {"size": 48, "steps": 2}
    one, two = tmp_path / "one.png", tmp_path / "two.png"
    assert (
        command("reconstruct", photo, "-o", one, "--layer", "relu1_1,relu3_1=2", *QUICK).code == 0
    )
    layers = {"relu1_1": 1.0, "relu3_1": 2.0}
    vangram.reconstruct(photo, content_layers=layers, **small).save(two)
    assert recipe_of(one) == recipe_of(two)
    assert one.read_bytes() == two.read_bytes()
    words = ("--size", "48x40", "--steps", 2, "-q", "--up-to", "relu2_1", "--force")
    assert command("texture", painting, "-o", one, *words).code == 0
    vangram.texture(painting, proportions=(40, 48), style_layers=LAYERS, **small).save(
        two, overwrite=True
    )
    assert recipe_of(one) == recipe_of(two)
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(
    "words",
    [
        ("--size", "big"),
        ("--size", "48x"),
        ("--size", "0x40"),
        ("--up-to", "relu2_2"),
        ("--up-to", "relu2_1", "--layers", "relu1_1"),
        ("--layers", "relu9_9"),
    ],
)
def test_texture_refuses_bad_settings_in_one_line(
    command: Command, painting: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    outcome = command("texture", painting, "-o", tmp_path / "out.png", *words)
    assert outcome.code == 2
    (line,) = outcome.err.splitlines()
    assert line.startswith("vangram: error: ")
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("normalise", [False, True])
def test_networks_are_pooled_and_normalised_as_asked(
    photo: Path, painting: Path, pooling: Pooling, normalise: bool
) -> None:
    run = Run.prepare(photo, painting, size=64, pooling=pooling, normalise=normalise)
    plain = load_network("vgg19-lite")
    picture = drawn(64, 64, seed=5)[None]
    with torch.no_grad():
        ours, theirs = (net(picture, ["relu1_1", "relu2_1"]) for net in (run.network, plain))
    assert torch.equal(ours["relu1_1"], theirs["relu1_1"]) != normalise
    if not normalise:
        assert torch.equal(ours["relu2_1"], theirs["relu2_1"]) == (pooling == "max")
    else:
        # Over photographs the mean is one; a drawn picture is not far off.
        assert 0.3 < float(ours["relu1_1"].mean()) < 3


def test_parameters_from_a_file_are_recorded_and_found_again(
    command: Command, photo: Path, painting: Path, tmp_path: Path
) -> None:
    file = tmp_path / "lite.safetensors"
    source = parameters_path("vgg19-lite")
    file.write_bytes(Path(source).read_bytes())
    output = tmp_path / "out.png"
    words = ("-o", output, "--parameters", file, *QUICK)
    assert command("stylize", photo, painting, *words).code == 0
    text = read_recipe(output)
    assert text is not None
    parameters = Record.from_json(text).inputs.parameters
    assert parameters is not None
    assert parameters.path == file.name  # beside the picture
    moved = file.rename(tmp_path / "elsewhere.safetensors")
    outcome = command("rerun", output)
    assert outcome.code == 2
    assert "--parameters" in outcome.err
    outcome = command("rerun", output, "--parameters", moved)
    assert outcome.code == 0, outcome.err
    assert "the same bytes" in outcome.err
