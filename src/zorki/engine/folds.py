"""Leave one group out: as many runs as groups, each tested on the group that it has not seen."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zorki import registry
from zorki.contracts import MetricResult
from zorki.contracts.capabilities import Grouped
from zorki.engine.data_source import read_data
from zorki.engine.evaluation.split import eval_loader, evaluate_split
from zorki.engine.run.folder import RESULTS, new_folder, read_results
from zorki.engine.run.open import TrainedModel, load
from zorki.engine.training.train import train
from zorki.errors import RecipeError
from zorki.files import write_json
from zorki.output import say
from zorki.recipe import Recipe
from zorki.settings import by_field
from zorki.task_settings import recipe_for, task_settings

FOLDS = "folds.json"


@dataclass(frozen=True)
class FoldResults:
    """What all folds found together.

    Attributes:
        folder: that holds a run a group, and folds.json.
        folds: the scores of each group, by its name.
        metrics: of all held-out samples as one.
        comparisons: mean scores of simpler models, each fold by its samples.
    """

    folder: Path
    folds: dict[str, dict[str, int | float]]
    metrics: MetricResult
    comparisons: dict[str, dict[str, float]]


def train_folds(model: str, data: str | Path, *, quiet: bool = False, **settings: Any) -> FoldResults:
    """Trains a run for each group of the data, on all the others, and evaluates all of them as one.

    Where the folder `name` is there already, folds that were finished are kept, and the others are trained.

    Args:
        settings: of the recipe; `name` is that of the folder of folds.

    Raises:
        ZorkiError: as `train`; or the data have no groups, or one alone.
    """
    tell: Callable[[str], None] = _silent if quiet else say
    task = registry.find(model).task
    wish = recipe_for(task.settings or Recipe, task.name, by_field(settings, Recipe, *task_settings()))
    dataset = read_data(task, data, wish, format=wish.format)
    if not isinstance(dataset, Grouped):
        raise RecipeError(f"folds are of groups, and {dataset.format} data have none; leave --folds out")
    groups = sorted(set(dataset.groups()))
    if len(groups) < 2:
        raise RecipeError(f"{dataset.root}: all samples are of one group, {groups[0]!r}; --group says what groups are")
    out = Path(wish.out)
    named = None if wish.name is None else out / wish.name
    folder = named if named is not None and named.is_dir() else new_folder(out, f"{model}-folds", wish.name)
    inner = {name: value for name, value in settings.items() if name not in ("out", "name")}
    metric, pooled = None, {}
    weighed: dict[str, dict[str, float]] = {}
    for number, group in enumerate(groups, 1):
        place = folder / _file_name(number, group)
        if not (place / RESULTS).is_file():
            tell(f"fold {number} of {len(groups)}: {group}")
            train(model, data, out=str(folder), name=place.name, hold_out=group, quiet=True, **inner)
        run = load(place)
        metric = metric or task.evaluation.metric(run.info)
        scores, predictions = _tested(run, data)
        metric.update(*predictions)
        pooled[group] = scores
        found = read_results(place)["test"]
        for name, row in (found.get("comparisons") or {}).items():
            total = weighed.setdefault(name, {})
            for key, value in row.items():
                total[key] = total.get(key, 0.0) + value * found["count"] / len(dataset)
        tell(f"  {group}: {task.monitor} {scores[task.monitor]:.4f} of {scores['count']}")
    assert metric is not None  # there are groups
    results = FoldResults(folder, pooled, metric.compute(), weighed)
    rows = {"folds": pooled, "pooled": results.metrics.to_json(), "comparisons": weighed}
    write_json(folder / FOLDS, rows)
    scalars = results.metrics.scalars()
    beside = "".join(f" ({name} {row[task.monitor]:.4f})" for name, row in weighed.items() if task.monitor in row)
    tell(f"all {len(groups)} folds: {task.monitor} {scalars[task.monitor]:.4f}{beside}, on {scalars['count']} samples")
    tell(f"folds: {folder / FOLDS}")
    return results


def _tested(run: TrainedModel, data: str | Path) -> tuple[dict[str, int | float], tuple[list[Any], list[Any]]]:
    """Scores of the held-out group, and its predictions beside the ground truth."""
    dataset = read_data(run.task, data, run.recipe, format=run.recipe.format, class_names=run.class_names)
    indices = dataset.splits["test"]
    predictions: dict[int, Any] = {}
    loader = eval_loader(run, dataset, indices, workers=0, device=run.recipe.main_device)
    result = evaluate_split(
        run.model, loader, run.task, run.info, split="test", device=run.recipe.main_device, keep=False,
        kept_predictions=predictions,
    )  # fmt: skip
    there = [index for index in indices if index in predictions]
    return result.metrics.scalars(), ([predictions[k] for k in there], [dataset.target(k) for k in there])


def _file_name(number: int, group: str) -> str:
    words = re.sub(r"[^A-Za-z0-9]+", "-", group).strip("-")[-40:]
    return f"fold-{number:02d}-{words}" if words else f"fold-{number:02d}"


def _silent(words: str) -> None:
    """In the place of print."""
