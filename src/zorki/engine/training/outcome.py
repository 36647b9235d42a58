"""What a training brought: its best weights evaluated on every held-out split, results.json and the report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zorki.contracts import Results
from zorki.engine.evaluation.comparison import compare_simpler
from zorki.engine.evaluation.ensemble import baseline
from zorki.engine.evaluation.split import SAMPLES, eval_loader, evaluate_split, reference_loader
from zorki.engine.publishing.model_card import write_card
from zorki.engine.run.folder import ABOUT, RESULTS, class_info_json, result_json
from zorki.engine.run.open import TrainedModel, load
from zorki.engine.run.report import write_report
from zorki.engine.training.plan import TrainingPlan
from zorki.files import write_json


def evaluate_best(plan: TrainingPlan, first_loss: float | None, say: Callable[[str], None]) -> TrainedModel:
    """Evaluates the best weights on every held-out split, writes metrics and report, and returns the run.

    The run is opened from its folder, as it will be by others later, so what is evaluated is what they get. Validation
    comes first: what the run learns there about its predictions, such as the score from which they count, holds for
    test.
    """
    run = load(plan.folder)
    run.info = plan.info
    run.on_device(plan.recipe.main_device)
    found: dict[str, Results] = {}
    for split in ("val", "test") if plan.recipe.evaluate_test else ("val",):
        if plan.data_survey.splits.get(split):
            found[split] = result = _evaluate(plan, run, split)
            if run.info == plan.info:  # of the first split that tells something: what comes after is evaluated by it
                run.info = run.task.evaluation.learn(run.info, result.metrics.scalars(), split)
            _tell(run, result, plan.data_survey.whole.get(split), say)
    for line in dict.fromkeys(result.comparison_missing for result in found.values() if result.comparison_missing):
        say(line)
    write_json(plan.folder / RESULTS, {split: _json(plan, result) for split, result in found.items()})
    run.about["class_info"] = class_info_json(run.info)
    write_json(plan.folder / ABOUT, run.about)
    say(f"report: {write_report(run, plan.dataset, plan.data_survey, found, first_loss=first_loss)}")
    if (kept := write_card(plan.folder)) is not None:
        say(kept)
    return run


def _evaluate(plan: TrainingPlan, run: TrainedModel, split: str) -> Results:
    """Metrics, baseline and examples of one split; what could not be read joins the plan's defects."""
    indices, device = plan.data_survey.splits[split], plan.recipe.main_device
    loader = eval_loader(run, plan.dataset, indices, workers=plan.recipe.workers, device=device)
    reference = reference_loader(run, plan.dataset, plan.data_survey.splits, split, workers=0, device=device)
    settings: dict[str, Any] = {"split": split, "device": device, "sample_stride": max(1, len(indices) // SAMPLES)}
    result = evaluate_split(run.model, loader, run.task, run.info, reference=reference, **settings)
    loader.close()
    result.baseline = baseline(run.task, run.info, plan.dataset, plan.data_survey.splits["train"], indices)
    compare_simpler(result, run, plan.dataset, indices, device)
    plan.data_survey.add(result.defects)
    return result


def _json(plan: TrainingPlan, result: Results) -> dict[str, Any]:
    """The result, beside how many images the split has: with a limit it is of fewer."""
    return {**result_json(result), "split_count": plan.data_survey.whole.get(result.split, result.count)}


def _tell(run: TrainedModel, result: Results, whole: int | None, say: Callable[[str], None]) -> None:
    """One line of the metrics; `whole` counts the images of a split that was not evaluated whole."""
    monitor = run.task.monitor
    rest = f" of {whole:,} (limit_val); zorki evaluate {run.folder} takes all" if whole is not None else ""
    beside = f" (baseline {result.baseline[monitor]:.4f})" if result.baseline else ""
    scalars = result.metrics.scalars()
    others = [name for name in run.task.evaluation.headline if name != monitor and name in scalars]
    beside += "".join(f" ({name} {row[monitor]:.4f})" for name, row in result.comparisons.items())
    named = [f"{monitor} {scalars[monitor]:.4f}{beside}"] if monitor in scalars else []  # without labels there is none
    told = ", ".join([*named, *(f"{name} {scalars[name]:.4f}" for name in others)])
    say(f"{result.split}: {told}, on {result.count} {result.unit}{rest}")
    if remark := run.task.evaluation.remark(result):
        say(remark)
    if run.info.threshold_split == result.split:
        say(f"predictions count from a score of {run.info.score_threshold:.3f}, the best on {result.split}")
