"""Finished runs side by side: metrics of their recipes and whether these differ, speed and cost."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zorki import registry
from zorki.engine.comparison.recipes import (
    FieldDifference,
    RunRecipe,
    differing,
    grouped,
    names_of,
    run_recipe,
    without_repeats,
)
from zorki.engine.comparison.verdict import Scores, Verdict, verdict
from zorki.engine.run import logs
from zorki.engine.run.folder import COST, is_run, read_about
from zorki.errors import DataError, RecipeError, ZorkiError
from zorki.hub import local_path
from zorki.input_files.json_files import read_json
from zorki.output import say


@dataclass
class ComparedRun:
    """One run of a comparison; memory in bytes, time in seconds.

    Attributes:
        images_per_second: None of runs whose recipe was timed with another run.
    """

    run: str
    model: str
    seed: int
    split: str
    count: int
    metrics: dict[str, float]
    images_per_second: float | None
    train_seconds: float | None
    parameters: int
    peak_memory: int
    train_memory: int | None
    epochs: int
    device: str
    threads: int


@dataclass
class ComparedRecipe:
    """Runs that differ in nothing but the seed; scores are means over them.

    Attributes:
        deviations: standard deviations of the metrics between seeds; empty of one run.
    """

    name: str
    runs: list[ComparedRun]
    metrics: dict[str, float]
    deviations: dict[str, float]


@dataclass
class Difference:
    """What one recipe has of the monitor against another, and the fields in which they differ."""

    recipe: str
    against: str
    fields: list[FieldDifference]
    verdict: Verdict

    @property
    def warning(self) -> str:
        """That more than one thing was changed, so that nobody knows which of them did it; "" else."""
        typed = [field.name for field in self.fields if field.typed]
        if len(typed) < 2:
            return ""
        return f"{self.recipe} and {self.against} differ in {len(typed)} settings ({', '.join(typed)}): any may be why"


@dataclass
class Comparison:
    """Runs by their recipes, best first by the monitor, each against the recipe of the first run that was named.

    Attributes:
        monitor: the metric that verdicts are of, larger being better.
        headline: the metrics that the table shows.
        images_missing: why differences hold for these images alone; "" where the choice of images was counted.
        repeats: runs that were left out since another one has their recipe and their seed, in words.
    """

    monitor: str
    headline: tuple[str, ...]
    recipes: list[ComparedRecipe]
    differences: list[Difference]
    images_missing: str
    repeats: list[str] = field(default_factory=list)

    @property
    def runs(self) -> list[ComparedRun]:
        """All of them, by recipe."""
        return [run for recipe in self.recipes for run in recipe.runs]


def compare(
    folders: Sequence[str | Path],
    data: str | Path | None = None,
    *,
    split: str | None = None,
    device: str | None = None,
    images: int = 64,
    seconds: float = 20.0,
    threads: int | None = None,
    quiet: bool = False,
) -> Comparison:
    """Measures runs one after another, each in a process of its own, and compares their recipes.

    Args:
        folders: runs, or folders of runs, such as `zorki train --seeds 5` makes.
        data: the dataset to evaluate on; None takes each run's own.
        split: None takes test, else val.
        images, seconds: bounds of the timing of predictions, made one image at a time, by the first run of a recipe.
        quiet: print nothing.

    Raises:
        ZorkiError: no such run, runs of different tasks or evaluated on different images, or a measurement that failed.
    """
    for name, value, least in (
        ("images", images, 1),
        ("seconds", seconds, 0),
        ("threads", 1 if threads is None else threads, 1),
    ):
        if not least <= value < math.inf:
            raise RecipeError(f"{name} is {value}; expected at least {least}")
    folders = all_runs(folders)
    if not folders:
        raise RecipeError("nothing to compare: expected runs, such as: zorki compare runs/a runs/b")
    abouts = [read_about(folder) for folder in folders]
    tasks = {about["task"] for about in abouts}
    if len(tasks) > 1:
        raise RecipeError(f"the runs are of different tasks ({', '.join(sorted(tasks))}): not comparable")
    evaluation, monitor = registry.tasks()[next(iter(tasks))].evaluation, registry.tasks()[next(iter(tasks))].monitor
    apart = [without_repeats(group) for group in grouped([run_recipe(folder) for folder in folders])]
    groups = [group for group, _ in apart]
    settings = {"data": data, "split": split, "device": device, "images": images, "threads": threads}
    found: dict[Path, dict[str, Any]] = {}
    for group in groups:
        for place, one in enumerate(group):
            if not quiet:
                say(f"measuring {one.folder}")
            found[one.folder] = _measured(one.folder, {**settings, "seconds": 0 if place else seconds})
            if place:
                found[one.folder]["images_per_second"] = None
    _check_same_images(found)
    names = names_of(groups)
    recipes = [_recipe(name, group, found) for name, group in zip(names, groups, strict=True)]
    differences = [
        Difference(name, names[0], differing(groups[0][0], group[0]), _verdict(monitor, groups[0], group, found, count))
        for count in [max(1, len(groups) - 1)]
        for name, group in zip(names[1:], groups[1:], strict=True)
    ]
    missing = next((one["replicates_missing"] for one in found.values() if one.get("replicates_missing")), "")
    recipes.sort(key=lambda one: -one.metrics.get(monitor, 0.0))
    repeats = [line for _, lines in apart for line in lines]
    return Comparison(monitor, evaluation.headline or (monitor,), recipes, differences, missing, repeats)


def all_runs(folders: Sequence[str | Path]) -> list[Path]:
    """The runs, with those in folders of runs, each once."""
    found: list[Path] = []
    for folder in map(local_path, folders):
        inside = [] if is_run(folder) or not folder.is_dir() else sorted(filter(is_run, folder.iterdir()), key=_order)
        found += inside or [folder]
    return list(dict.fromkeys(found))


def is_folder_of_runs(folder: Path) -> bool:
    """Whether runs lie in a folder that is none itself."""
    return folder.is_dir() and not is_run(folder) and any(map(is_run, folder.iterdir()))


def _order(folder: Path) -> tuple[str, int, str]:
    """By name, numbers at its end by their value."""
    stem = folder.name.rstrip("0123456789")
    return stem, int(folder.name[len(stem) :] or 0), folder.name


def _check_same_images(found: dict[Path, dict[str, Any]]) -> None:
    """Raises DataError where runs were evaluated on other images or annotations: their scores tell nothing then."""
    first = next(iter(found))
    for folder, one in found.items():
        if one.get("images") != found[first].get("images"):
            raise DataError(
                f"{first} and {folder} were evaluated on different images or annotations ({found[first]['count']} of "
                f"{found[first]['split']} and {one['count']} of {one['split']}); name the data to evaluate all on, as "
                "the last word, and a --split"
            )


def _recipe(name: str, group: Sequence[RunRecipe], found: dict[Path, dict[str, Any]]) -> ComparedRecipe:
    runs = [_run(one, found[one.folder]) for one in group]
    names = [key for key in runs[0].metrics if all(key in run.metrics for run in runs)]
    values = {key: [float(run.metrics[key]) for run in runs] for key in names}
    means = {key: sum(column) / len(column) for key, column in values.items()}
    deviations = {key: float(np.std(column, ddof=1)) for key, column in values.items() if len(column) > 1}
    return ComparedRecipe(name, runs, means, deviations)


def _run(one: RunRecipe, found: dict[str, Any]) -> ComparedRun:
    cost = _cost(one.folder)
    return ComparedRun(
        run=str(one.folder),
        model=found["model"],
        seed=one.seed,
        split=found["split"],
        count=found["count"],
        metrics=found["metrics"],
        images_per_second=found["images_per_second"],
        train_seconds=cost.get("train_seconds"),
        parameters=found["parameters"],
        peak_memory=found["peak_memory"],
        train_memory=cost.get("peak_memory"),
        epochs=len(logs.read(one.folder / logs.EPOCHS)),
        device=found["device"],
        threads=found["threads"],
    )


def _verdict(
    monitor: str,
    first: Sequence[RunRecipe],
    second: Sequence[RunRecipe],
    found: dict[Path, dict[str, Any]],
    comparisons: int,
) -> Verdict:
    scores = [_scores(monitor, [found[one.folder] for one in group]) for group in (first, second)]
    return verdict(*scores, comparisons=comparisons)


def _scores(monitor: str, found: Sequence[dict[str, Any]]) -> Scores:
    """Of one recipe's runs; a run that could not be scored has no number, and neither has the verdict."""
    values = tuple(float(one["metrics"].get(monitor, math.nan)) for one in found)
    columns = [one.get("replicates", {}).get(monitor) for one in found]
    if any(column is None for column in columns):
        return Scores(values)
    count = min(len(column) for column in columns)
    rows = [[math.nan if value is None else float(value) for value in column[:count]] for column in columns]
    return Scores(values, np.array(rows))


def _measured(folder: Path, settings: dict[str, Any]) -> dict[str, Any]:
    words = [word for name, value in settings.items() if value is not None for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "zorki.engine.evaluation.benchmark_run", str(folder), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = done.stdout.strip().splitlines()
    try:
        found: dict[str, Any] = json.loads(lines[-1])
    except (IndexError, ValueError):
        raise ZorkiError(f"{folder}: could not be measured: {done.stderr.strip()[-2000:]}") from None
    if "error" in found:
        raise ZorkiError(f"{folder}: {found['error']}")
    return found


def _cost(folder: Path) -> dict[str, Any]:
    path = folder / COST
    found = read_json(path) if path.is_file() else {}
    if not isinstance(found, dict):
        raise ZorkiError(f"{path}: expected metrics by name, and it holds {found!r:.40}")
    rows = logs.read(folder / logs.EPOCHS) if (folder / logs.EPOCHS).is_file() else []
    if rows and "train_seconds" not in found:
        found["train_seconds"] = rows[-1].get("seconds")
    return found
