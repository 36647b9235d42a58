"""`zorki check`: data, and a training on them, in a minute."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zorki.contracts import Dataset, Section, Task
from zorki.engine.checks.catalog import choose
from zorki.engine.checks.check_data import check_dataset
from zorki.engine.checks.page import write_check
from zorki.engine.checks.report import CheckReport, Inspection
from zorki.engine.data_source import read_data, source_of
from zorki.engine.data_task import read_first, tasks_for
from zorki.errors import RecipeError
from zorki.recipe import Recipe
from zorki.task_settings import recipe_for

BUDGET = 60.0  # seconds


@dataclass
class CheckResult:
    """A check that is over, and what its page is made of."""

    report: CheckReport
    task: Task[Any, Any]
    dataset: Dataset[Any]
    sections: Sequence[Section] = field(default_factory=list)

    def write_page(self, folder: Path) -> Path:
        """Writes index.html into a folder that is there."""
        return write_check(folder, self.report, self.task, self.dataset, self.sections)


def check(
    model: str | None,
    data: Any = None,
    *,
    task: str | None = None,
    only: str | None = None,
    skip: str | None = None,
    budget: float = BUDGET,
    say: Callable[[str], None] = lambda line: None,
    **settings: Any,
) -> CheckResult:
    """Checks data, and with a model a training on them, as `zorki train` would begin it.

    Args:
        model: its name; None checks the data alone, and loads no network. Where it is the only word, it is the data.
        data: a path; or a dataset in Python, with a model.
        task: that the data are for, where no model tells it; None: detected.
        only, skip: ids of checks or their beginnings, separated by commas.
        budget: seconds, at most about; what there was no time for is told.
        settings: of the recipe, as of `zorki.train`.

    Raises:
        ZorkiError: the check could not run: no such data, no such check, or as `zorki.train`.
    """
    if data is None:
        model, data = None, model
    chosen = choose(only, skip)
    if budget <= 0:
        raise RecipeError(f"budget is {budget:g} s; expected some seconds")
    if model is None:
        inspection = Inspection(chosen, CheckReport(str(data)), budget)
        kind, dataset = _read(data, task, settings)
        check_dataset(inspection, kind, dataset)
        return CheckResult(inspection.finish(), kind, dataset)
    if task is not None:
        raise RecipeError(f"task is {task}, but {model} tells its task; leave it out")
    from zorki.engine.checks.check_plan import check_plan  # with torch and what training needs: it takes seconds
    from zorki.engine.training.plan import draft_plan

    inspection = Inspection(chosen, CheckReport(f"{model} on {source_of(data)}"), budget)
    plan = draft_plan(model, data, None, settings, None, say)
    sections = check_plan(inspection, plan)
    return CheckResult(inspection.finish(), plan.task, plan.dataset, sections)


def _read(data: Any, task: str | None, settings: dict[str, Any]) -> tuple[Task[Any, Any], Dataset[Any]]:
    """The data of a check without a model."""
    if not isinstance(data, str | Path):
        raise RecipeError('a dataset in Python does not tell its task: name a model, such as "resnet18"')
    format = settings.get("format")
    kinds = tasks_for(task, str(data), format)
    recipes = {kind.name: recipe_for(kind.settings or Recipe, kind.name, settings) for kind in kinds}
    kind, _, _ = read_first(kinds, Path(data), format=format, selection=recipes[kinds[0].name].selection)
    return kind, read_data(kind, data, recipes[kind.name], format=format)
