"""Writing pictures and animations: atomic, and the same bytes for the same pixels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import torch
from PIL import Image
from torch import Tensor

from vangram.errors import OutputError, PictureError, ShapeError
from vangram.images.flow import opencv
from vangram.images.quality import ANIMATION_QUALITY, QUALITY, encoder_options
from vangram.images.xmp import packed
from vangram.storage.files import quoted, reason, replacing
from vangram.storage.tensors import row_bands

PillowImage: TypeAlias = Image.Image
FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
"""Suffix -> Pillow's name of the format."""

ANIMATIONS = {".webp": "WEBP", ".png": "PNG", ".gif": "GIF"}
"""Suffix -> Pillow's name of the formats of animations."""

LONGEST_SIDE = {"JPEG": 65_500, "GIF": 65_535, "WEBP": 16_383}
"""Longest side in pixels of the formats whose limit can be reached."""

MAX_PACKET = 65_000
"""Most bytes of an XMP packet: a JPEG segment has 64 KiB, and all formats take the same recipes."""

CLEARED = 2
"""Disposal of a GIF's frame whose place is cleared: the next one is transparent where it says."""

LAST_FRAME_TIMES = 12
"""Duration of an animation's last frame, in durations of the others."""


def check_output(path: str | os.PathLike[str], *, size: tuple[int, int] | None = None) -> None:
    """Check that a picture can be written to a path; an existing file there is allowed.

    Args:
        path: of the picture.
        size: (height, width) of the picture, if known.

    Raises:
        OutputError: the suffix names no format, the path is a folder, its folder is missing or not
            writable, or the size exceeds the format's limit.
    """
    format = _format_of(path)
    check_place(path)
    if size is not None:
        _check_side(size, format, path)


def check_place(path: str | os.PathLike[str]) -> None:
    """Check that a file of any kind can be written to a path.

    Raises:
        OutputError: the path is a folder, or its folder is missing or not writable.
    """
    try:
        target = os.path.realpath(path)
        folder = os.path.dirname(target)
        if os.path.isdir(target):
            raise OutputError(f"{quoted(path)} is a folder; add a file name")
        if os.path.lexists(folder) and not os.path.isdir(folder):
            raise OutputError(
                f"{quoted(path)} is in {quoted(folder)}, which is no folder; use another"
            )
        if not os.path.isdir(folder):
            raise OutputError(f"{quoted(path)} is in a folder that does not exist; create it first")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OutputError(f"{quoted(path)} is in a folder that may not be written; use another")
        os.lstat(target)
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:  # too long, or a NUL
        raise OutputError(
            f"{quoted(path)} is no possible path ({reason(error)}); choose another name"
        ) from None


def write_picture(
    path: str | os.PathLike[str],
    pixels: Tensor,
    *,
    alpha: Tensor | None = None,
    exif: bytes | None = None,
    recipe: str | None = None,
    quality: int = QUALITY,
    overwrite: bool = True,
) -> None:
    """Write a picture in the format that the suffix names, with an sRGB profile.

    PNG and TIFF are lossless. A JPEG is composited on white. Values are clamped to [0, 1] and
    rounded half up to 8 bits.

    Args:
        path: ends in .png, .jpg, .jpeg, .webp, .tif or .tiff.
        pixels: (1, 3, H, W) sRGB in [0, 1], floating-point.
        alpha: (1, 1, H, W) in [0, 1].
        exif: as `Picture.exif`.
        recipe: text that `read_recipe` gives back.
        quality: of JPEG and WebP, 1 to 100.
        overwrite: False refuses to replace a file.

    Raises:
        ExistsError: there is a file, which may not be overwritten.
        OutputError: the file cannot be written; an existing one is untouched.
        ShapeError: `pixels` or `alpha` has a wrong shape.
        PictureError: a value is NaN or infinite.
    """
    format = _format_of(path)
    image = to_image(pixels, alpha)
    _check_side((image.height, image.width), format, path)
    if format == "JPEG" and image.mode == "RGBA":
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image.getchannel("A"))
        image = white
    packet = None if recipe is None else packed(recipe)
    if packet is not None and len(packet) > MAX_PACKET:
        raise OutputError(
            f"{quoted(path)} cannot carry a recipe of {len(packet)} bytes; leave the recipe out"
        )
    _write(path, image, format, encoder_options(format, exif, packet, quality), overwrite)


def write_animation(
    path: str | os.PathLike[str],
    frames: Sequence[Tensor],
    *,
    alphas: Sequence[Tensor | None] | None = None,
    milliseconds: int | Sequence[int] = 120,
    recipe: str | None = None,
    overwrite: bool = True,
) -> None:
    """Write an animated WebP, PNG or GIF that loops.

    Args:
        path: ends in .webp, .png or .gif.
        frames: (1, 3, H, W) sRGB in [0, 1] each, of one size.
        alphas: (1, 1, H, W) in [0, 1] of each frame; None: opaque. A GIF's pixels are shown, from
            0.5 on, or not.
        milliseconds: duration of each frame; of one number, the last frame is shown longer.
        recipe: text that `read_recipe` gives back; a GIF has none.
        overwrite: False refuses to replace a file.

    Raises:
        ExistsError: there is a file, which may not be overwritten.
        OutputError: the file cannot be written; an existing one is untouched.
        ShapeError: no frames, or their shapes differ.
        PictureError: a value is NaN or infinite.
    """
    format = ANIMATIONS.get(Path(path).suffix.lower())
    if format is None:
        raise OutputError(
            f"{quoted(path)} cannot be an animation; end the name in {', '.join(ANIMATIONS)}"
        )
    shapes = {tuple(frame.shape) for frame in frames}
    if len(shapes) != 1:
        raise ShapeError(f"an animation takes frames of one shape, not {sorted(shapes) or 'none'}")
    shown = [None] * len(frames) if alphas is None else alphas
    if all(alpha is None for alpha in shown):
        first, *others = (to_image(frame, None) for frame in frames)
    else:  # with alpha all of them, as the encoders take the first one's mode
        if format == "GIF":
            shown = [None if alpha is None else (alpha >= 0.5).float() for alpha in shown]
        pairs = zip(frames, shown, strict=True)
        first, *others = (to_image(*pair).convert("RGBA") for pair in pairs)
    _check_side((first.height, first.width), format, path)
    if isinstance(milliseconds, int):
        milliseconds = [milliseconds] * len(others) + [milliseconds * LAST_FRAME_TIMES]
    packet = None if recipe is None or format == "GIF" else packed(recipe)
    options: dict[str, Any] = (
        {} if format == "GIF" else encoder_options(format, None, packet, ANIMATION_QUALITY)
    )
    options |= {"save_all": True, "append_images": others, "loop": 0}
    if format == "GIF" and first.mode == "RGBA":
        options["disposal"] = CLEARED
    options["duration"] = list(milliseconds) if others else milliseconds[0]
    _write(path, first, format, options, overwrite)


def deep_png(pixels: Tensor) -> bytes:
    """A PNG of 16 bits a channel, by OpenCV, as Pillow has 8.

    Args:
        pixels: (1, 3, H, W) sRGB in [0, 1].

    Raises:
        SettingError: OpenCV is not installed.
    """
    levels = (pixels[0].clamp(0, 1) * 65535 + 0.5).permute(1, 2, 0).numpy().astype("uint16")
    return bytes(opencv().imencode(".png", levels[..., ::-1])[1])


def to_image(pixels: Tensor, alpha: Tensor | None) -> Image.Image:
    """8-bit Pillow image, RGB or RGBA, of pixels and alpha.

    Args:
        pixels: (1, 3, H, W) sRGB in [0, 1], floating-point; clamped, and rounded half up.
        alpha: (1, 1, H, W) in [0, 1].

    Raises:
        ShapeError: one has another shape.
        PictureError: a value is NaN or infinite.
    """
    if pixels.ndim != 4 or pixels.shape[:2] != (1, 3) or pixels.numel() == 0:
        raise ShapeError(f"pixels to write are (1, 3, H, W), not {tuple(pixels.shape)}")
    height, width = pixels.shape[-2:]
    layers = [pixels]
    if alpha is not None:
        if tuple(alpha.shape) != (1, 1, height, width):
            raise ShapeError(
                f"alpha to write is {tuple(alpha.shape)}, its pixels want {(1, 1, height, width)}"
            )
        layers.append(alpha)
    image = Image.new("RGB" if alpha is None else "RGBA", (width, height))
    for rows in row_bands(pixels):  # so that no other tensor of their size is needed
        levels = [_levels(layer[..., rows, :]) for layer in layers]
        image.paste(Image.fromarray(torch.cat(levels, dim=-1).numpy()), (0, rows.start))
    return image


def _format_of(path: str | os.PathLike[str]) -> str:
    """Pillow's name of the format of a path's suffix."""
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise OutputError(
            f"{quoted(path)} names no format to write; end it in {', '.join(FORMATS)}"
        )
    return FORMATS[suffix]


def _check_side(size: tuple[int, int], format: str, path: str | os.PathLike[str]) -> None:
    """Refuse sizes beyond the format's limit."""
    longest = LONGEST_SIDE.get(format)
    if longest is not None and max(size) > longest:
        raise OutputError(
            f"{quoted(path)} cannot hold {size[1]} x {size[0]} pixels, {format} ends at {longest};"
            " choose .png or .tif"
        )


def _levels(values: Tensor) -> Tensor:
    """(1, C, H, W), clamped to [0, 1] and rounded half up -> (H, W, C) uint8 on the CPU."""
    values = values.detach()
    if not values.is_floating_point() or not bool(torch.isfinite(values).all()):
        raise PictureError("pixels to write are not finite floating-point numbers; check the run")
    if values.dtype != torch.float64:  # float16 cannot hold 255.5
        values = values.to(torch.float32)
    levels = values.clamp(0, 1).mul_(255).add_(0.5).floor_()
    return levels[0].permute(1, 2, 0).to("cpu", torch.uint8).contiguous()


def _write(
    path: str | os.PathLike[str],
    image: Image.Image,
    format: str,
    options: dict[str, Any],
    overwrite: bool,
) -> None:
    """Encode into a temporary file that replaces `path` when complete."""
    with replacing(path, overwrite=overwrite) as handle:
        try:
            image.save(handle, format, **options)
        except Exception as error:  # encoders raise nearly anything
            if isinstance(error, OSError) and error.errno is not None:
                raise  # from the disk, not the encoder
            raise OutputError(
                f"{quoted(path)} cannot be encoded as {format} ({reason(error)});"
                " choose another format or leave the metadata out"
            ) from error
