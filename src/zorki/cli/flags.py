"""The recipe as flags: every field of the dataclass becomes one, with its help, unit and group. No second truth."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import yaml
from cyclopts import Parameter

from zorki.errors import RecipeError
from zorki.recipe import Recipe, describe


def _help(name: str) -> str:
    facts = describe(name)
    return f"{facts['help']} [{facts['unit']}]" if facts["unit"] else str(facts["help"])


def _field(f: dataclasses.Field[Any], hint: Any) -> tuple[str, Any, Any]:
    if hint == "Mapping":
        hint = dict[str, str]
    annotation = Annotated[hint, Parameter(help=_help(f.name), group=describe(f.name)["group"])]
    if f.default_factory is not dataclasses.MISSING:
        return f.name, annotation, dataclasses.field(default_factory=f.default_factory)
    return f.name, annotation, f.default


_hints = get_type_hints(Recipe) | {"options": dict[str, str]}
Flags = dataclasses.make_dataclass(
    "Flags", [_field(f, _hints[f.name]) for f in dataclasses.fields(Recipe)], frozen=True
)
Flags.__module__ = __name__  # where the command line looks up annotations


def said(flags: Any) -> dict[str, Any]:
    """The flags that differ from the recipe's defaults."""
    default = Flags()
    return {
        f.name: getattr(flags, f.name)
        for f in dataclasses.fields(Flags)
        if getattr(flags, f.name) != getattr(default, f.name)
    }


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
