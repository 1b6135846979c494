"""The recipe text survives in every format."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from vangram.errors import OutputError, PictureError
from vangram.images import read_recipe, write_picture
from vangram.images.write import FORMATS
from vangram.images.xmp import NAMESPACE, packed, unpacked

PIXELS = torch.zeros(1, 3, 4, 5)

TEXTS = {
    "empty": "",
    "json": json.dumps({"content": "a.jpg", "weights": [1, 0.5], "note": 'say "hi"'}, indent=2),
    "unicode": "crème brûlée 漢字 🎨 \u2028 \ufeff \uffff",
    "markup": "<a href='x'>&amp; ]]> <!-- <!DOCTYPE x [<!ENTITY y 'z'>]> <?xpacket end='w'?>",
    "control": "a\r\nb\tc\0d\x1b\x7f  ",
    "long": "0123456789 é\n" * 1540,  # 20 kB
}


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_recipe_round_trip_is_exact(suffix: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / f"p{suffix}"
    write_picture(path, PIXELS, recipe=text)
    assert read_recipe(path) == text


@pytest.mark.parametrize("suffix", FORMATS)
def test_picture_without_a_recipe_has_none(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"p{suffix}"
    write_picture(path, PIXELS)
    assert read_recipe(path) is None


@given(st.text(st.characters()))
def test_packet_round_trip_is_exact(text: str) -> None:
    packet = packed(text)
    assert unpacked(packet) == text
    assert unpacked(packet.decode()) == text


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200)))
def test_any_other_packet_holds_no_recipe(packet: bytes | str) -> None:
    assert unpacked(packet) is None


def test_packet_cut_anywhere_raises_nothing() -> None:
    packet = packed("a recipe")
    for end in range(len(packet)):
        assert unpacked(packet[:end]) in (None, "a recipe")


def test_recipe_rewritten_as_an_attribute_is_found() -> None:
    packet = f'<r xmlns:v="{NAMESPACE}"><d v:recipe="&quot;text&quot;"/></r>'
    assert unpacked(packet) == "text"


def test_recipe_that_is_no_json_string_is_none() -> None:
    for value in ("12", "[]", "null", "text", ""):
        assert unpacked(f'<r xmlns:v="{NAMESPACE}"><v:recipe>{value}</v:recipe></r>') is None


def test_entities_are_refused() -> None:
    inner = f'<r xmlns:v="{NAMESPACE}"><v:recipe>"&y;"</v:recipe></r>'
    assert unpacked(f'<!DOCTYPE r [<!ENTITY y "boom">]>{inner}') is None
    assert unpacked(f'<?xml version="1.0"?><!DOCTYPE r SYSTEM "file:///etc/passwd">{inner}') is None
    assert unpacked(inner.replace("&y;", "boom")) == "boom"  # the rest of it is sound


def test_packet_of_another_program_holds_no_recipe(tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", '<x:xmpmeta xmlns:x="adobe:ns:meta/"/>')
    Image.new("RGB", (4, 3)).save(tmp_path / "p.png", pnginfo=info)
    assert read_recipe(tmp_path / "p.png") is None


def test_recipe_too_long_to_travel_is_refused(tmp_path: Path) -> None:
    for suffix in FORMATS:
        with pytest.raises(OutputError, match="leave the recipe out"):
            write_picture(tmp_path / f"p{suffix}", PIXELS, recipe="x" * 65_000)
        write_picture(tmp_path / f"p{suffix}", PIXELS, recipe="x" * 64_000)
        assert read_recipe(tmp_path / f"p{suffix}") == "x" * 64_000


def test_recipe_of_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.png").write_text("text")
    for path in (tmp_path / "p.png", tmp_path / "none.png", tmp_path):
        with pytest.raises(PictureError) as caught:
            read_recipe(path)
        assert "\n" not in str(caught.value)
        assert repr(str(path)) in str(caught.value)
