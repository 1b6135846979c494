"""The program and its commands; a command's file is imported when the command is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

COMMANDS = {
    "stylize": "Repaint a photograph in the style of a painting, or of several.",
    "texture": "Make a texture of any size from a painting.",
    "reconstruct": "Reconstruct a photograph from the features of one layer.",
    "rerun": "Make a result again from the settings in its file.",
    "resume": "Continue a run that was stopped, killed or interrupted.",
    "batch": "Repaint each of many photographs in the style of every painting.",
    "film": "Repaint a film without flicker; its sound is kept.",
    "sweep": "Compare settings side by side on one page.",
    "study": "Reproduce the paper's figures with your pictures.",
    "studio": "Open a page on this machine to make pictures and see them grow.",
    "explain": "Show each term of a result's loss.",
    "verify": "Check each fast computation against a slow, plain one.",
    "networks": "List the networks; fetch, find and check their parameters.",
}
"""Name of a command, of its file in `commands/` and of the function there -> purpose, for
`vangram --help`."""


def load_command(name: str) -> Any:
    """The command as click knows it, with its arguments and options."""
    command = getattr(import_module(f"vangram.cli.commands.{name}"), name)
    if isinstance(command, typer.Typer):  # a group
        return get_command(command)
    from vangram.cli.options import command_line

    program = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    program.command(name)(command_line(command))
    return get_command(program)


class _Program(TyperGroup):
    """A group that lists `COMMANDS` and imports only the one that is called or completed.

    An import of them all, with the options made from the recipe, takes longer than the help.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands.update(
            (name, TyperCommand(name, help=text)) for name, text in COMMANDS.items()
        )

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, _, rest = super().resolve_command(ctx, args)
        return name, None if name is None else load_command(name), rest


app = typer.Typer(
    cls=_Program,
    name="vangram",
    help="Repaint a picture in the style of another.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
