"""Steadiness of films: warping error, style left and time of ways to paint the same frames.

    python -m benchmarks.film [--clips pan passing cut FILE ...] [--ways alone ...] [--teacher FILE]
        [--frames FOLDER] [--painted NAME=FOLDER ...]

The ways: every frame alone; one pass of a film, each frame held to the one before; a film as it
comes, with further passes and frames further back. Another program's are measured as well: --frames
writes the clips into FOLDER/CLIP, --painted reads what it made of them from FOLDER/CLIP.

The warping error is Lai et al.'s (2018): the mean over visible pixels of (O_t - warp(O_t+k))². In
clips that are drawn here motion and visibility are known; a film that is given is measured with
OpenCV's flow where it is fully trusted. The style left is that of `training.judge`: by VGG-19 where
its parameters are given, else by vgg19-lite. The time is the processor's, of a frame after a shot's
first, beside a frame alone. Results are kept in a folder, and not painted again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import nan
from pathlib import Path
from statistics import mean

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from training.judge import JUDGE, STYLE_LAYERS, gram_per_position, style_left
from vangram.images import Picture, fit, read_frames, read_picture, resize, to_image
from vangram.images.flow import flow_between, trusted
from vangram.networks import FeatureNetwork, load_network
from vangram.run import Run
from vangram.run.inputs import RunSource
from vangram.settings.inputs import Inputs
from vangram.settings.recipe import Recipe

EXAMPLES = Path(__file__).parents[1] / "examples"
PHOTOS = tuple(
    EXAMPLES / "photos" / f"{name}.jpg"
    for name in ("chelsea-the-cat", "espresso-cup", "rocket-at-dusk")
)
PAINTING = EXAMPLES / "styles" / "curl-field.jpg"
SPEED = 2.3, 0.6
"""Pixels (right, down) of a frame's width of `WIDE` that a pan moves in a frame."""
PASSING = 9.0
"""Pixels that the thing in front moves in a frame."""
WIDE = 160
FAR = 8
"""Frames over which the long-term warping error is measured; fewer in a shorter shot."""
MARGIN = 2
"""Pixels beside an edge of what is visible that do not count: bicubic weights reach so far."""
Motion = Callable[[int, int], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Clip:
    """Frames and their motion."""

    name: str
    frames: list[Tensor]
    """(1, 3, H, W) each."""
    motion: Motion
    """From a frame to another: flow, (1, 2, H, W), and what is visible in both, (1, 1, H, W)."""
    shots: tuple[range, ...]

    def pairs(self, apart: int) -> Iterator[tuple[int, int]]:
        """Frames of one shot that are so far apart."""
        for shot in self.shots:
            yield from ((i, i + apart) for i in shot if i + apart in shot)


def pan(photo: Path, size: tuple[int, int], count: int, speed: tuple[float, float]) -> list[Tensor]:
    """A window that moves over a photograph."""
    height, width = size
    room = [abs(v) * (count - 1) for v in speed]
    picture = read_picture(photo).pixels
    least = max((height + room[1]) / picture.shape[2], (width + room[0]) / picture.shape[3])
    tall, wide = (round(least * n) + 4 for n in picture.shape[2:])
    whole = resize(picture, (tall, wide))
    big = F.pad(whole, (4, 4, 4, 4), mode="replicate")
    frames = []
    for number in range(count):
        x, y = (
            4 + (v * number if v >= 0 else r + v * number) for v, r in zip(speed, room, strict=True)
        )
        flow = torch.tensor([x, y]).view(1, 2, 1, 1).expand(1, 2, *big.shape[2:])
        frames.append(sampled(big, flow)[..., :height, :width].clamp(0, 1))
    return frames


def sampled(picture: Tensor, flow: Tensor) -> Tensor:
    """A picture (1, C, H, W) moved by a flow; not by the code that is measured here."""
    height, width = picture.shape[2:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    at = (2 * (x + flow[0, 0]) + 1) / width - 1, (2 * (y + flow[0, 1]) + 1) / height - 1
    return F.grid_sample(
        picture, torch.stack(at, -1)[None], "bicubic", "border", align_corners=False
    )


def flow_of(dx: float, dy: float, size: tuple[int, int]) -> Tensor:
    """A flow (1, 2, H, W) that is the same everywhere."""
    return torch.tensor([dx, dy]).view(1, 2, 1, 1).expand(1, 2, *size).contiguous()


def inside(flow: Tensor) -> Tensor:
    """Where a flow stays inside the picture, (1, 1, H, W)."""
    height, width = flow.shape[2:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    to_x, to_y = x + flow[:, :1], y + flow[:, 1:]
    return (to_x >= 0) & (to_x <= width - 1) & (to_y >= 0) & (to_y <= height - 1)


def drawn_clips(size: tuple[int, int], count: int) -> dict[str, Clip]:
    """The clips of known motion: a pan, a thing that passes in front, a hard cut."""
    scale = size[1] / WIDE
    dx, dy = (v * scale for v in SPEED)

    def panned(frame: int, other: int) -> tuple[Tensor, Tensor]:
        # What is at x in this frame was at x + v further left in the other.
        flow = flow_of(-dx * (other - frame), -dy * (other - frame), size)
        return flow, inside(flow)

    first, second = pan(PHOTOS[0], size, count, (dx, dy)), pan(PHOTOS[2], size, count, (dx, dy))
    half = count // 2
    cut = first[:half] + second[: count - half]
    return {
        "pan": Clip("pan", first, panned, (range(count),)),
        "passing": passing(size, count, scale),
        "cut": Clip("cut", cut, panned, (range(half), range(half, count))),
    }


def passing(size: tuple[int, int], count: int, scale: float) -> Clip:
    """A disk of one photograph that passes in front of another one, which stands still."""
    behind = resize(read_picture(PHOTOS[1]).pixels, size)
    thing = resize(read_picture(PHOTOS[0]).pixels, size)
    height, width = size
    radius, step = 0.22 * height, PASSING * scale
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")

    def centre(number: int) -> float:
        return width / 2 + step * (number - (count - 1) / 2)

    def mask(number: int) -> Tensor:
        away = ((x - centre(number)).square() + (y - height / 2).square()).sqrt()
        return (radius - away + 0.5).clamp(0, 1)[None, None]

    frames = []
    for number in range(count):
        moved = sampled(thing, flow_of(width / 2 - centre(number), 0, size))
        frames.append(torch.lerp(behind, moved, mask(number)).clamp(0, 1))

    def motion(frame: int, other: int) -> tuple[Tensor, Tensor]:
        in_front = mask(frame) > 0.5
        flow = torch.where(in_front, flow_of(step * (other - frame), 0, size), flow_of(0, 0, size))
        there = sampled(mask(other), flow) > 0.5
        return flow, (in_front == there) & inside(flow) & ~_edge(mask(frame))

    return Clip("passing", frames, motion, (range(count),))


def _edge(mask: Tensor) -> Tensor:
    side = 2 * MARGIN + 1
    most, least = F.max_pool2d(mask, side, 1, MARGIN), -F.max_pool2d(-mask, side, 1, MARGIN)
    return most != least


def given_clip(path: str, size: int) -> Clip:
    """A clip from a file that `read_frames` reads, or a folder of pictures."""
    folder = Path(path)
    if folder.is_dir():
        pictures = [read_picture(each) for each in sorted(folder.iterdir())]
    else:
        with read_frames(path) as (_, each_frame):
            pictures = list(each_frame)
    frames = [resize(each.pixels, fit(each.size, size)) for each in pictures]

    def motion(frame: int, other: int) -> tuple[Tensor, Tensor]:
        flow, back = (
            flow_between(frames[a], frames[b]) for a, b in ((frame, other), (other, frame))
        )
        return flow, trusted(flow, back) > 0.99

    return Clip(folder.stem, frames, motion, (range(len(frames)),))


def warping_error(clip: Clip, results: Sequence[Tensor], apart: int) -> float:
    """Lai et al. 2018, equation 3, over frames so far apart; with known motion."""
    errors = []
    for frame, other in clip.pairs(apart):
        flow, visible = clip.motion(frame, other)
        visible = F.max_pool2d((~visible).float(), 2 * MARGIN + 1, 1, MARGIN) == 0
        away = (results[frame] - sampled(results[other], flow)).square().mean(1, keepdim=True)
        errors.append(float(away[visible].mean()))
    return mean(errors)


class Style:
    """The style left in pictures, by a network that did not make them where there is one."""

    def __init__(self, painting: Picture, size: int, teacher: Path | None) -> None:
        name = "vgg19-lite" if teacher is None else JUDGE
        self.network: FeatureNetwork = load_network(name, layers=STYLE_LAYERS, parameters=teacher)
        self.targets = self.grams(resize(painting.pixels, fit(painting.size, size)))

    @torch.no_grad()
    def grams(self, picture: Tensor) -> dict[str, Tensor]:
        """Features of a picture, by layer."""
        found = self.network(picture, STYLE_LAYERS)
        return {layer: gram_per_position(features[0]) for layer, features in found.items()}

    @torch.no_grad()
    def left(self, picture: Tensor) -> float:
        """The mean over layers of the style left."""
        found = self.network(picture, STYLE_LAYERS)
        return mean(style_left(found[layer][0], self.targets[layer]) for layer in STYLE_LAYERS)


@dataclass
class Kept:
    """Results in a folder: a file for each frame, with the pass that made it and its seconds."""

    folder: Path
    since: float = field(default_factory=time.process_time)
    """When the frame at hand was begun."""

    def passes(self, index: int) -> int:
        """Number of the last pass over a frame."""
        path = self._path(index)
        return int(np.load(path)["number"]) if path.exists() else 0

    def seconds(self, index: int) -> float:
        """Of the processor, in all passes over a frame."""
        return float(np.load(self._path(index))["seconds"])

    def result(self, index: int) -> Tensor:
        """The image of a frame."""
        return torch.from_numpy(np.load(self._path(index))["image"])

    def painted(self, index: int) -> Tensor:
        """How far the places of a result are painted."""
        return torch.from_numpy(np.load(self._path(index))["painted"])

    def keep(self, index: int, number: int, image: Tensor, painted: Tensor) -> None:
        """Keep the result of a pass, and the time since the last was kept."""
        now, before = time.process_time(), self.seconds(index) if number > 1 else 0.0
        self.folder.mkdir(parents=True, exist_ok=True)
        seconds, self.since = before + now - self.since, now
        np.savez(
            self._path(index),
            image=image.numpy(),
            painted=painted.numpy(),
            number=number,
            seconds=seconds,
        )

    def _path(self, index: int) -> Path:
        return self.folder / f"{index:04d}.npz"


def paint_alone(clip: Clip, painting: Picture, recipe: Recipe, kept: Kept) -> None:
    """Paint every frame alone."""
    for index, pixels in enumerate(clip.frames):
        if not kept.passes(index):
            inputs = Inputs[RunSource](content=_picture(pixels), styles=(painting,))
            _paint(Run.of(inputs, recipe), index, kept)


def paint_film(clip: Clip, painting: Picture, recipe: Recipe, kept: Kept) -> None:
    """Paint as a film."""
    from vangram.film import Shot

    class Frames:
        def __len__(self) -> int:
            return len(clip.frames)

        def frame(self, index: int) -> Picture:
            return _picture(clip.frames[index])

    for of in clip.shots:
        shot = Shot(Frames(), kept, of, lambda _: Inputs(styles=(painting,)), lambda _: recipe)
        for _ in shot.paint():
            pass


def _paint(run: Run, index: int, kept: Kept) -> None:
    image = None
    for step in run:
        image = step.image
    assert image is not None
    shown = run.shown(image, run.levels[-1].size).half()
    kept.keep(index, 1, shown, torch.ones_like(shown[:, :1]))


def _picture(pixels: Tensor) -> Picture:
    return Picture(pixels, None, None, None, "<frame>")


WAYS: dict[str, tuple[Callable[[Clip, Picture, Recipe, Kept], None], dict[str, object]]] = {
    "alone": (paint_alone, {}),
    "one-pass": (paint_film, {"passes": 1, "remember": (1,)}),
    "film": (paint_film, {}),
}
"""How to paint, and the settings that are not the defaults."""


def show(clip: Clip, results: Sequence[Tensor], path: Path) -> None:
    """Write a strip of the frames, the photographs above."""
    rows = [torch.cat(list(each), dim=3) for each in (clip.frames, results)]
    to_image(torch.cat(rows, dim=2).clamp(0, 1), None).save(path)


def later(clip: Clip) -> list[int]:
    """The frames that are no shot's first; of a clip without any, all."""
    return [i for shot in clip.shots for i in shot[1:]] or list(clip.shots[0])


def export(clip: Clip, folder: Path) -> None:
    """Write the frames, for another program to paint."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, pixels in enumerate(clip.frames):
        to_image(pixels, None).save(folder / f"{index:04d}.png")


def row(clip: Clip, label: str, results: Sequence[Tensor], style: Style, share: float) -> str:
    """A row of the table; `share` is the time of a frame beside a frame alone."""
    far = min(FAR, *(max(len(shot) - 1, 1) for shot in clip.shots))
    near, long = (1e4 * warping_error(clip, results, apart) for apart in (1, far))
    left = mean(map(style.left, results))
    return f"| {clip.name} | {label} | {near:.2f} | {long:.2f} | {left:.4f} | {share:.2f} |"


def main() -> None:
    """Paint, measure and print a row for each clip and way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", nargs="+", default=["pan", "passing", "cut"])
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--painting", type=Path, default=PAINTING)
    parser.add_argument("--teacher", type=Path)
    parser.add_argument("--size", type=int, default=WIDE)
    parser.add_argument("--count", type=int, default=14)
    parser.add_argument("--folder", type=Path, default=Path("film-benchmark"))
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--label", default="", help="beside the way, for other settings")
    parser.add_argument("--frames", type=Path, help="write the clips here, and do no more")
    parser.add_argument("--painted", nargs="*", default=[], metavar="NAME=FOLDER")
    given = parser.parse_args()
    drawn = drawn_clips((round(0.75 * given.size), given.size), given.count)
    clips = [drawn.get(name) or given_clip(name, given.size) for name in given.clips]
    if given.frames:
        for clip in clips:
            export(clip, given.frames / clip.name)
        return
    changes = {k: json.loads(v) for k, v in (each.split("=", 1) for each in given.set)}
    painting = read_picture(given.painting)
    style = Style(painting, given.size, given.teacher)
    print("| clip | way | frame to frame | far | style left | time |\n" + "|---" * 6 + "|")
    for clip in clips:
        alone = Kept(given.folder / clip.name / "alone")
        for way in given.ways:
            paint, settings = WAYS[way]
            recipe = Recipe(size=given.size).replace(**settings | changes)
            label = way + given.label
            kept = Kept(given.folder / clip.name / label)
            paint(clip, painting, recipe, kept)
            results = [kept.result(i).float().clamp(0, 1) for i in range(len(clip.frames))]
            show(clip, results, given.folder / f"{clip.name}-{label}.png")
            seconds = [
                mean(each.seconds(i) if each.passes(i) else nan for i in later(clip))
                for each in (kept, alone)
            ]
            print(row(clip, label, results, style, seconds[0] / seconds[1]), flush=True)
        for name, folder in (each.split("=", 1) for each in given.painted):
            paths = sorted(Path(folder, clip.name).glob("*.png"))
            results = [read_picture(path).pixels for path in paths]
            show(clip, results, given.folder / f"{clip.name}-{name}.png")
            print(row(clip, name, results, style, nan), flush=True)


if __name__ == "__main__":
    main()
