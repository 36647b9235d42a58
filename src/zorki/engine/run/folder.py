"""A run: a folder that holds all that was said, chosen, learned and measured, and can be asked again.

runs/lenet5-1/
  run.json          model, plugins, task, classes, preprocessing, recipe, choices, environment, how to repeat
  recipe.yaml       the recipe alone, to read and to edit
  best.safetensors  the weights that judged best on validation (the last, where nothing was validated)
  last.ckpt         what `--resume` needs
  steps.csv epochs.csv tensorboard/   the log
  results.json      metrics of the best weights on each split
  report.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zorki import registry
from zorki.contracts import Results, Task
from zorki.errors import RecipeError, WeightsError, ZorkiError, did_you_mean
from zorki.recipe import Recipe, without_measured_size
from zorki.settings import names
from zorki.task_settings import all_names
from zorki.types import ClassInfo

ABOUT, BEST, RECIPE, RESULTS = "run.json", "best.safetensors", "recipe.yaml", "results.json"
REPORT, COST = "report.html", "cost.json"


def is_run(folder: Path) -> bool:
    """Whether a folder is a run's."""
    return (Path(folder) / ABOUT).is_file()


def read_about(folder: Path) -> dict[str, Any]:
    """The content of run.json. Raises WeightsError where the folder is no run's."""
    path = Path(folder) / ABOUT
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        near = _near_runs(Path(folder))
        raise WeightsError(f"{folder}: expected a run's folder (with {ABOUT}), found none.{near}") from None
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: cannot be read: {error}") from error
    missing = {"model", "task", "class_names", "recipe"} - set(about)
    if missing:
        raise WeightsError(f"{path}: lacks {sorted(missing)}; was it edited? Restore it, or train again")
    _check_plugins(path, about)
    return _with_todays_names(about)


def _check_plugins(path: Path, about: Mapping[str, Any]) -> None:
    """A run names the plugins of its model, but their code runs only where the user asks for it."""
    absent = [plugin for plugin in about.get("plugins", []) if plugin not in registry.plugins()]
    if not absent:
        return
    try:
        registry.find(about["model"])
    except RecipeError:
        flags = " ".join(f"--plugin {plugin}" for plugin in absent)
        raise WeightsError(
            f"{path}: {about['model']} comes from a plugin, whose code is run only when you ask for it: "
            f"{flags} (in Python zorki.load_plugin)"
        ) from None


def _with_todays_names(about: dict[str, Any]) -> dict[str, Any]:
    """Settings by the names that they have in this version, in runs that older ones wrote."""
    known = all_names()
    about["recipe"] = {known.get(name, name): value for name, value in about["recipe"].items()}
    if "said" in about:
        about["said"] = {known.get(name, name): value for name, value in about["said"].items()}
    if "choices" in about:
        about["choices"] = [{**one, "name": known.get(one["name"], one["name"])} for one in about["choices"]]
    return about


def _near_runs(folder: Path) -> str:
    parent = folder.parent
    names = [child.name for child in parent.iterdir() if is_run(child)] if parent.is_dir() else []
    return did_you_mean(folder.name, names)


def recipe_of(about: Mapping[str, Any]) -> Recipe:
    """The recipe of a run; fields that this version does not know are left out.

    So is a size that nobody said: earlier versions wrote there what the first training image measured.
    """
    values = without_measured_size(about["recipe"], about.get("said", {"image_size"}))
    task = registry.task(about["task"])
    kind: type[Recipe] = (task.settings if task is not None else None) or Recipe
    return kind.of({name: value for name, value in values.items() if name in names(kind)})


def class_info_of(about: Mapping[str, Any], task: Task[Any, Any], folder: Path) -> ClassInfo:
    """What a run knows of its classes, from its run.json; of runs of older versions also from their results."""
    names = {"names": about["class_names"]}
    if "class_info" in about:
        return task.data.complete(ClassInfo.from_json({**about["class_info"], **names}))
    facts = dict(about.get("data_facts", {}))
    if len(facts.get("category_ids", names["names"])) != len(names["names"]):
        del facts["category_ids"]
    info = task.data.complete(ClassInfo.from_json({**facts, **names}))
    results = read_results(folder)
    for split in ("val", *results):
        learned = task.evaluation.learn(info, results.get(split, {}).get("metrics", {}), split)
        if learned != info:
            return learned
    return info


def class_info_json(info: ClassInfo) -> dict[str, Any]:
    """What run.json holds of the classes beside their names."""
    return {name: value for name, value in info.to_json().items() if name != "names"}


def read_results(folder: Path) -> dict[str, Any]:
    """Results by split, as written after training; empty before.

    Metrics stand under "metrics", also those of older versions, which wrote "figures" and some keys otherwise.
    """
    path = Path(folder) / RESULTS
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {split: {"metrics": result.pop("figures", {}), **result} for split, result in found.items()}


def result_json(results: Results) -> dict[str, Any]:
    """Results in plain JSON, without the images."""
    return {
        "split": results.split,
        "count": results.count,
        "metrics": results.metrics.to_json(),
        "losses": results.losses,
        "baseline": results.baseline,
        "defects": [str(defect) for defect in results.defects],
    }


def folder_name(model_name: str) -> str:
    """The model's name as every file system takes it: `timm:x` becomes `timm-x`."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in model_name)


def new_folder(out: Path, model_name: str, name: str | None) -> Path:
    """A run's folder that did not exist before: `name`, or MODEL-1, MODEL-2, ...

    Raises:
        WeightsError: `name` is taken.
    """
    safe = folder_name(model_name)
    try:
        out.mkdir(parents=True, exist_ok=True)
        if name is not None:
            try:
                (out / name).mkdir()
            except FileExistsError:
                raise WeightsError(
                    f"{out / name}: is there already; choose another --name, or: zorki train --resume {out / name}"
                ) from None
            return out / name
        number = 1
        while True:
            try:
                (out / f"{safe}-{number}").mkdir()
                return out / f"{safe}-{number}"
            except FileExistsError:
                number += 1
    except OSError as error:
        raise ZorkiError(f"{out}: no run can be written there: {error.strerror}") from error
