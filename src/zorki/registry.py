"""Names of models, for the command line and for tests; models themselves are plain functions to import and call.

A builder joins by standing in a `tasks/<task>/models/` folder under the `model` decorator; nothing else is edited.
"""

from __future__ import annotations

import ast
import fnmatch
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.machinery import FileFinder
from pathlib import Path
from typing import Any, TypeVar

from zorki.contracts import Model, Task
from zorki.errors import RecipeError, did_you_mean

Build = TypeVar("Build", bound=Callable[..., Model[Any, Any, Any]])


@dataclass(frozen=True)
class Entry:
    """One named model: who builds it, for which task, and where published weights are.

    `weights` maps a word of `--weights` to a source: "torchvision:ResNet18_Weights.IMAGENET1K_V1",
    "timm:resnetv2_50x1_bit.goog_in21k_ft_in1k", or the address of a file, "https://...".
    """

    name: str
    task: Task[Any, Any]
    build: Callable[..., Model[Any, Any, Any]]
    weights: Mapping[str, str] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """The first line of the builder's docstring."""
        return (inspect.getdoc(self.build) or "").split("\n", 1)[0]

    def options(self) -> dict[str, inspect.Parameter]:
        """The builder's keyword arguments beside `num_classes`: what `--options` can set."""
        return {
            name: parameter
            for name, parameter in inspect.signature(self.build).parameters.items()
            if name not in ("num_classes", "name")
        }


@cache
def _instance(task: type[Task[Any, Any]]) -> Task[Any, Any]:
    return task()


_entries: dict[str, Entry] = {}
_families: dict[str, Callable[[str], Entry]] = {}


def model(task: type[Task[Any, Any]], *, weights: Mapping[str, str] | None = None) -> Callable[[Build], Build]:
    """Registers a builder `f(num_classes, *, ...) -> Model` under its own name and returns it unchanged."""

    def register(build: Build) -> Build:
        name = build.__name__
        known = _entries.get(name)
        if known is not None and known.build.__module__ != build.__module__:
            raise ValueError(f"two models are named {name}, in {known.build.__module__} and {build.__module__}")
        _entries[name] = Entry(name, _instance(task), build, dict(weights or {}))
        return build

    return register


def family(prefix: str, make: Callable[[str], Entry]) -> None:
    """Registers names that are made when asked for, such as `timm:` followed by any of timm's."""
    _families[prefix] = make


@cache
def tasks() -> dict[str, Task[Any, Any]]:
    """Every task by name, found by looking into the `tasks` folder."""
    return {one.name: one for package in _packages() for one in _tasks_of(package)}


def task(name: str) -> Task[Any, Any] | None:
    """The task of that name, for which the others need not be imported where its folder is named alike."""
    alike = _tasks_of(name) if name in _packages() else []
    return next((one for one in alike if one.name == name), None) or tasks().get(name)


@cache
def _packages() -> list[str]:
    home = importlib.import_module("zorki.tasks")
    return sorted(info.name for info in pkgutil.iter_modules(home.__path__) if info.ispkg)


def _tasks_of(package: str) -> list[Task[Any, Any]]:
    module = importlib.import_module(f"zorki.tasks.{package}.task")
    return [
        _instance(value)
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Task) and value.__module__ == module.__name__
    ]


@cache
def _modules() -> dict[str, str]:
    """Every module of a `models` folder with its source, and that of its folder; none of them is imported."""
    sources: dict[str, str] = {}
    for package in _packages():
        home = importlib.import_module(f"zorki.tasks.{package}.models")
        for info in sorted(pkgutil.iter_modules(home.__path__), key=lambda info: info.name):
            assert isinstance(info.module_finder, FileFinder)
            place = Path(info.module_finder.path, info.name)
            files = sorted(place.glob("*.py")) if info.ispkg else [place.with_suffix(".py")]
            text = "\n".join(file.read_text(encoding="utf-8") for file in files if file.exists())
            sources[f"{home.__name__}.{info.name}"] = text
    return sources


@cache
def _discover() -> None:
    for module in _modules():
        importlib.import_module(module)


def _import_home(name: str) -> None:
    """Imports modules whose source speaks of the name until one registers it: opening a run needs no other network.

    The likeliest first: one that defines a builder of the name, or of which the name is a variant.
    """
    prefix = name.partition(":")[0] + ":" if ":" in name else None
    word = re.compile(rf"\b{re.escape(prefix or name)}" + ("" if prefix else r"\b"))

    def rank(source: str) -> tuple[bool, bool]:
        builders = re.findall(r"^def (\w+)\(", source, re.MULTILINE)
        return name not in builders, not any(name.startswith(f"{builder}_") for builder in builders)

    likely = [module for module, source in _modules().items() if word.search(source)]
    for module in sorted(likely, key=lambda module: rank(_modules()[module])):
        importlib.import_module(module)
        if name in _entries or prefix in _families:
            return


def entries(pattern: str = "*", task: str | None = None) -> list[Entry]:
    """Models whose name matches a shell-style pattern, by name."""
    _discover()
    return [
        _entries[name]
        for name in sorted(_entries, key=_natural)
        if fnmatch.fnmatchcase(name, pattern) and (task is None or _entries[name].task.name == task)
    ]


def find(name: str) -> Entry:
    """The model of that name. Raises RecipeError with the nearest names where there is none."""
    if name not in _entries:
        _import_home(name)
    if name not in _entries and not any(map(name.startswith, _families)):
        _discover()
    if name in _entries:
        return _entries[name]
    for prefix, make in _families.items():
        if not name.startswith(prefix):
            continue
        try:
            return make(name.removeprefix(prefix))
        except RecipeError as error:
            _discover()
            raise RecipeError(
                f"no model is named {name!r}.{did_you_mean(name, _entries)} After {prefix!r}, {error}"
            ) from None
    raise RecipeError(f"no model is named {name!r}.{did_you_mean(name, _entries)} `zorki models` lists them all.")


def _natural(name: str) -> list[Any]:
    """Numbers in a name count as numbers: resnet18 stands before resnet101."""
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in re.split(r"(\d+)", name)]


def build(name: str, num_classes: int, options: Mapping[str, Any] | None = None) -> Model[Any, Any, Any]:
    """The named model. Options may be text, as typed; they become what the builder's annotations say.

    Raises:
        RecipeError: no such model, or an option that its builder does not take.
    """
    entry = find(name)
    known = entry.options()
    values: dict[str, Any] = {}
    for key, value in (options or {}).items():
        if key not in known:
            raise RecipeError(
                f"{name} takes no {key!r}.{did_you_mean(key, known)} It takes: {', '.join(known) or 'nothing'}"
            )
        values[key] = _converted(f"{name}'s {key}", known[key], value)
    return entry.build(num_classes, **values)


def _converted(what: str, parameter: inspect.Parameter, value: Any) -> Any:
    """Text as the parameter's kind, judged by its default."""
    if not isinstance(value, str) or isinstance(parameter.default, str):
        return value
    default = parameter.default
    try:
        read = ast.literal_eval(value.capitalize() if value in ("true", "false") else value)
    except (ValueError, SyntaxError):
        if isinstance(default, tuple):
            raise RecipeError(f"{what} is {value!r}; expected something like {default!r}") from None
        return value
    if isinstance(default, bool | int | float) and not isinstance(read, bool | int | float):
        raise RecipeError(f"{what} is {value!r}; expected something like {default!r}")
    if isinstance(default, tuple):
        return tuple(read) if isinstance(read, tuple | list) else (read,)
    return float(read) if isinstance(default, float) else read
