"""`vangram film`: a film in the style of paintings."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from vangram.cli.downloads import ensure_fetched
from vangram.cli.options import (
    OTHER_INPUTS,
    BaseRecipe,
    Force,
    InputsOf,
    Paintings,
    Parameters,
    Quiet,
    Settings,
    SettingsOf,
    options_under,
)
from vangram.cli.settings import recipe_of
from vangram.cli.streams import report
from vangram.errors import SettingError
from vangram.settings.inputs import Inputs
from vangram.settings.kinds import FILM, without_effect

FILM_INPUTS = InputsOf(
    {kind: OTHER_INPUTS.helps[kind] for kind in ("mask", "style_mask", "keep")}
    | {
        "flow": (
            "Sequences",
            "Folder of flow: NAME.flo from a frame to the one before, NAME-back.flo back;"
            " else found by OpenCV.",
        )
    }
)
_part = options_under("Film")

LONGEST = 1e9
"""Seconds; more than thirty years."""
TIME = re.compile(r"(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d*)?)", re.ASCII)

Footage = Annotated[
    str, typer.Argument(metavar="FILM", help="A video, an animation, or a folder of frames.")
]
Result = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        help="Film to write: .mp4, .webm, .mkv, .webp, .png, .gif, or a folder of frames.",
    ),
]
Since = Annotated[
    str | None,
    _part("--from", metavar="TIME", help="Where to begin, as 1:30."),
]
Until = Annotated[
    str | None,
    _part("--to", metavar="TIME", help="Where to end."),
]
Keys = Annotated[
    list[str] | None,
    _part(
        metavar="TIME=PAINTING",
        help="A painting that has taken over from the last one at a time; may be repeated.",
    ),
]
Shots = Annotated[
    Path | None,
    _part(help="A file with the time of each cut, a line each.", show_default="found"),
]
Rate = Annotated[
    float,
    _part(min=0.01, max=1000, metavar=None, help="Frames a second of a folder."),
]
Preview = Annotated[
    Path | None,
    options_under("Monitoring")(help="Write the film so far here, now and then."),
]
ShardOption = Annotated[
    str | None,
    options_under("Many machines")(
        metavar="K/N",
        help="Paint only the K-th of N parts of the shots; the last to end writes the film.",
    ),
]


def film(
    footage: Footage,
    paintings: Paintings,
    output: Result,
    base: BaseRecipe,
    settings: Annotated[Settings, SettingsOf(FILM)],
    parameters: Parameters,
    others: Annotated[Inputs[str], FILM_INPUTS],
    since: Since,
    until: Until,
    key: Keys,
    shots: Shots,
    preview: Preview,
    shard: ShardOption,
    force: Force,
    quiet: Quiet,
    rate: Rate = 25.0,
) -> None:
    """Repaint FILM in the style of a PAINTING, without flicker.

    Sound, subtitles and chapters are copied. The work waits in the folder OUTPUT.film: after an
    interruption of any kind, the same command goes on.
    """
    from vangram.batch.shards import Shard
    from vangram.cli.film_runner import make_film
    from vangram.cli.outputs import check_inputs_apart
    from vangram.film.film import Film, FilmSettings
    from vangram.film.output import check_film_output, check_preview

    recipe, start = recipe_of(settings, base)
    if start is not None:
        raise SettingError("a film starts from its frames; give --init content or noise")
    part = None if shard is None else Shard.parse(shard)
    begin, end = (None if each is None else parse_time(each) for each in (since, until))
    if begin is not None and end is not None and end <= begin:
        raise SettingError(f"--to {until} is not after --from {since}")
    named = [_key(each) for each in key or ()]
    styles = (*paintings, *(painting for _, painting in named))
    inputs = replace(others, content=footage, styles=styles, parameters=parameters)
    changes = FilmSettings(
        since=begin or 0.0,
        until=end,
        rate=rate,
        shots=None if shots is None else _times(shots),
        keys=_shares(recipe.blend, len(paintings), [at for at, _ in named]),
    )
    if changes.keys:
        recipe = recipe.replace(blend=changes.keys[0][1])
    for path in (output, preview):
        if path is not None:
            check_film_output(path)
    check_inputs_apart(output, preview, inputs=inputs)
    if parameters is None:
        ensure_fetched(recipe.network, asked="network" in settings)
    prepared = Film.prepare(output, inputs, recipe, changes, force=force)
    if preview is not None and not force:
        check_preview(prepared, preview)
    report(without_effect(settings, recipe, replace(inputs, before="")))
    make_film(
        prepared,
        force=force,
        quiet=quiet,
        preview=preview,
        has_shot=lambda number: part is None or part.has(str(number)),
    )


def parse_time(text: str) -> float:
    """Seconds from "90", "1:30" or "0:01:30.5".

    Raises:
        SettingError: it is no time.
    """
    found = TIME.fullmatch(text.strip())
    if found is None:
        raise SettingError(f"{text!r} is no time; write it as 90, 1:30 or 0:01:30")
    hours, minutes, seconds = (float(each or 0) for each in found.groups())
    if (time := 3600 * hours + 60 * minutes + seconds) > LONGEST:
        raise SettingError(
            f"a time of {len(text)} digits is beyond the end of any film; give a shorter one"
        )
    return time


def _key(text: str) -> tuple[float, str]:
    at, equals, painting = text.partition("=")
    if not equals or not painting:
        raise SettingError(f"{text!r} is no key; write it as 0:05=painting.jpg")
    return parse_time(at), painting


def _times(path: Path) -> tuple[float, ...]:
    """The times in a file, one a line.

    Raises:
        SettingError: it cannot be read.
    """
    from vangram.storage.files import open_regular, quoted, reason

    try:
        with open_regular(path) as handle:
            lines = handle.read().decode("utf-8-sig").split()
    except (OSError, ValueError) as error:
        raise SettingError(
            f"{quoted(path)} cannot be read ({reason(error)}); write the time of a cut a line"
        ) from None
    try:
        return tuple(map(parse_time, lines))
    except SettingError as error:
        raise SettingError(f"{quoted(path)}: {error}") from None


def _shares(
    blend: tuple[float, ...], paintings: int, times: list[float]
) -> tuple[tuple[float, tuple[float, ...]], ...]:
    """(time, share of each painting) of each key: first the blend, then one painting each."""
    if not times:
        return ()
    if sorted(set(times)) != times or times[0] <= 0:
        raise SettingError("keys need times after 0, each later than the last")
    shares = blend or (1.0,) * paintings
    first = tuple(share / sum(shares) for share in shares)
    count = len(first) + len(times)
    keys = [(0.0, first + (0.0,) * len(times))]
    for number, at in enumerate(times, len(first)):
        keys.append((at, tuple(float(each == number) for each in range(count))))
    return tuple(keys)
