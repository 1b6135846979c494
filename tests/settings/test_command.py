"""A run as a command: parsed again, it is the same run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from typer.main import get_command

from vangram.cli import runner
from vangram.cli.app import app
from vangram.settings.command import command_of
from vangram.settings.recipe import RECONSTRUCTION, TEXTURE, Recipe
from vangram.settings.record import Input, Record

PHOTO, PAINTING = Input("a photo.jpg", "aa"), Input("it's.png", "bb")
BOTH: dict[str, Any] = {"content": PHOTO, "style": PAINTING}


@pytest.mark.parametrize(
    ("inputs", "recipe"),
    [
        (BOTH, Recipe()),
        (BOTH, Recipe(size=300, steps=7, style_weight=1e-7, content_layers={"relu2_1": 0.3})),
        (BOTH, Recipe(init="noise", seed=5, noise_range=0.5, optimizer="adam", levels=2)),
        (BOTH | {"start": Input("first.png", "cc")}, Recipe(init="picture")),
        (BOTH | {"parameters": Input("net.pth", "dd")}, Recipe(network="vgg19", units="paper")),
        (BOTH, Recipe(normalise=True, pooling="average", memory=2_000_000_000, tile=64)),
        (BOTH | {"others": {"style-2": Input("third.jpg", "ee")}}, Recipe(blend=(0.7, 0.3))),
        (
            BOTH | {"others": {"style-2": Input("third.jpg", "ee")}},
            Recipe(each_style_layers=({"relu1_1": 1.0}, {"relu4_1": 0.5, "relu5_1": 0.5})),
        ),
        (BOTH, Recipe(style_size=0.5)),
        (BOTH, Recipe(colour="luminance")),
        ({"content": PHOTO}, Recipe(**RECONSTRUCTION)),
        (
            {"content": PHOTO},
            Recipe(**RECONSTRUCTION | {"levels": 3}, content_layers={"relu1_1": 2}),
        ),
        (BOTH, Recipe(style_loss="gram+moments")),
        ({"style": PAINTING}, Recipe(**TEXTURE)),
        ({"style": PAINTING}, Recipe(**TEXTURE, style_loss="wasserstein")),
        ({"style": PAINTING}, Recipe(**TEXTURE, size=90, proportions=(90, 30), tv_weight=0.0)),
        ({"style": PAINTING}, Recipe(**TEXTURE, style_layers={"relu1_1": 0.5, "relu2_1": 0.5})),
    ],
)
def test_command_parsed_again_is_the_same_run(
    inputs: dict[str, Input], recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = Record(recipe=recipe, **inputs, network_sha256="", versions={})  # type: ignore[arg-type]
    found: list[tuple[Recipe, Mapping[str, str | None]]] = []
    monkeypatch.setattr(runner, "make", lambda *given: found.append(given[:2]))
    _, *words = command_of(record, "out.png")
    command: Any = get_command(app)
    with command.make_context("vangram", words) as context:
        command.invoke(context)
    ((again, given),) = found
    assert again == recipe
    assert {name: path for name, path in given.items() if path} == {
        name: each.path for name, each in record.inputs.items()
    }


def test_command_leaves_out_what_is_the_default() -> None:
    record = Record(recipe=Recipe(), **BOTH, network_sha256="", versions={})
    wanted = ["vangram", "stylize", PHOTO.path, PAINTING.path, "--output", "out.png"]
    assert command_of(record, "out.png") == wanted
