"""A trained model, opened from a run's folder, or made of a model's name and weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zorki import registry
from zorki.contracts import Model, Task
from zorki.engine.data_source import read_data
from zorki.engine.device import MEMORY_FORMATS, on_device
from zorki.engine.run.build import RECIPE_FIELDS_OF_BUILDERS, build, build_trained
from zorki.engine.run.class_names import class_names_of, num_classes_of, preprocess_of
from zorki.engine.run.environment import computing_machine
from zorki.engine.run.folder import ABOUT, BEST, REPORT, class_info_of, is_run, read_about, read_results, recipe_of
from zorki.errors import RecipeError, WeightsError, ZorkiError, did_you_mean
from zorki.hub import is_address, local_path
from zorki.recipe import Recipe
from zorki.types import ClassInfo
from zorki.weights import Weights, load_into, read_weights, resolve


@dataclass
class TrainedModel:
    """A model with all that its run knows. `zorki.Run` is the same with verbs.

    `about` is the content of run.json.
    """

    folder: Path
    model_name: str
    task: Task[Any, Any]
    info: ClassInfo
    recipe: Recipe
    about: dict[str, Any]
    model: Model[Any, Any, Any]

    @property
    def class_names(self) -> list[str]:
        """Names of the labels 0..num_classes-1."""
        return list(self.info.names)

    @property
    def report(self) -> Path:
        """The page to look at."""
        return self.folder / REPORT

    def on_device(self, device: str) -> Model[Any, Any, Any]:
        """The model itself, moved, in the memory format that is known to be quickest there."""
        return on_device(self.model, device, self.memory_format(device))

    def memory_format(self, device: str) -> str | None:
        """What was quickest for inference where the run was trained; None: nothing was timed here."""
        computing = self.about.get("environment", {}).get("computing")
        if not isinstance(computing, dict) or computing.get("machine") != computing_machine(device):
            return None
        found = (computing.get("inference") or {}).get("memory_format")
        return found if found in MEMORY_FORMATS else None

    @property
    def results(self) -> dict[str, Any]:
        """Metrics by split, as written after training; empty before."""
        return read_results(self.folder)


RunLike = TrainedModel | str | Path
"""A run that is open already, a run's folder, or a model's name."""


def load(folder: str | Path, options: Mapping[str, Any] | None = None) -> TrainedModel:
    """The run in a folder, or at hf://OWNER/NAME, with its best weights; see `zorki.load`."""
    folder = local_path(folder)
    about = read_about(folder)
    recipe = recipe_of(about)
    task = registry.task(about["task"])
    if task is None:
        raise WeightsError(f"{folder / ABOUT}: task {about['task']!r} is not known to this version of zorki")
    info = class_info_of(about, task, folder)
    model = build_trained(about["model"], info.output_count, recipe, about.get("preprocess"), options)
    best = folder / BEST
    if not best.exists():
        raise WeightsError(
            f"{best}: not there yet; the first epoch writes it. Go on with: zorki train --resume {folder}"
        )
    match = load_into(model, read_weights(best))
    if match.mismatched or match.new:
        suffix = f" with {', '.join(f'{name} {value}' for name, value in options.items())}" if options else ""
        raise WeightsError(f"{best}: does not fit {about['model']}{suffix}:\n{match.summary()}")
    recipe = _with_options(recipe, options or {})
    return TrainedModel(folder, about["model"], task, info, recipe, about, model.eval())


def _with_options(recipe: Recipe, options: Mapping[str, Any]) -> Recipe:
    """The recipe with other arguments of the builder, those that are fields of the recipe among them."""
    options = registry.canonical_options(options)
    fields: dict[str, Any] = {name: None for name in RECIPE_FIELDS_OF_BUILDERS if name in options}
    return dataclasses.replace(recipe, options={**registry.canonical_options(recipe.options), **options}, **fields)


def open_all(
    runs: Sequence[RunLike] | RunLike,
    weights: str | Path | None = None,
    data: Any = None,
    format: str | None = None,
    options: Mapping[str, str] | None = None,
) -> list[TrainedModel]:
    """Each as by `open_run`, but for those that are open. Raises RecipeError where these should get `options`."""
    listed = [runs] if isinstance(runs, str | Path | TrainedModel) else list(runs)
    if options and any(isinstance(run, TrainedModel) for run in listed):
        raise RecipeError(
            "options for a run that is open already; expected them where it is: zorki.load(folder, options)"
        )
    return [run if isinstance(run, TrainedModel) else open_run(run, weights, data, format, options) for run in listed]


def open_run(
    name: str | Path,
    weights: str | Path | None = None,
    data: Any = None,
    format: str | None = None,
    options: Mapping[str, str] | None = None,
) -> TrainedModel:
    """A run from its folder, or made of a model's name and weights; class names come from the weights or the data.

    Raises:
        ZorkiError: it is neither a run nor a model; or a model without weights.
    """
    if is_address(name):
        name = local_path(name)
    if is_run(Path(name)):
        if weights is not None:
            raise RecipeError(f"{name} is a run and has weights of its own; leave out --weights {weights}")
        return load(name, options)
    try:
        entry = registry.find(str(name))
    except RecipeError:
        if ":" in str(name):
            raise
        near = did_you_mean(str(name), [entry.name for entry in registry.entries()])
        raise ZorkiError(
            f"{name}: neither a run's folder nor a model's name.{near} `zorki models` lists models."
        ) from None
    recipe = Recipe(weights=None if weights is None else str(weights), options=dict(options or {}))
    if weights is not None:
        return _with_weights(entry, recipe, data, format)
    if entry.trainable or entry.weights:
        raise RecipeError(
            f"{name} is a model without weights; say --weights FILE (or a word that `zorki info {name}` shows)"
        )
    info = entry.task.data.default_classes(entry.task.data.usual_classes)
    return _made(entry, info, recipe, None, build(entry.name, info.output_count, recipe))


def _with_weights(entry: registry.Entry, recipe: Recipe, data: Any, format: str | None) -> TrainedModel:
    """A model with weights that the recipe names: a file, or a word for one."""
    found = read_weights(resolve(str(recipe.weights), entry.weights, entry.name))
    info = _classes(found, entry, data, format)
    model = build_trained(entry.name, info.output_count, Recipe(), preprocess_of(found, entry), recipe.options)
    match = load_into(model, found, model.weight_map)
    # Others' files hold no pixel statistics: those that the network was built with are the ones it was published with.
    if match.mismatched or any("normalize" not in new.split(".") for new in match.new):
        raise ZorkiError(f"{recipe.weights}: does not fill {entry.name} with {len(info)} classes:\n{match.summary()}")
    return _made(entry, info, recipe, data, model)


def _classes(weights: Weights, entry: registry.Entry, data: Any, format: str | None) -> ClassInfo:
    """The classes of the data, where there are some, else those of the weights, by number at least."""
    names, task = class_names_of(weights), entry.task.data
    if data is not None:
        return task.class_info(read_data(entry.task, data, Recipe(), format=format, class_names=names))
    if names is not None:
        return task.complete(ClassInfo(tuple(names)))
    return task.default_classes(num_classes_of(weights, entry))


def _made(
    entry: registry.Entry, info: ClassInfo, recipe: Recipe, data: Any, model: Model[Any, Any, Any]
) -> TrainedModel:
    about = {"model": entry.name, "task": entry.task.name, "data": None if data is None else str(data)}
    return TrainedModel(Path(entry.name), entry.name, entry.task, info, recipe, about, model.eval())
