"""Names of models, for the command line and for tests; models themselves are plain functions to import and call.

A builder joins by standing under the `model` decorator in a `tasks/<task>/models/` folder, in a file that `load_plugin`
reads, or in an installed package that names the entry point group "zorki.models"; nothing else is edited.
"""

from __future__ import annotations

import ast
import difflib
import fnmatch
import importlib
import importlib.util
import inspect
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from importlib.machinery import FileFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from zorki.contracts import Task
from zorki.errors import RecipeError, did_you_mean, suggestion
from zorki.installed import installed
from zorki.nn.backbones.named import backbone_weights, check_backbone

if TYPE_CHECKING:
    from zorki.contracts import Model

Build = TypeVar("Build", bound="Callable[..., Model[Any, Any, Any]]")

ENTRY_POINTS = "zorki.models"
"""Entry point group of installed packages; each entry point is a module that registers models."""

SWITCHES = {"true": True, "on": True, "yes": True, "false": False, "off": False, "no": False}
OPTION_ALIASES: Mapping[str, str] = {
    "size": "image_size",
    "imgsz": "image_size",
    "img_size": "image_size",
    "colours": "colors",
}
"""Other tools' and older versions' names of builders' arguments, in `--options` and in the runs that have them."""

_PLACE = "{backbone}"
_REFUSALS = (ValueError, TypeError, ArithmeticError, RuntimeError, AssertionError, IndexError, MemoryError)
"""What layers raise of sizes, rates and counts that they cannot have."""


@dataclass(frozen=True)
class Entry:
    """One named model: who builds it, for which task, and where published weights are.

    `weights` maps a word of `--weights` to a source: "torchvision:ResNet18_Weights.IMAGENET1K_V1",
    "timm:resnetv2_50x1_bit.goog_in21k_ft_in1k", "huggingface:PekingU/rtdetr_r18vd", or the address of a file,
    "https://...". A model that is not `trainable` learns nothing from data, and is used with its weights, or as it is
    built. `former` are the builder's arguments of runs whose run.json does not tell them, as earlier versions wrote it.
    """

    name: str
    task: Task[Any, Any]
    build: Callable[..., Model[Any, Any, Any]]
    weights: Mapping[str, str] = field(default_factory=dict)
    trainable: bool = True
    former: Mapping[str, Any] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """The first line of the builder's docstring."""
        return _first_line(self.build)

    def options(self) -> dict[str, inspect.Parameter]:
        """The builder's keyword arguments beside `num_classes`: what `--options` can set."""
        return {
            name: parameter
            for name, parameter in inspect.signature(self.build).parameters.items()
            if name not in ("num_classes", "name")
        }

    def takes(self, option: str) -> bool:
        """Whether the builder has such an option."""
        return option in canonical_options(self.options())


@dataclass(frozen=True)
class Variant:
    """A named model of a builder that makes several.

    Args:
        name: of the model.
        summary: one line for listings.
        fixed: the builder's arguments that make it what it is, such as its backbone; they are no options of it.
        defaults: of arguments where they differ from the builder's.
        weights: as of an `Entry`; None: those that its `backbone` has.
        former: arguments that the name stood for in earlier versions, where it was one of `any_backbone`.
    """

    name: str
    summary: str
    fixed: Mapping[str, Any]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, str] | None = None
    former: Mapping[str, Any] = field(default_factory=dict)


def backbone_variants(
    titles: Mapping[str, str], method: str, summary: str, fixed: Mapping[str, Any] | None = None
) -> list[Variant]:
    """The models METHOD_BACKBONE that listings show; any other backbone may serve as well.

    Args:
        titles: of backbones, by name.
        summary: one line, with "{title}" where the backbone's goes.
        fixed: arguments of the builder that the method's version is made of.
    """
    return [
        Variant(f"{method}_{name}", summary.format(title=title), {"backbone": name, **(fixed or {})})
        for name, title in titles.items()
    ]


@cache
def _instance(task: type[Task[Any, Any]]) -> Task[Any, Any]:
    return task()


_entries: dict[str, Entry] = {}
_families: dict[str, Callable[[str], Entry]] = {}
_plugins: dict[str, list[str]] = {}


def model(
    task: type[Task[Any, Any]],
    *,
    variants: Sequence[Variant] = (),
    any_backbone: str | Sequence[Variant] = (),
    weights: Mapping[str, str] | None = None,
    trainable: bool = True,
) -> Callable[[Build], Build]:
    """Registers a builder `f(num_classes, *, ...) -> Model` and returns it unchanged.

    Args:
        task: of the models.
        variants: named models that the builder makes. Without any, and without `any_backbone`, it makes one, of its
            own name.
        any_backbone: pattern of the names of this method on any backbone, such as "fcos_{backbone}"; the builder's
            argument `backbone` gets what stands there, see `zorki.nn.backbones.named`. Or variants with such names.
        weights: of the builder's own name, see `Entry`.
        trainable: False: they learn nothing from data.
    """

    def register(build: Build) -> Build:
        if not variants and not any_backbone:
            _add(Entry(build.__name__, _instance(task), build, dict(weights or {}), trainable))
        for one in variants:
            _add(replace(variant_entry(task, build, one), trainable=trainable))
        patterns = [Variant(any_backbone, _first_line(build), {})] if isinstance(any_backbone, str) else any_backbone
        for pattern in patterns:
            family(pattern.name, partial(_on_backbone, task, build, pattern))
        return build

    return register


def family(pattern: str, make: Callable[[str], Entry]) -> None:
    """Registers names that are made when asked for: `make` gets what stands in the place of {backbone}."""
    _families[pattern] = make


def _add(entry: Entry) -> None:
    existing = _entries.get(entry.name)
    if existing is not None and existing.build.__module__ != entry.build.__module__:
        raise ValueError(
            f"two models are named {entry.name}, in {existing.build.__module__} and {entry.build.__module__}"
        )
    _entries[entry.name] = entry


def variant_entry(task: type[Task[Any, Any]], build: Callable[..., Any], variant: Variant) -> Entry:
    """The entry of a row of a builder."""
    weights = variant.weights
    if weights is None:
        weights = backbone_weights(str(variant.fixed.get("backbone", "")))
    bound = _bound(build, variant.summary, variant.fixed, variant.defaults)
    return Entry(variant.name, _instance(task), bound, weights, former=variant.former)


def _on_backbone(task: type[Task[Any, Any]], build: Callable[..., Any], pattern: Variant, backbone: str) -> Entry:
    check_backbone(backbone)  # refuses unknown names before anything is built, with the nearest known
    name, summary = pattern.name.replace(_PLACE, backbone), f"{pattern.summary.rstrip('.')}; on {backbone}."
    fixed = {**pattern.fixed, "backbone": backbone}
    return variant_entry(task, build, Variant(name, summary, fixed, pattern.defaults, pattern.weights))


def _first_line(build: Callable[..., Any]) -> str:
    return (inspect.getdoc(build) or "").split("\n", 1)[0]


def _bound(
    build: Callable[..., Any], summary: str, fixed: Mapping[str, Any], defaults: Mapping[str, Any]
) -> Callable[..., Any]:
    """The builder with some arguments fixed and others' defaults changed; its signature shows the rest."""
    signature = inspect.signature(build)
    if unknown := [name for name in (*fixed, *defaults) if name not in signature.parameters]:
        raise ValueError(f"{build.__name__} has no arguments {unknown}: {summary}")

    def bound(num_classes: int, **options: Any) -> Any:
        return build(num_classes, **{**defaults, **options, **fixed})

    bound.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[
            parameter.replace(default=defaults.get(name, parameter.default))
            for name, parameter in signature.parameters.items()
            if name not in fixed
        ]
    )
    rest = (inspect.getdoc(build) or "").partition("\n")[2]
    bound.__name__, bound.__module__ = build.__name__, build.__module__
    bound.__doc__ = f"{summary}\n{_without(rest, fixed)}" if rest else summary
    return bound


def _without(doc: str, fixed: Mapping[str, Any]) -> str:
    """The rest of a docstring without the lines about arguments that are fixed."""
    lines, skipped = [], False
    for line in doc.splitlines():
        argument = re.match(r" {4}(\w+): ", line)
        skipped = argument[1] in fixed if argument else skipped and line.startswith(" " * 8)
        if not skipped:
            lines.append(line)
    return "\n".join(lines)


def load_plugin(source: str | Path) -> list[str]:
    """Imports a module from outside, and returns the names of the models that it registers.

    Code of a plugin runs with all rights of the user: load what you trust.

    Args:
        source: a file (`my_model.py`), a package's folder, or the name of an importable module.

    Raises:
        RecipeError: there is no such file or module, or it fails while it is imported.
    """
    path = Path(source)
    is_path = path.suffix == ".py" or path.is_dir() or len(path.parts) > 1
    key = str(path.resolve()) if is_path else str(source)
    if key in _plugins:
        return _plugins[key]
    _discover()  # so that a name that zorki has already is refused
    before = set(_entries), set(_families)
    try:
        if is_path:
            _import_path(path)
        else:
            importlib.import_module(str(source))
    except Exception as error:
        raise RecipeError(f"plugin {source} cannot be loaded: {type(error).__name__}: {error}") from error
    _plugins[key] = [name for name in (*_entries, *_families) if name not in before[0] | before[1]]
    return _plugins[key]


def plugins() -> list[str]:
    """The plugins that were loaded, in order: resolved paths, and names of modules."""
    return list(_plugins)


def _import_path(path: Path) -> None:
    file = path / "__init__.py" if path.is_dir() else path
    if not file.is_file():
        raise FileNotFoundError(f"expected a Python file or a package's folder; there is no {file}")
    name = f"zorki_plugin_{path.stem}"
    if name in sys.modules:
        raise ImportError(f"another plugin is named {path.stem}: {sys.modules[name].__file__}; rename one")
    spec = importlib.util.spec_from_file_location(
        name, file, submodule_search_locations=[str(path)] if path.is_dir() else None
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # worker processes and dataclasses look modules up by name
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise


@cache
def tasks() -> dict[str, Task[Any, Any]]:
    """Every task by name, found by looking into the `tasks` folder."""
    return {one.name: one for package in _packages() for one in _tasks_of(package)}


def task(name: str) -> Task[Any, Any] | None:
    """The task of that name, for which the others need not be imported where its folder is named alike."""
    alike = _tasks_of(name) if name in _packages() else []
    found = next((one for one in alike if one.name == name), None) or tasks().get(name)
    return found or next((entry.task for entry in _entries.values() if entry.task.name == name), None)


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
    """Every module of a method with its source: models/fcos.py, models/ssd/ssd.py; none of them is imported."""
    sources: dict[str, str] = {}
    for package in _packages():
        home = importlib.import_module(f"zorki.tasks.{package}.models")
        for info in sorted(pkgutil.iter_modules(home.__path__), key=lambda info: info.name):
            assert isinstance(info.module_finder, FileFinder)
            parts = [info.name, info.name] if info.ispkg else [info.name]
            file = Path(info.module_finder.path, *parts).with_suffix(".py")
            sources[".".join([home.__name__, *parts])] = file.read_text(encoding="utf-8")
    return sources


@cache
def _discover() -> None:
    for module in _modules():
        importlib.import_module(module)
    installed(ENTRY_POINTS)


def _import_home(name: str) -> None:
    """Imports modules whose source speaks of the name until one registers it: opening a run needs no other network.

    The most probable first: one that defines a builder of the name, or of which the name is a variant.
    """
    word = re.compile(rf"\b{re.escape(name)}\b")

    def speaks(source: str) -> bool:
        patterns = re.findall(r'"([\w:]+)\{\w+\}(\w*)"', source)
        return bool(word.search(source)) or any(name.startswith(a) and name.endswith(b) for a, b in patterns)

    def rank(source: str) -> tuple[bool, bool]:
        builders = re.findall(r"^def (\w+)\(", source, re.MULTILINE)
        return name not in builders, not any(name.startswith(f"{builder}_") for builder in builders)

    likely = [module for module, source in _modules().items() if speaks(source)]
    for module in sorted(likely, key=lambda module: rank(_modules()[module])):
        importlib.import_module(module)
        if name in _entries:  # a pattern that fits is not enough: fcn8s_vgg16 is no `fcn8s_{backbone}`
            return


def _family_of(name: str) -> tuple[str, str] | None:
    """The pattern that the name fits, the longest where there are several, and what stands in its place."""
    for pattern in sorted(_families, key=len, reverse=True):
        before, _, after = pattern.partition(_PLACE)
        if name.startswith(before) and name.endswith(after) and len(name) > len(before) + len(after):
            return pattern, name.removeprefix(before).removesuffix(after)
    return None


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
    if name not in _entries and _family_of(name) is None:
        _discover()
    if name in _entries:
        return _entries[name]
    if (fitting := _family_of(name)) is not None:
        pattern, backbone = fitting
        try:
            return _families[pattern](backbone)
        except RecipeError as error:
            _discover()
            before = pattern.partition(_PLACE)[0]
            raise RecipeError(
                f"no model is named {name!r}.{did_you_mean(name, _entries)} After {before!r}, {error}"
            ) from None
    if Path(name).exists():
        raise RecipeError(
            f"{name} is a {'folder' if Path(name).is_dir() else 'file'}, where the name of a model is expected, which "
            "comes before the data; `zorki models` lists them all"
        )
    raise RecipeError(
        f"no model is named {name!r}.{did_you_mean(name, _entries)} `zorki models` lists them all; one of your own "
        "needs --plugin FILE"
    )


def _natural(name: str) -> list[Any]:
    """Numbers in a name count as numbers: resnet18 stands before resnet101."""
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in re.split(r"(\d+)", name)]


def build(name: str, num_classes: int, options: Mapping[str, Any] | None = None) -> Model[Any, Any, Any]:
    """The named model, a plain `torch.nn.Module`: `zorki.build("fcos_resnet50", num_classes=3)`.

    Options may be text, as typed; they become what the builder's annotations say.

    Raises:
        RecipeError: no such model, an option that its builder does not take, or a value that it refuses.
    """
    entry = find(name)
    accepted = entry.options()
    values: dict[str, Any] = {}
    given = canonical_options(options or {})
    check_options(name, given)
    for key, value in given.items():
        values[key] = _converted(f"{name}'s {key}", accepted[key], value)
    try:
        return entry.build(num_classes, **values)
    except _REFUSALS as error:
        if not values:  # what builders themselves have serves
            raise
        typed = ", ".join(f"{key}={value!r}" for key, value in values.items())
        why = str(error).strip() or type(error).__name__
        raise RecipeError(f"{name} cannot be built with {typed}: {why}") from error


def check_options(name: str, keys: Iterable[str]) -> None:
    """Raises RecipeError where the builder of the named model takes no option of such a name; aliases count."""
    accepted = find(name).options()
    for key in keys:
        if OPTION_ALIASES.get(key, key) in accepted:
            continue
        words = {
            **{alias: own for alias, own in OPTION_ALIASES.items() if own in accepted},
            **{own: own for own in accepted},
        }
        near = dict.fromkeys(words[word] for word in difflib.get_close_matches(key, words))
        raise RecipeError(f"{name} takes no {key!r}.{suggestion(near)} It takes: {', '.join(accepted) or 'nothing'}")


def canonical_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options by the names that builders have, see `OPTION_ALIASES`. Raises RecipeError where one is given twice."""
    named: dict[str, Any] = {}
    for key, value in options.items():
        name = OPTION_ALIASES.get(key, key)
        if name in named:
            raise RecipeError(f"the option {name} is given twice, once as {key}; leave one out")
        named[name] = value
    return named


def _words(parameter: inspect.Parameter) -> list[str]:
    """The words that the parameter's annotation allows; none where it allows others."""
    found = re.fullmatch(r"Literal\[(.*)\]", inspect.formatannotation(parameter.annotation).strip("'\""))
    words = ast.literal_eval(f"[{found[1]}]") if found else []
    return words if all(isinstance(word, str) for word in words) else []


def _literal(value: str) -> Any:
    return ast.literal_eval(value.capitalize() if value in ("true", "false") else value)


def _fits(read: Any, parameter: inspect.Parameter) -> bool:
    """Whether what was typed is of the parameter's kind, as far as its annotation and its default tell."""
    kinds = {kind.strip() for kind in inspect.formatannotation(parameter.annotation).strip("'\"").split("|")}
    if not kinds <= {"bool", "int", "float", "None"}:
        if isinstance(parameter.default, bool | int | float):
            return isinstance(read, bool | int | float)
        return not (isinstance(parameter.default, tuple) and isinstance(read, str))
    if isinstance(read, bool) or read is None:
        return ("bool" if isinstance(read, bool) else "None") in kinds
    return "float" in kinds if isinstance(read, float) else isinstance(read, int) and bool(kinds & {"int", "float"})


def _converted(what: str, parameter: inspect.Parameter, value: Any) -> Any:
    """Text as the parameter's kind, of the type of its default."""
    if words := _words(parameter):
        if str(value) not in words:
            near = did_you_mean(str(value), words)
            raise RecipeError(f"{what} is {value!r}; expected one of {', '.join(words)}.{near}")
        return value
    if not isinstance(value, str) or isinstance(parameter.default, str):
        return value
    default = parameter.default
    try:
        read = SWITCHES[value.lower()] if isinstance(default, bool) and value.lower() in SWITCHES else _literal(value)
    except (ValueError, SyntaxError):
        read = value
    if not _fits(read, parameter):
        expected = "true or false" if isinstance(default, bool) else f"something like {default!r}"
        raise RecipeError(f"{what} is {value!r}; expected {expected}")
    if isinstance(read, str):
        return read
    if isinstance(default, tuple):
        return tuple(read) if isinstance(read, tuple | list) else (read,)
    return float(read) if isinstance(default, float) else read
