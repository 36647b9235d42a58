"""`find_lr`: a learning rate for a model on a dataset, by a range test that leaves no trace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from zorki.contracts import Section
from zorki.engine.lr_finder.curve import LearningRateCurve, rising_rates
from zorki.engine.lr_finder.range_test import range_test
from zorki.engine.run import checkpoints
from zorki.engine.training.plan import draft_plan
from zorki.errors import RecipeError
from zorki.files import write_json, write_text
from zorki.output import say
from zorki.recipe import Recipe

LOWEST, HIGHEST, STEPS = 1e-7, 10.0, 100


def find_lr(
    model: str | None,
    data: Any,
    *,
    recipe: Recipe | None = None,
    min_lr: float = LOWEST,
    max_lr: float = HIGHEST,
    steps: int = STEPS,
    quiet: bool = False,
    class_names: Sequence[str] | None = None,
    **settings: Any,
) -> LearningRateCurve:
    """A learning rate range test (Smith, 2015) of a model on a dataset, with all settings as `zorki.train` takes them.

    `zorki.train(..., lr=curve.proposal)` trains with what it proposes. Nothing is written, and a training after it is
    equal to the last bit to one without it.

    Args:
        min_lr, max_lr: the first and the last learning rate; between them each is by one factor above the last.
        steps: of the optimizer, one a learning rate.
        quiet: print nothing.

    Raises:
        ZorkiError: as `zorki.train`; or the range is none.
    """
    tell: Callable[[str], None] = _silent if quiet else say
    if not 0 < min_lr < max_lr < float("inf"):
        raise RecipeError(f"learning rates from {min_lr:g} to {max_lr:g}; expected 0 < min_lr < max_lr")
    if steps < 20:
        raise RecipeError(f"steps is {steps}; expected at least 20, of which the first 10 show the loss to fall from")
    with checkpoints.same_chance():  # which the plan begins anew, as a training does
        plan = draft_plan(model, data, recipe, settings, class_names, tell)
        if plan.recipe.world > 1:
            raise RecipeError(
                f"devices is {plan.recipe.devices}; a range test takes one. Leave it out: --batch-size counts images "
                "over all devices, so what is found holds for several, too"
            )
        tell(f"range test: {steps} steps of {plan.entry.name}, learning rates from {min_lr:g} to {max_lr:g}")
        return range_test(plan, rising_rates(min_lr, max_lr, steps))


def write_curve(curve: LearningRateCurve, out: Path, *, title: str) -> Path:
    """Writes find_lr.json, .svg and .html into a folder, and returns the page's path."""
    from zorki.draw.blocks import definition_list, figure, notice
    from zorki.draw.canvas import standalone
    from zorki.draw.report import page, write_page

    plot = _plot(curve, title)
    write_json(out / "find_lr.json", curve.to_json())
    write_text(out / "find_lr.svg", standalone(plot))
    facts = {"proposal": "none"} if curve.proposal is None else {"proposal": f"{curve.proposal:g}"}
    values = {
        "steepest descent": _rounded(curve.steepest),
        "minimum": _rounded(curve.minimum),
        "a tenth of the minimum": _rounded(curve.tenth),
        "loss at the start": round(curve.level, 4),
        "steps": len(curve.rates),
    }
    told = notice(str(curve), "warning" if curve.reason or curve.falls_to_the_end else "note")
    caption = "Each point is the loss of the batch after the step at that learning rate. What exploded is cut off."
    sections = [
        Section("Curve", figure(plot, caption) + told),
        Section("Numbers", definition_list(values)),
    ]
    write_page(out / "find_lr.html", page(title, sections, facts=facts))
    return out / "find_lr.html"


def _plot(curve: LearningRateCurve, title: str) -> str:
    from zorki.draw.figures import curves

    marks = {
        "steepest descent": curve.steepest, "a tenth of the minimum": curve.tenth, "minimum": curve.minimum,
        "proposal": curve.proposal,
    }  # fmt: skip
    if curve.reason.startswith("the loss is no number"):
        return curves({}, title=title)
    cut = [min(loss, curve.ceiling) if loss == loss else curve.ceiling for loss in curve.losses]
    series = {
        "loss of each batch": list(zip(curve.rates, cut, strict=True)),
        "smoothed": list(zip(curve.rates, curve.smoothed.tolist(), strict=True)),
    }
    return curves(
        series, title=title, x_label="learning rate", y_label="loss", log_x=True,
        marks={name: rate for name, rate in marks.items() if rate is not None},
    )  # fmt: skip


def _rounded(rate: float | None) -> float | None:
    return None if rate is None else float(f"{rate:.2g}")


def _silent(text: str) -> None:
    """Says nothing."""
