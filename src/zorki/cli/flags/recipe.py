"""The recipe as flags: every field of the dataclass becomes one, with its help, unit and group."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from cyclopts import Group, Parameter

from zorki.errors import DataError, RecipeError
from zorki.input_files.json_files import read_json
from zorki.input_files.yaml_files import read_yaml
from zorki.recipe import Recipe, without_measured_size
from zorki.settings import by_field, checked
from zorki.task_settings import all_fields, task_settings

_groups: dict[str, Group] = {}


def _group(title: str) -> Group:
    """Headings stand in the order in which the recipe names them, below the verb's own parameters."""
    return _groups.setdefault(title, Group(title, sort_key=(1, len(_groups))))


def _help(f: dataclasses.Field[Any]) -> str:
    facts = f.metadata
    parts = [facts["unit"], _range(facts["least"], facts["most"])]
    sentences = [", ".join(part for part in parts if part)]
    if f.default is not dataclasses.MISSING and f.default not in (None, 0.0, False):
        default = ",".join(f"{value:g}" for value in f.default) if isinstance(f.default, tuple) else f.default
        sentences.append(f"default: {default}")
    return " ".join([facts["help"], *(f"[{text}]" for text in sentences if text)])


def _range(least: float | None, most: float | None) -> str:
    if most is None:
        return "" if least in (None, 0, 1) else f"at least {least:g}"
    return f"{least:g} to {most:g}" if most < 2**31 else ""


def _as_typed(type_: Any, tokens: Any) -> Any:
    """Text as it was typed: the settings check it, in one voice on the command line, in Python and in files."""
    text = [str(token.value) for token in tokens]
    return text[0] if len(text) == 1 else text


def _field(f: dataclasses.Field[Any], hint: Any, headings: list[str]) -> tuple[str, Any, Any]:
    # None is "not typed" for every flag, so that a flag typed with its default's value still goes before a recipe.
    facts: dict[str, Any] = {
        "help": _help(f),
        "group": tuple(_group(title) for title in headings),
        "show_default": False,
    }
    parts = get_args(hint) if type(None) in get_args(hint) else (hint,)
    if get_origin(hint) is Mapping:
        return f.name, Annotated[dict[str, str] | None, Parameter(**facts)], None
    if bool in parts:
        negative = None if f.default is True else ""  # `--no-X` is taken all the same; see flag_names
        return f.name, Annotated[bool | None, Parameter(negative=negative, **facts)], None
    kind: Any = next((part for part in parts if get_origin(part) is Literal), parts[0])
    kind = float if get_origin(kind) is tuple else kind
    return f.name, Annotated[kind | None, Parameter(converter=_as_typed, **facts)], None


def _fields() -> list[tuple[str, Any, Any]]:
    """Of all recipes, and of each task's; one flag for what several tasks have, under the heading of each."""
    found = []
    for name, kinds in all_fields().items():
        f = kinds[0].__dataclass_fields__[name]
        headings = [kind.__dataclass_fields__[name].metadata["group"] for kind in kinds]
        found.append(_field(f, get_type_hints(kinds[0])[name], headings))
    return found


def flags_without(*names: str) -> Any:
    """The recipe's flags for a verb that has some of these names for something else, or no use for them."""
    kind = dataclasses.make_dataclass("Flags", [one for one in _fields() if one[0] not in names], frozen=True)
    kind.__module__ = __name__  # where the command line looks up annotations
    return kind


Flags = flags_without()


def given_settings(flags: Any) -> dict[str, Any]:
    """The flags that were typed."""
    values = {f.name: getattr(flags, f.name) for f in dataclasses.fields(flags)}
    return {name: value for name, value in values.items() if value is not None}


def model_and_data(verb: str, model: str | None, data: str | None) -> tuple[str | None, str]:
    """The words of a verb that trains, of which a single one is data. Raises RecipeError where there are none."""
    if model is not None and data is None and (Path(model).exists() or model.startswith("scenes:")):
        model, data = None, model
    if data is None:
        lacking = "data" if model is None else f"data, and {model} is no folder or file"
        raise RecipeError(f"expected {lacking}, such as: zorki {verb} photos/, or zorki {verb} resnet18 photos/")
    return model, data


def read_recipe(path: Path) -> dict[str, Any]:
    """The fields in a recipe.yaml, by their names of today.

    In a run's folder it has no image size that was not set, as earlier versions wrote it there; see
    `zorki.recipe.without_measured_size`.

    Raises:
        RecipeError: it cannot be read, or holds what no recipe has; with file, and line where there is one.
    """
    if not path.exists():
        raise RecipeError(f"{path}: no such recipe")
    try:
        values = read_yaml(path)
    except DataError as error:
        raise RecipeError(str(error)) from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise RecipeError(f"{path}: expected names with values, such as `epochs: 5`; found {type(values).__name__}")
    try:
        found = by_field({str(name): value for name, value in values.items()}, Recipe, *task_settings())
        for name, kinds in all_fields().items():
            if name in found:
                kinds[0](**checked(kinds[0], {name: found[name]}))
    except RecipeError as error:
        raise RecipeError(f"{path}: {error}") from None
    return without_measured_size(found, _explicit_in_run(path.parent))


def _explicit_in_run(folder: Path) -> set[str]:
    """What was typed for the run in this folder; where there is no run, all that a recipe holds was."""
    path = folder / "run.json"
    try:
        about = read_json(path) if path.exists() else {"explicit": ["image_size"]}
        return set(about["explicit"] if "explicit" in about else about["said"])  # as older versions call it
    except (DataError, KeyError, TypeError):  # runs before either was written, and what is no run's
        return {"image_size"}
