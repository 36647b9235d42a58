"""The plan of a training: data read and checked, settings completed, network built, weights loaded, a folder made.

Whether a run begins or goes on: it is the plan that differs, and what is done with it is the same.
"""

from __future__ import annotations

import copy
import dataclasses
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import yaml

from zorki import registry
from zorki.contracts import Dataset, Model, Task
from zorki.contracts.capabilities import MakesChoices
from zorki.devices import kind_of
from zorki.engine.data_check import Survey, content_notes_of, survey
from zorki.engine.data_source import data_of_run, read_data, source_of
from zorki.engine.device import rank
from zorki.engine.publishing.weights_source import weights_source
from zorki.engine.run import checkpoints, logs
from zorki.engine.run.build import build, build_trained, builder_options
from zorki.engine.run.changes import changed
from zorki.engine.run.data_files import check_files, write_files
from zorki.engine.run.defaults import Choice, complete, limit_val
from zorki.engine.run.environment import environment
from zorki.engine.run.folder import (
    ABOUT,
    RECIPE,
    class_info_json,
    class_info_of,
    folder_name,
    new_folder,
    read_about,
    recipe_of,
)
from zorki.engine.training.checks import (
    check_batch_size,
    check_forward,
    check_machine,
    check_stages,
    check_validation,
    fingerprint,
    tell_data,
    train_indices_of,
)
from zorki.engine.training.initial_weights import initialize
from zorki.engine.training.memory.batch_size_probe import AUTO, HEADROOM, MOST, BatchSizeProbe, largest_batch
from zorki.engine.training.model_choice import choose_model, task_of
from zorki.errors import RecipeError, WeightsError
from zorki.files import write_json, write_text
from zorki.recipe import Recipe
from zorki.settings import by_field
from zorki.task_settings import recipe_for, task_settings
from zorki.types import ClassInfo

FOLDER_VARIABLE = "ZORKI_RUN_FOLDER"  # tells the processes that Lightning starts where the first one writes

Say = Callable[[str], None]


@dataclass(frozen=True)
class TrainingPlan:
    """All that one training needs, before its first step."""

    entry: registry.Entry
    info: ClassInfo
    dataset: Dataset[Any]
    data_survey: Survey
    train_indices: list[int]
    recipe: Recipe
    model: Model[Any, Any, Any]
    folder: Path
    about: dict[str, Any]
    checkpoint: Path | None = None  # to go on from
    explicit: Sequence[str] = ()  # names of the fields that were set
    choices: Sequence[Choice] = ()  # of the fields that were not

    @property
    def task(self) -> Task[Any, Any]:
        return self.entry.task


def new_plan(
    model: str | None,
    data: Any,
    recipe: Recipe | None,
    settings: Mapping[str, Any],
    class_names: Sequence[str] | None,
    say: Say,
) -> TrainingPlan:
    """The plan of a run that begins, its folder with run.json and recipe.yaml written; None chooses a model.

    Raises:
        ZorkiError: as `zorki.train`.
    """
    draft = draft_plan(model, data, recipe, settings, class_names, say)
    plan = dataclasses.replace(draft, folder=_new_folder(draft.entry.name, draft.recipe))
    plan.about.update(_about(plan, source_of(data), class_names))
    if is_first():
        _write(plan)
    say(f"run: {plan.folder}")
    return plan


def draft_plan(
    model: str | None,
    data: Any,
    recipe: Recipe | None,
    settings: Mapping[str, Any],
    class_names: Sequence[str] | None,
    say: Say,
) -> TrainingPlan:
    """The plan of a run that may never begin: all but its folder, which is the current one, and nothing is written.

    Raises:
        ZorkiError: as `zorki.train`.
    """
    entry = None if model is None else registry.find(model)
    if entry is not None and not entry.trainable:
        raise RecipeError(f"{model} learns nothing from data; use it as it is: zorki predict {model} IMAGE")
    task = entry.task if entry is not None else task_of(data, _format_of(recipe, settings))
    wish, explicit = _recipe(task, model or task.name, recipe, settings)
    check_machine(wish)
    dataset = read_data(task, data, wish, format=wish.format, class_names=class_names)
    say(f"data: {dataset.root} read as {dataset.format} ({dataset.reason}); splits: {dataset.split_reason}")
    data_survey, train_indices = _survey_data(dataset, wish)
    data_survey.add(content_notes_of(dataset, data_survey.splits))
    tell_data(task.unit, dataset, data_survey, say)
    held_out = {name: len(indices) for name, indices in data_survey.splits.items() if name != "train"}
    if (evaluated := limit_val(wish, held_out)) is not None:
        wish = dataclasses.replace(wish, limit_val=evaluated.value)
    data_survey = data_survey.limit(wish.limit_val)
    task.data.check(dataset, train_indices)
    check_validation(data_survey, wish, task)
    info = task.data.class_info(dataset)
    network_chosen = choose_model(task, dataset, train_indices, wish) if entry is None else None
    entry = entry or registry.find(str(network_chosen.value if network_chosen is not None else model))
    suggested = task.data.suggest(wish, dataset, train_indices)
    wish = dataclasses.replace(wish, **{name: value for name, (value, _) in suggested.items()})
    lightning.seed_everything(wish.seed, verbose=False)  # from here on there is chance
    network = build(entry.name, info.output_count, wish)
    wish, probed = _probed(wish, network, dataset, train_indices, task)
    full, chosen = complete(wish, network, dataset, len(train_indices))
    check_stages(network, full)
    by_data = [Choice(name, value, why) for name, (value, why) in suggested.items()]
    by_model = [Choice(*one) for one in network.choices()] if isinstance(network, MakesChoices) else []
    chosen = [*(one for one in (network_chosen, evaluated, probed) if one is not None), *by_data, *by_model, *chosen]
    for choice in chosen:
        say(f"chosen: {choice}")
    initialize(network, entry, full, dataset, train_indices, say)
    task.data.configure(network, full, dataset, train_indices)
    if task.unit != "video":  # whose frames are cut before a network sees them
        check_forward(network, dataset, train_indices)
        check_batch_size(network, full, dataset, train_indices, full.world)
    return TrainingPlan(
        entry, info, dataset, data_survey, train_indices, full, network, Path(), {}, explicit=explicit, choices=chosen
    )


def _probed(
    wish: Recipe, network: Model[Any, Any, Any], dataset: Dataset[Any], indices: list[int], task: Task[Any, Any]
) -> tuple[Recipe, Choice | None]:
    """The recipe with the batch size that a GPU's memory holds, where that is asked for.

    Raises:
        RecipeError: not one image fits.
    """
    if wish.batch_size != AUTO:
        return wish, None
    open_wish = dataclasses.replace(wish, batch_size=None)
    full, choices = complete(open_wish, network, dataset, len(indices))
    if kind_of(full.main_device) != "cuda":
        usual = next(one for one in choices if one.name == "batch_size")
        why = f"{usual.why}; a GPU alone has a memory of its own to probe"
        return dataclasses.replace(wish, batch_size=usual.value), Choice("batch_size", usual.value, why)
    trial = copy.deepcopy(network)
    with checkpoints.same_chance():
        task.data.configure(trial, full, dataset, indices)
        probe = BatchSizeProbe(trial, full, dataset, indices)
        most = max(2, min(MOST, len(indices) // 10))  # ten steps an epoch at least
        found = largest_batch(probe.fits, most)
    if found is None:
        raise RecipeError("not one image a step fits into the GPU's memory; set a smaller --image-size")
    why = f"the largest up to {most} that leaves {HEADROOM:.0%} of the GPU's memory, with the images of most objects"
    return dataclasses.replace(wish, batch_size=found * full.world), Choice("batch_size", found * full.world, why)


def resumed_plan(folder: Path, data: Any, settings: Mapping[str, Any], say: Say) -> TrainingPlan:
    """The plan of a run that goes on, as it was but for `settings`; its log ends where its checkpoint was written.

    Raises:
        ZorkiError: as `zorki.resume`.
    """
    about, changes = changed(read_about(folder), settings)
    for one in changes:
        say(f"changed: {one}")
    recipe = recipe_of(about)
    if recipe.batch_size == AUTO:
        raise RecipeError("batch_size is auto, which a run that begins chooses; to go on, say a number")
    check_machine(recipe)
    entry = registry.find(about["model"])
    source, names = data_of_run(about, about["class_names"], data)
    dataset = read_data(entry.task, source, recipe, format=recipe.format, class_names=names)
    data_survey, train_indices = _survey_data(dataset, recipe)
    data_survey = data_survey.limit(recipe.limit_val)
    _check_same_data(folder, about, dataset, train_indices)
    info = class_info_of(about, entry.task, folder)
    info = dataclasses.replace(info, score_threshold=None, threshold_split=None)  # of the weights there were
    lightning.seed_everything(recipe.seed, verbose=False)
    network = build_trained(entry.name, info.output_count, recipe, about.get("preprocess"))
    checkpoint = checkpoints.check(folder, network) if (folder / checkpoints.LAST).exists() else None
    _check_batch_size(folder, recipe, checkpoint)
    if checkpoint is None:
        say("no checkpoint was written yet: starting from the beginning")
        initialize(network, entry, recipe, dataset, train_indices, say)
    else:
        checkpoints.fill(checkpoint, network)
    entry.task.data.configure(network, recipe, dataset, train_indices)
    if is_first():
        logs.Log(folder).cut(-1 if checkpoint is None else checkpoint.done)
        if changes:
            write_json(folder / ABOUT, about)
    path = None if checkpoint is None else checkpoint.path
    return TrainingPlan(entry, info, dataset, data_survey, train_indices, recipe, network, folder, about, path)


def with_choices(
    plan: TrainingPlan, choices: Sequence[Choice], say: Say, computing: Mapping[str, Any] | None = None
) -> TrainingPlan:
    """The plan with what was chosen last, by measuring: it is told, and written into the run's folder.

    Args:
        choices: fields of the recipe; one that was chosen before is chosen anew.
        computing: what was measured of the machine, for the run's environment.
    """
    for choice in choices:
        say(f"chosen: {choice}")
    recipe = dataclasses.replace(plan.recipe, **{choice.name: choice.value for choice in choices})
    names = {choice.name for choice in choices}
    before = [one for one in plan.about["choices"] if one["name"] not in names]
    about = {
        **plan.about, "recipe": recipe.to_json(), "choices": [*before, *map(dataclasses.asdict, choices)]
    }  # fmt: skip
    if computing is not None:
        about["environment"] = {**about["environment"], "computing": dict(computing)}
    chosen = dataclasses.replace(plan, recipe=recipe, about=about)
    if is_first():
        _write_settings(chosen)
    return chosen


def is_first() -> bool:
    """Whether this process is the one that writes and speaks, of all that train together."""
    return rank() == 0


def _format_of(recipe: Recipe | None, settings: Mapping[str, Any]) -> str | None:
    format = settings.get("format")
    return recipe.format if format is None and recipe is not None else format


def _recipe(
    task: Task[Any, Any], name: str, recipe: Recipe | None, settings: Mapping[str, Any]
) -> tuple[Recipe, list[str]]:
    """The recipe of the task, and the names of the fields that were set; `name` is the model's."""
    explicit = {
        **(recipe.explicit_values() if recipe is not None else {}),
        **by_field(settings, Recipe, *task_settings()),
    }
    wish = recipe_for(task.settings or Recipe, task.name, explicit)
    return wish, [name for name in explicit if name in wish.to_json()]


def _survey_data(dataset: Dataset[Any], recipe: Recipe) -> tuple[Survey, list[int]]:
    """Which samples can be read, by split, and which of them are trained on."""
    data_survey = survey(dataset, strict=recipe.strict).learn_from(recipe.train_on)
    return data_survey, train_indices_of(dataset, data_survey, recipe)


def _check_same_data(folder: Path, about: Mapping[str, Any], dataset: Dataset[Any], train_indices: list[int]) -> None:
    if fingerprint(dataset, train_indices) != about["fingerprint"]:
        raise WeightsError(
            f"{folder}: began with {about['train_count']} training images; now {about['data']} holds "
            f"{len(train_indices)}, or their names or labels have changed. Put the data back, or start anew"
        )
    check_files(folder, dataset)


def _check_batch_size(folder: Path, recipe: Recipe, checkpoint: checkpoints.Checkpoint | None) -> None:
    """Another batch size parts an epoch otherwise, so it cannot come in its middle. Raises RecipeError."""
    before = recipe_of(read_about(folder)).batch_size
    if checkpoint is not None and checkpoint.within_epoch and recipe.batch_size != before:
        raise RecipeError(
            f"batch_size is {recipe.batch_size}, but the run stopped within an epoch of batches of {before}; go on "
            f"with those, or wait for the epoch's end"
        )


def _new_folder(name: str, recipe: Recipe) -> Path:
    if FOLDER_VARIABLE in os.environ and not is_first():
        return Path(os.environ[FOLDER_VARIABLE])
    launched = os.environ.get("TORCHELASTIC_RUN_ID", os.environ.get("SLURM_JOB_ID") if recipe.nodes > 1 else None)
    if launched is not None and recipe.name is None:  # all processes must find the same name without talking
        folder = Path(recipe.out) / f"{folder_name(name)}-{launched}-{os.environ.get('MASTER_PORT', '0')}"
        if is_first() and (folder / ABOUT).exists():
            raise WeightsError(f"{folder}: is there already; give --name, or another --rdzv-id to torchrun")
        folder.mkdir(parents=True, exist_ok=True)
    elif launched is not None and not is_first():
        folder = Path(recipe.out) / str(recipe.name)
    else:
        folder = new_folder(Path(recipe.out), name, recipe.name)
    if recipe.num_devices > 1:
        os.environ[FOLDER_VARIABLE] = str(folder)
    return folder


def _about(plan: TrainingPlan, source: str, class_names: Sequence[str] | None) -> dict[str, Any]:
    """The content of run.json."""
    recipe = plan.recipe.to_json()
    again = ["zorki", "train", plan.entry.name, source, "--recipe", str(plan.folder / RECIPE)]
    return {
        "model": plan.entry.name,
        "task": plan.task.name,
        "class_names": list(plan.info.names),
        "data_class_names": None if class_names is None else list(class_names),
        "class_info": class_info_json(plan.info),
        "data": source,
        "format": plan.dataset.format,
        "counts": {split: len(indices) for split, indices in plan.data_survey.splits.items()} | plan.data_survey.whole,
        "train_count": len(plan.train_indices),
        "preprocess": plan.model.preprocess.to_json(),
        "builder": _builder(plan),
        "parameters": sum(p.numel() for p in plan.model.parameters()),
        "explicit": {name: recipe[name] for name in plan.explicit},
        "choices": [dataclasses.asdict(choice) for choice in plan.choices],
        "recipe": recipe,
        "weights": weights_source(plan.entry.name, plan.recipe.weights),
        "fingerprint": fingerprint(plan.dataset, plan.train_indices),
        "repeat": shlex.join([*again, *[f"--plugin={one}" for one in registry.plugins()]]),
        "plugins": registry.plugins(),
        "environment": environment(),
    }


def _builder(plan: TrainingPlan) -> dict[str, Any]:
    """All arguments that the network was built with, so that it stays what it is when defaults change."""
    given = builder_options(plan.recipe)
    options = {name: given.get(name, one.default) for name, one in plan.entry.options().items()}
    return {name: value for name, value in options.items() if isinstance(value, str | int | float | tuple | None)}


def _write(plan: TrainingPlan) -> None:
    write_files(plan.folder, plan.dataset, plan.train_indices)
    _write_settings(plan)


def _write_settings(plan: TrainingPlan) -> None:
    write_json(plan.folder / ABOUT, plan.about)
    recipe = {name: value for name, value in plan.recipe.to_json().items() if name != "name"}
    write_text(plan.folder / RECIPE, yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True))
