"""The program and its commands. Torch and Pillow are loaded when a command runs."""

from __future__ import annotations

from typing import Annotated

import typer

from vangram.cli.commands.batch import batch
from vangram.cli.commands.explain import explain
from vangram.cli.commands.film import film
from vangram.cli.commands.networks import networks
from vangram.cli.commands.reconstruct import reconstruct
from vangram.cli.commands.rerun import rerun
from vangram.cli.commands.resume import resume
from vangram.cli.commands.studio import studio
from vangram.cli.commands.study import study
from vangram.cli.commands.stylize import stylize
from vangram.cli.commands.sweep import sweep
from vangram.cli.commands.texture import texture
from vangram.cli.commands.verify import verify
from vangram.cli.options import command_line

app = typer.Typer(
    name="vangram",
    help="Repaint a picture in the style of another.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

COMMANDS = (
    stylize,
    texture,
    reconstruct,
    rerun,
    resume,
    batch,
    film,
    sweep,
    study,
    studio,
    explain,
    verify,
)
for command in COMMANDS:
    app.command()(command_line(command))
app.add_typer(networks, name="networks")


def _show_version(wanted: bool) -> None:
    if wanted:
        from vangram import __version__

        typer.echo(f"vangram {__version__}")
        raise typer.Exit


@app.callback()
def vangram(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show it."),
    ] = False,
) -> None:
    """Repaint a picture in the style of another (Gatys, Ecker and Bethge, CVPR 2016)."""
