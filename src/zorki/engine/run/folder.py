"""A run: a folder that holds all that was said, chosen, learned and measured, and can be asked again.

runs/lenet5-1/
  run.json          model, plugins, task, classes, preprocessing, recipe, choices, environment, how to repeat
  recipe.yaml       the recipe alone, to read and to edit
  files.jsonl       size, time and digest of each training image
  best.safetensors  the weights with the best metric on validation (the last, where nothing was validated)
  last.ckpt         what `--resume` needs
  steps.csv epochs.csv tensorboard/   the log
  results.json      metrics of the best weights on each split
  report.html
  README.md         the model card, whose sections a person may change
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zorki import registry
from zorki.contracts import Results, Task
from zorki.errors import DataError, RecipeError, WeightsError, ZorkiError, did_you_mean
from zorki.input_files.json_files import read_json
from zorki.recipe import Recipe, without_measured_size
from zorki.settings import names
from zorki.task_settings import all_names
from zorki.types import ClassInfo

ABOUT, BEST, RECIPE, RESULTS = "run.json", "best.safetensors", "recipe.yaml", "results.json"
REPORT, COST = "report.html", "cost.json"

# What run.json holds under its names, as far as it is read.
_SHAPES: dict[str, type] = {
    "model": str, "task": str, "class_names": list, "recipe": dict, "explicit": dict, "choices": list,
    "plugins": list, "preprocess": dict, "class_info": dict, "data_facts": dict, "parameters": int, "train_count": int,
    "data": str, "environment": dict,
}  # fmt: skip
_OLDER_KEYS = {"said": "explicit"}
_MAY_BE_NULL = ("preprocess", "data")
# What stands for names that are not there: what needs them says what it lacks.
_ABSENT: dict[str, Any] = {"data": None, "fingerprint": None, "parameters": 0, "train_count": 0, "environment": {}}
_KINDS = {str: "text", list: "a list", dict: "an object", int: "a whole number"}


def is_run(folder: Path) -> bool:
    """Whether a folder is a run's."""
    return (Path(folder) / ABOUT).is_file()


def read_about(folder: Path) -> dict[str, Any]:
    """The content of run.json. Raises WeightsError where the folder is no run's."""
    path = Path(folder) / ABOUT
    try:
        about = read_json(path)
    except DataError as error:
        if not path.exists():
            near = _near_runs(Path(folder))
            raise WeightsError(f"{folder}: expected a run's folder (with {ABOUT}), found none.{near}") from None
        raise WeightsError(str(error)) from error
    if isinstance(about, dict):
        about = {_OLDER_KEYS.get(name, name): value for name, value in about.items()}
    if (fault := _fault_of(about)) is not None:
        raise WeightsError(f"{path}: {fault}; was it edited? Restore it, or train again")
    _check_plugins(path, about)
    return _with_todays_names({**_ABSENT, **about})


def _fault_of(about: Any) -> str | None:
    """How what run.json holds differs from what a run writes; None where it does not."""
    if not isinstance(about, dict):
        return f"holds {about!r:.40}, and no object"
    if missing := {"model", "task", "class_names", "recipe"} - set(about):
        return f"lacks {sorted(missing)}"
    for name, kind in _SHAPES.items():
        value = about.get(name)
        if name in about and not (isinstance(value, kind) or (value is None and name in _MAY_BE_NULL)):
            return f"{name} is {value!r:.40}; expected {_KINDS[kind]}"
    names = about["class_names"]
    if not names or not all(isinstance(name, str) for name in names):
        return f"class_names are {names!r:.40}; expected one name or more"
    if not all(isinstance(one, dict) and isinstance(one.get("name"), str) for one in about.get("choices", [])):
        return f"choices are {about['choices']!r:.40}; expected objects with a name"
    if not all(isinstance(one, str) for one in about.get("plugins", [])):
        return f"plugins are {about['plugins']!r:.40}; expected paths"
    return next(
        (
            f"{name} of class_info is {value!r:.40}, which no run writes"
            for name, value in about.get("class_info", {}).items()
            if value is not None and not _is_class_fact(name, value, len(names))
        ),
        None,
    )


def _is_class_fact(name: str, value: Any, classes: int) -> bool:
    """Whether a value is what `ClassInfo` holds under a name; of unknown names any."""
    if name == "score_threshold":
        return isinstance(value, int | float)
    if name == "threshold_split":
        return isinstance(value, str)
    if name == "background":
        return isinstance(value, list) and all(isinstance(one, int) and 0 <= one < classes for one in value)
    if name == "category_ids":
        return isinstance(value, list) and len(value) == classes and all(isinstance(one, int) for one in value)
    if name == "palette":
        return isinstance(value, list) and len(value) <= 256 and all(_is_color(one) for one in value)
    return True


def _is_color(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(isinstance(one, int) and 0 <= one < 256 for one in value)


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
    aliases = all_names()
    about["recipe"] = {aliases.get(name, name): value for name, value in about["recipe"].items()}
    if "explicit" in about:
        about["explicit"] = {aliases.get(name, name): value for name, value in about["explicit"].items()}
    if "choices" in about:
        about["choices"] = [{**one, "name": aliases.get(one["name"], one["name"])} for one in about["choices"]]
    return about


def _near_runs(folder: Path) -> str:
    parent = folder.parent
    names = [child.name for child in parent.iterdir() if is_run(child)] if parent.is_dir() else []
    return did_you_mean(folder.name, names)


def recipe_of(about: Mapping[str, Any]) -> Recipe:
    """The recipe of a run; fields that this version does not know are left out.

    So is a size that was not set: earlier versions wrote there what the first training image measured.
    """
    values = without_measured_size(about["recipe"], about.get("explicit", {"image_size"}))
    if "allow_outside" not in values:  # earlier versions followed every path
        values = {**values, "allow_outside": True}
    if "builder" not in about:  # earlier versions did not tell what they built of the name
        values = {**values, "options": {**_former_options(about), **values.get("options", {})}}
    task = registry.task(about["task"])
    kind: type[Recipe] = (task.settings if task is not None else None) or Recipe
    return kind.of({name: value for name, value in values.items() if name in names(kind)})


def _former_options(about: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        return registry.find(str(about.get("model"))).former
    except RecipeError:  # whoever builds it tells that there is none
        return {}


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

    Raises:
        WeightsError: the file is broken, or holds something else.
    """
    path = Path(folder) / RESULTS
    try:
        found = read_json(path) if path.exists() else {}
    except DataError as error:
        raise WeightsError(str(error)) from error
    if not isinstance(found, dict) or not all(_is_result(result) for result in found.values()):
        raise WeightsError(f"{path}: expected metrics by split, and it holds something else; run zorki evaluate again")
    return {split: {"metrics": result.pop("figures", {}), **result} for split, result in found.items()}


def _is_result(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("metrics", value.get("figures", {})), dict)


def result_json(results: Results) -> dict[str, Any]:
    """Results in plain JSON, without the images."""
    return {
        "split": results.split,
        "count": results.count,
        "metrics": results.metrics.to_json(),
        "losses": results.losses,
        "baseline": results.baseline,
        **({"comparisons": results.comparisons} if results.comparisons else {}),
        **({"comparison_missing": results.comparison_missing} if results.comparison_missing else {}),
        "defects": [defect.to_json() for defect in results.defects],
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
