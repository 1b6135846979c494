"""A run as a command: parsed again, it is the same run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support import nothing_made
from vangram.cli.app import app
from vangram.settings.command import command_of
from vangram.settings.inputs import Inputs
from vangram.settings.recipe import RECONSTRUCTION, TEXTURE, Recipe
from vangram.settings.record import Input, Record

PHOTO, PAINTING = Input("a photo.jpg", "aa"), Input("it's.png", "bb")
BOTH = Inputs(content=PHOTO, styles=(PAINTING,))
STYLE = Inputs(styles=(PAINTING,))
THREE = replace(BOTH, styles=(PAINTING, Input("third.jpg", "ee")))


@pytest.mark.parametrize(
    ("inputs", "recipe"),
    [
        (BOTH, Recipe()),
        (BOTH, Recipe(size=300, steps=7, style_weight=1e-7, content_layers={"relu2_1": 0.3})),
        (BOTH, Recipe(init="noise", seed=5, noise_range=0.5, optimizer="adam", levels=2)),
        (replace(BOTH, start=Input("first.png", "cc")), Recipe(init="picture")),
        (replace(BOTH, parameters=Input("net.pth", "dd")), Recipe(network="vgg19", units="paper")),
        (BOTH, Recipe(normalise=True, pooling="average", memory=2_000_000_000, tile=64)),
        (THREE, Recipe(blend=(0.7, 0.3))),
        (
            THREE,
            Recipe(each_style_layers=({"relu1_1": 1.0}, {"relu4_1": 0.5, "relu5_1": 0.5})),
        ),
        (
            Inputs(
                content=PHOTO,
                styles=THREE.styles,
                mask=Input("m.png", "00"),
                style_masks=(Input("1.png", "01"), Input("2.png", "02")),
                keep=Input("k.png", "03"),
            ),
            Recipe(style_size=0.5),
        ),
        (
            replace(BOTH, before=PHOTO, before_frame=PAINTING, flow=Input("a.flo", "01")),
            Recipe(init="before"),
        ),
        (BOTH, Recipe(colour="luminance")),
        (Inputs(content=PHOTO), Recipe(**RECONSTRUCTION)),
        (
            Inputs(content=PHOTO),
            Recipe(**RECONSTRUCTION | {"levels": 3}, content_layers={"relu1_1": 2}),
        ),
        (BOTH, Recipe(style_loss="gram+moments")),
        (STYLE, Recipe(**TEXTURE)),
        (STYLE, Recipe(**TEXTURE, style_loss="wasserstein")),
        (
            Inputs(styles=(PAINTING,)),
            Recipe(**TEXTURE, size=90, proportions=(90, 30), tv_weight=0.0),
        ),
        (
            Inputs(styles=(PAINTING,)),
            Recipe(**TEXTURE, style_layers={"relu1_1": 0.5, "relu2_1": 0.5}),
        ),
    ],
)
def test_command_parsed_again_is_the_same_run(inputs: Inputs[Input], recipe: Recipe) -> None:
    record = Record(recipe=recipe, inputs=inputs, network_sha256="", versions={})
    _, *words = command_of(record, "out.png")
    with nothing_made() as begun:
        app(words, standalone_mode=False)
    ((again, given),) = begun
    assert again == recipe
    assert given == inputs.map(lambda each: each.path)


def test_command_leaves_out_what_is_the_default() -> None:
    record = Record(recipe=Recipe(), inputs=BOTH, network_sha256="", versions={})
    wanted = ["vangram", "stylize", PHOTO.path, PAINTING.path, "--output", "out.png"]
    assert command_of(record, "out.png") == wanted
