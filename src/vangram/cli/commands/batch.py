"""`vangram batch`: each of many photographs in the style of every painting."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from vangram.cli.downloads import ensure_fetched
from vangram.cli.options import (
    BaseRecipe,
    KeepMetadata,
    Parameters,
    Quiet,
    Settings,
    SettingsOf,
    completing,
    listed,
    options_under,
)
from vangram.cli.settings import recipe_of
from vangram.cli.streams import report
from vangram.errors import SettingError
from vangram.settings.inputs import Inputs
from vangram.settings.kinds import STYLIZE, without_effect

BATCH = replace(STYLIZE, given=STYLIZE.given - {"styles"})
"""Kind of a batch's runs: each has one painting."""
FORMATS = ("png", "jpg", "webp", "tif")

_machines = options_under("Many machines")
_sequences = options_under("Sequences")

Folder = Annotated[
    Path, typer.Option("--output", "-o", help="Folder for the pictures; created if missing.")
]
Photos = Annotated[
    str | None,
    typer.Argument(
        metavar="PHOTOS", help="A folder, a picture, or a quoted pattern: 'holiday/*.jpg'."
    ),
]
Paintings = Annotated[
    list[str] | None,
    typer.Argument(metavar="PAINTING...", help="Pictures that give the styles."),
]
MorePhotos = Annotated[
    list[str] | None, typer.Option("--photo", help="One more photograph, or folder of them.")
]
Pairs = Annotated[
    str | None,
    typer.Option(help="Instead of both: a CSV file with columns photo,painting[,output]."),
]
Format = Annotated[
    str,
    typer.Option(
        help="Format of the pictures.",
        metavar=listed(FORMATS),
        autocompletion=completing(FORMATS),
    ),
]
ForceOthers = Annotated[
    bool, typer.Option("--force", help="Overwrite files that no batch has made.")
]
ShardOf = Annotated[
    str | None,
    _machines(
        metavar="K/N", help="Make one of N parts; the others are for other processes or machines."
    ),
]
Ray = Annotated[
    str | None,
    _machines(
        metavar="ADDRESS",
        help="Make the pictures on a Ray cluster: auto, local, or the head's HOST:PORT.",
    ),
]
RayCores = Annotated[
    int | None,
    _machines(
        min=1, metavar=None, help="CPU cores for each picture on the cluster.", show_default="1"
    ),
]
Ship = Annotated[
    bool,
    _machines(
        "--ship",
        metavar=None,
        help="Send files to the nodes and back, where these share no folder.",
    ),
]
ShowStatus = Annotated[
    bool,
    _machines(
        "--status",
        metavar=None,
        help="Make nothing; sum up what all processes have made in OUTPUT.",
    ),
]
Sequence = Annotated[
    bool,
    _sequences(
        "--sequence",
        metavar=None,
        help="PHOTOS is a film, as of `vangram film`; its frames go into OUTPUT/PAINTING. Film"
        " settings, such as frame_steps, go in --recipe.",
    ),
]
Flows = Annotated[
    Path | None,
    _sequences(
        help="Folder of .flo files, named like the frames, as of `vangram film`.",
        show_default="found by OpenCV",
    ),
]


def batch(
    photos: Photos,
    paintings: Paintings,
    output: Folder,
    photo: MorePhotos,
    pairs: Pairs,
    base: BaseRecipe,
    settings: Annotated[Settings, SettingsOf(BATCH, without=("init",))],
    parameters: Parameters,
    sequence: Sequence,
    flow: Flows,
    shard: ShardOf,
    status: ShowStatus,
    ray: Ray,
    ray_cores: RayCores,
    ship: Ship,
    force: ForceOthers,
    quiet: Quiet,
    keep_metadata: KeepMetadata = False,
    format: Format = FORMATS[0],
) -> None:
    """Repaint each of PHOTOS in the style of every PAINTING.

    After an interruption, the same command makes the missing pictures. A picture that fails is
    reported and skipped (exit code 3). OUTPUT/batch.json lists all, or with --shard
    a file of its own. The setting `init` goes in
    --recipe.
    """
    from vangram.batch import (
        Batch,
        Shard,
        crossed,
        photographs,
        read_pairs,
        read_status,
    )
    from vangram.cli.batch_runner import make_batch, show_status
    from vangram.cli.film_runner import make_film
    from vangram.film.film import Film, FilmSettings
    from vangram.storage.files import make_folder

    if status:
        show_status(read_status(output))
        return
    if ray is None and (ship or ray_cores is not None):
        raise SettingError("--ship and --ray-cores are for a cluster; add --ray ADDRESS")
    if ray is not None and sequence:
        raise SettingError("the frames of a sequence depend on each other; leave out --ray")
    part = None if shard is None else Shard.parse(shard)
    recipe, _ = recipe_of(settings, base)
    if flow is not None and not sequence:
        raise SettingError("flows lead from frame to frame; add --sequence")
    if format not in FORMATS:
        raise SettingError(f"format needs one of {', '.join(FORMATS)}, not {format!r}")
    given = [*([photos] if photos else []), *(photo or [])]
    if sequence:
        if pairs is not None or part is not None or len(given) != 1 or not paintings:
            raise SettingError(
                "--sequence takes one film or folder, and paintings; for --shard and all else, see"
                " `vangram film`"
            )
        if parameters is None:
            ensure_fetched(recipe.network, asked="network" in settings)
        for painting in paintings:
            inputs = Inputs(
                content=given[0],
                styles=(painting,),
                parameters=parameters,
                flow=None if flow is None else str(flow),
            )
            place = output / Path(painting).stem
            film = Film.prepare(place, inputs, recipe, FilmSettings(), force=force)
            make_folder(output)
            make_film(film, force=force, quiet=quiet)
        return
    if pairs is not None:
        if given or paintings:
            raise SettingError("--pairs names photographs and paintings; give no others")
        found = read_pairs(pairs, format)
    elif given and paintings:
        frames, notes = photographs(given)
        report(notes)
        found = crossed(frames, paintings, format)
    else:
        raise SettingError("a batch needs photographs and paintings, or --pairs")
    report(without_effect(settings, recipe, Inputs(content="", styles=("",))))
    if parameters is None:
        ensure_fetched(recipe.network, asked="network" in settings)
    prepared = Batch.prepare(
        output,
        found,
        recipe,
        parameters,
        force=force,
        shard=part,
        keep_metadata=keep_metadata,
    )
    if ray is None:
        make_batch(prepared, quiet=quiet)
        return
    from vangram.cli.cluster_runner import make_on_cluster

    make_on_cluster(prepared, ray, cores=ray_cores or 1, ship=ship, quiet=quiet)
