"""The recipe as flags: every field of the dataclass becomes one, with its help, unit and group. No second truth."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import yaml
from cyclopts import Parameter

from zorki.errors import RecipeError
from zorki.recipe import Recipe, describe


def _help(f: dataclasses.Field[Any]) -> str:
    facts = describe(f.name)
    unit = f" [{facts['unit']}]" if facts["unit"] else ""
    default = f" [default: {f.default}]" if f.default not in (None, dataclasses.MISSING) else ""
    return f"{facts['help']}{unit}{default}"


def _field(f: dataclasses.Field[Any], hint: Any) -> tuple[str, Any, Any]:
    # None is "not typed" for every flag, so that a flag typed with its default's value still goes before a recipe.
    parameter = Parameter(help=_help(f), group=describe(f.name)["group"], show_default=False)
    return f.name, Annotated[hint | None, parameter], None


_hints = get_type_hints(Recipe) | {"options": dict[str, str]}
Flags = dataclasses.make_dataclass(
    "Flags", [_field(f, _hints[f.name]) for f in dataclasses.fields(Recipe)], frozen=True
)
Flags.__module__ = __name__  # where the command line looks up annotations


def said(flags: Any) -> dict[str, Any]:
    """The flags that were typed."""
    values = {f.name: getattr(flags, f.name) for f in dataclasses.fields(Flags)}
    return {name: value for name, value in values.items() if value is not None}


def read_recipe(path: Path) -> dict[str, Any]:
    """The fields in a recipe.yaml. Raises RecipeError with file and line where it cannot be read."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such recipe") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RecipeError(f"{path}: cannot be read as YAML: {error}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise RecipeError(f"{path}: expected names with values, such as `epochs: 5`; found {type(values).__name__}")
    try:
        Recipe.of(values)
    except RecipeError as error:
        raise RecipeError(f"{path}: {error}") from None
    return {str(name): value for name, value in values.items()}
