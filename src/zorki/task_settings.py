"""The recipes of all tasks: found in the tasks' folders without importing a task, and one place for what is refused."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from typing import Any, NoReturn

from zorki.errors import RecipeError
from zorki.recipe import Recipe
from zorki.settings import by_field, checked, names


@cache
def task_settings() -> tuple[type[Recipe], ...]:
    """The kinds of recipe that tasks have of their own, by the order of their folders."""
    home = importlib.import_module("zorki.tasks")
    found: list[type[Recipe]] = []
    for package in sorted(info.name for info in pkgutil.iter_modules(home.__path__) if info.ispkg):
        folder = importlib.import_module(f"{home.__name__}.{package}")
        if "settings" not in {info.name for info in pkgutil.iter_modules(folder.__path__)}:
            continue
        module = importlib.import_module(f"{folder.__name__}.settings")
        found += [
            value
            for value in vars(module).values()
            if isinstance(value, type) and issubclass(value, Recipe) and value.__module__ == module.__name__
        ]
    return tuple(found)


def all_fields() -> dict[str, list[type[Recipe]]]:
    """Every field with the kinds of recipe that have it: `Recipe` alone where all do."""
    shared = [f.name for f in dataclasses.fields(Recipe)]
    fields: dict[str, list[type[Recipe]]] = {name: [Recipe] for name in shared}
    for kind in task_settings():
        for f in dataclasses.fields(kind):
            if f.name not in shared:
                fields.setdefault(f.name, []).append(kind)
    return fields


def all_names() -> dict[str, str]:
    """Every name of every field of any task, those of older versions too, with the field's own."""
    return names(Recipe, *task_settings())


def recipe_for(kind: type[Recipe], task: str, values: Mapping[str, Any]) -> Recipe:
    """The recipe of one task with these values, by any of the fields' names.

    What only other tasks have is passed over where it has its default, as in the recipe.yaml of an older version.

    Args:
        kind: of the task's recipe.
        task: its name.

    Raises:
        RecipeError: a name is no field's, a value is none that its field can have, or a setting is of other tasks.
    """
    own: dict[str, Any] = {}
    fields = all_fields()
    for name, value in by_field(values, kind, *task_settings()).items():
        if name in kind.__dataclass_fields__:
            own[name] = value
        elif checked(fields[name][0], {name: value})[name] != fields[name][0].__dataclass_fields__[name].default:
            theirs = " and of ".join(other.task for other in fields[name])
            refuse(name, value, f"{task} has no such setting: it is one of {theirs}")
    return kind(**checked(kind, own))


def refuse(name: str, value: Any, reason: str) -> NoReturn:
    """The one place in which a setting that means nothing is refused. Raises RecipeError."""
    raise RecipeError(f"{name} is {value}, but {reason}; leave it out")
