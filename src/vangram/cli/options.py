"""Arguments and options of the commands: one for each setting of a recipe, and common ones.

A command is a function of a few objects. `command_line` gives it the options that the objects are
made of: one for each field of a dataclass, one for each setting where `SettingsOf` asks for them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, get_args, get_type_hints

import typer

from vangram.settings.fields import Setting
from vangram.settings.inputs import SEVERAL, Inputs
from vangram.settings.kinds import Kind
from vangram.settings.presets import PRESETS
from vangram.settings.recipe import DEFAULT_STRENGTH

Settings: TypeAlias = Mapping[str, Any]
"""Name -> value of the settings that are given."""
METAVARS = {"integer": "INTEGER", "number": "NUMBER"}
"""Names of values in `--help`, by their type."""


def command_line(command: Callable[..., None]) -> Callable[..., None]:
    """The command with its objects replaced by arguments and options, as typer needs it."""
    groups = {
        parameter.name: _group(parameter)
        for parameter in inspect.signature(command, eval_str=True).parameters.values()
    }

    def run(context: typer.Context, **values: Any) -> None:
        given = {name: value for name, value in values.items() if _is_given(context, name)}
        command(**{name: group.build(values, given) for name, group in groups.items()})

    context = _part("context", typer.Context, inspect.Parameter.empty)
    parts = [context, *(part for group in groups.values() for part in group.parts)]
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__annotations__ = {part.name: part.annotation for part in parts}
    run.__signature__ = inspect.Signature(parts)  # type: ignore[attr-defined]
    return run


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)  # an enumeration of click's, or typer's own click
    return source is not None and source.name not in ("DEFAULT", "DEFAULT_MAP")


@dataclass(frozen=True)
class _Group:
    """The arguments and options that make up one object."""

    parts: list[inspect.Parameter]
    build: Callable[[Mapping[str, Any], Mapping[str, Any]], Any]
    """Builds the object from the values of all its options, and from those given, both by name."""


def _group(parameter: inspect.Parameter) -> _Group:
    name, kind = parameter.name, parameter.annotation
    metadata = getattr(kind, "__metadata__", ())
    maker = next((each for each in metadata if isinstance(each, SettingsOf | InputsOf)), None)
    if maker is not None:
        return _Group(maker.options(), lambda values, given: maker.given(given))
    if not is_dataclass(kind):
        return _Group([_part(name, kind, parameter.default)], lambda values, given: values[name])
    hints = get_type_hints(kind, include_extras=True)
    parts = [_part(each.name, hints[each.name], each.default) for each in fields(kind)]
    build: Any = kind
    return _Group(parts, lambda values, given: build(**{p.name: values[p.name] for p in parts}))


def _part(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    """An argument or option; one that may be None, or is a switch, need not be given."""
    if default in (MISSING, inspect.Parameter.empty):
        of_value = getattr(annotation, "__origin__", annotation)
        none = None if type(None) in get_args(of_value) else inspect.Parameter.empty
        default = False if of_value is bool else none
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default
    )


@dataclass(frozen=True)
class SettingsOf:
    """Annotation of a parameter that collects settings: one option for each setting.

    Args:
        kind: kind of run, which has the settings and their defaults.
        only: names of the settings with an option; empty: all that have an effect.
        without: names of settings without an option.
    """

    kind: Kind
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    @property
    def settings(self) -> list[Setting]:
        """The settings with an option."""
        return [
            setting
            for name, setting in self.kind.settings().items()
            if setting.option and name not in self.without and (not self.only or name in self.only)
        ]

    def options(self) -> list[inspect.Parameter]:
        """An option for each setting."""
        base = self.kind.base()
        return [self._option(setting, getattr(base, setting.name)) for setting in self.settings]

    def given(self, options: Mapping[str, Any]) -> Settings:
        """The settings given.

        Args:
            options: values of the options that were given, by name.

        Raises:
            SettingError: a text is not in the form that its setting has.
        """
        given: dict[str, Any] = {}
        for setting in self.settings:
            value = options.get(setting.name)
            if isinstance(value, bool):
                given[setting.name] = value
            elif value is not None:
                given |= setting.given(*([value] if isinstance(value, str) else value))
        return given

    def _option(self, setting: Setting, default: Any) -> inspect.Parameter:
        key = self.kind.renamed.get(setting.name, setting.key)
        if setting.is_switch:
            switch = typer.Option(
                f"--{key}/--no-{key}",
                help=setting.help,
                show_default=default,
                rich_help_panel=setting.group,
            )
            return _part(setting.name, Annotated[bool, switch], default)
        repeated = bool(setting.each) and "styles" in self.kind.given
        text = setting.format(default)
        is_set = text != setting.unset
        option = typer.Option(
            f"--{key}",
            help=f"{setting.help}{f' [{setting.range}]' if setting.range else ''}"
            f"{' Several times: once for each painting.' if repeated else ''}",
            metavar=_metavar(setting),
            show_default=is_set or setting.unset,
            autocompletion=completing(setting.choices) if not setting.metavar else None,
            rich_help_panel=setting.group,
        )
        annotation: Any = list[str] | None if repeated else str | None
        value = [text] if repeated else text
        return _part(setting.name, Annotated[annotation, option], value if is_set else None)


def _metavar(setting: Setting) -> str:
    """Placeholder of a setting's value in `--help`."""
    if setting.metavar:
        return setting.metavar
    if setting.choices:
        return listed(setting.choices)
    if setting.text is not None:
        return setting.text.metavar
    return METAVARS.get(str(setting.schema.get("type")), "TEXT")


def listed(choices: Iterable[str]) -> str:
    """Choices as `--help` shows them."""
    return f"[{'|'.join(choices)}]"


def completing(choices: Collection[str]) -> Callable[[str], list[str]] | None:
    """Shell completion of an option's value; None: the shell's own."""
    if not choices:
        return None
    return lambda incomplete: [each for each in choices if each.startswith(incomplete)]


def options_under(heading: str) -> Callable[..., Any]:
    """`typer.Option` under a heading of the help; the value is a path unless `metavar` is given."""

    def option(*names: str, help: str, metavar: str | None = "PATH", **more: Any) -> Any:
        return typer.Option(*names, help=help, metavar=metavar, rich_help_panel=heading, **more)

    return option


_look = options_under("Looks")
_method = options_under("Method")
_watching = options_under("Monitoring")

Photo = Annotated[str, typer.Argument(metavar="PHOTO", help="Picture that gives the content.")]
Painted = Annotated[str, typer.Argument(metavar="PAINTING", help="Picture that gives the style.")]
Paintings = Annotated[
    list[str], typer.Argument(metavar="PAINTING...", help="Pictures that give the style.")
]
Made = Annotated[str, typer.Argument(metavar="PICTURE", help="A picture that vangram made.")]
Page = Annotated[Path, typer.Option("--output", "-o", metavar="PATH", help="Page to write: .html.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite an existing output.")]
KeepMetadata = Annotated[
    bool,
    typer.Option(
        "--keep-metadata",
        help="Let the picture carry the photograph's place, owner and serial numbers, and full"
        " paths.",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress; errors alone.")]
Parameters = Annotated[
    str | None, _method(help="A .pth or .safetensors file of the network's parameters.")
]
SaveRecipe = Annotated[Path | None, _look(help="Write the run's settings to this TOML file.")]


@dataclass(frozen=True)
class BaseRecipe:
    """The recipe that the options change: the default, a preset or a file."""

    preset: Annotated[
        str | None,
        _look(
            help="A recipe by name.", metavar=listed(PRESETS), autocompletion=completing(PRESETS)
        ),
    ] = None
    strength: Annotated[
        str | None,
        _look(
            help="How strong the style is: 0.5, 1, 2 are equal steps. Sets the style weight.",
            metavar="NUMBER",
            show_default=f"{DEFAULT_STRENGTH:g}",
        ),
    ] = None
    recipe: Annotated[
        str | None,
        _look(
            "--recipe",
            help="A TOML file of settings, or a finished picture; options given override it.",
        ),
    ] = None


@dataclass(frozen=True)
class Output:
    """The picture that a command writes."""

    output: Annotated[
        Path, typer.Option("--output", "-o", help="Picture to write: .png, .jpg, .webp or .tif.")
    ]
    force: Force = False
    keep_metadata: KeepMetadata = False


@dataclass(frozen=True)
class Monitoring:
    """Options to follow a run: preview, timelapse, progress."""

    preview: Annotated[
        Path | None, _watching(help="Write the picture here as it grows, every few seconds.")
    ] = None
    timelapse: Annotated[
        Path | None, _watching(help="Write an animated .webp of how the picture came about.")
    ] = None
    progress: Annotated[
        Literal["text", "json"],
        _watching(
            help="Progress for people, or for programs: an event a line, on standard error.",
            metavar=listed(("text", "json")),
        ),
    ] = "text"
    quiet: Quiet = False


@dataclass(frozen=True)
class InputsOf:
    """Annotation of a parameter that collects inputs: one option for each input."""

    helps: Mapping[str, tuple[str, str]]
    """Kind of input, as in `InputName` -> heading and help of its option."""

    def options(self) -> list[inspect.Parameter]:
        """An option for each input."""
        parts = []
        for kind, (panel, text) in self.helps.items():
            annotation: Any = list[str] | None if kind in SEVERAL.values() else str | None
            parts.append(_part(kind, Annotated[annotation, options_under(panel)(help=text)], None))
        return parts

    def given(self, options: Mapping[str, Any]) -> Inputs[str]:
        """The inputs of the options that were given."""
        several = {kind: name for name, kind in SEVERAL.items()}
        paths = {kind: path for kind, path in options.items() if kind in self.helps}
        return Inputs(
            **{several.get(k, k): tuple(p) if k in several else p for k, p in paths.items()}
        )


OTHER_INPUTS = InputsOf(
    {
        "mask": ("Regions", "Picture whose colours name regions, each with its painting."),
        "style_mask": ("Regions", "Picture that names them in a painting; once for each painting."),
        "keep": ("Regions", "Picture that is white where the photograph is to stay as it is."),
        "before": ("Sequences", "The result of the frame before; with --before-frame."),
        "before_frame": ("Sequences", "The frame before."),
        "flow": ("Sequences", "Flow to the frame before, a .flo file; else found by OpenCV."),
        "flow_back": ("Sequences", "Flow from the frame before; else found by OpenCV."),
    }
)
"""Inputs beside photograph and paintings."""
WORDS = {
    "content": "photograph", "style": "painting", "start": "first image", "mask": "mask",
    "parameters": "network's file", "style_mask": "painting's mask", "keep": "mask of what is kept",
    "before": "result of the frame before", "before_frame": "frame before", "flow": "flow",
    "flow_back": "flow from the frame before",
}  # fmt: skip
MOVED = InputsOf({kind: ("Inputs", f"Where the {word} is now.") for kind, word in WORDS.items()})
"""Options for the present paths of a picture's inputs, where these have moved."""
MovedInputs = Annotated[Inputs[str], MOVED]
