"""`vangram studio`: the web page on this machine."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from vangram.cli.streams import tell
from vangram.errors import SettingError


def studio(
    folder: Annotated[
        Path, typer.Option(help="Where the pictures go; made where it is missing.")
    ] = Path("pictures"),
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes any that is free.")
    ] = 8411,
    open: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in the browser.")
    ] = True,
    listen: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Address to listen on; 0.0.0.0 for other machines, which need the printed token.",
        ),
    ] = "127.0.0.1",
) -> None:
    """Open a page on this machine to make pictures with, and to see them grow.

    The jobs belong to the server: a page that is closed or reloaded finds them again, and what was
    running when the server ended, however it ended, goes on when it is started again. Ctrl-C ends
    it.
    """
    try:
        from vangram.studio.serve import serve
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("vangram"):
            raise
        raise SettingError(
            f"the studio needs {error.name}, which is not installed: pip install 'vangram[studio]'"
        ) from None

    def ready(addresses: list[str], ours: bool) -> None:
        if not ours:
            tell("the studio of this folder is open already")
        print(*addresses, sep="\n", flush=True)
        if open:
            webbrowser.open(addresses[0])

    serve(folder, listen, port, ready)
