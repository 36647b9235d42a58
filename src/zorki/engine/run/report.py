"""The report of a run: one page that shows what was learned, where it fails, and how to do it again."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import stdev
from typing import Any, Literal

from zorki.contracts import Dataset, Results, Section
from zorki.contracts.capabilities import ExpectsLoss
from zorki.draw.blocks import (
    Thumbnail,
    columns,
    definition_list,
    figure,
    image_grid,
    notice,
    preformatted,
    swatches,
    table,
)
from zorki.draw.figures import bars, curves
from zorki.draw.markup import numbers
from zorki.draw.report import page, write_page
from zorki.engine.data_check import Survey, counted
from zorki.engine.run import logs
from zorki.engine.run.folder import BEST
from zorki.engine.run.open import TrainedModel
from zorki.errors import DataError
from zorki.settings import describe
from zorki.types import Defect
from zorki.weights.read import read_metadata

MAX_DEFECTS = 100  # lines in the report; all are in `zorki show`
MAX_CLASSES = 60  # bars
MAX_ROWS = 10  # scores in one table
LAST_EPOCHS = 5  # checkpoints whose scores are held side by side


def write_report(
    run: TrainedModel,
    dataset: Dataset[Any],
    data_survey: Survey,
    found: Mapping[str, Results],
    *,
    first_loss: float | None = None,
) -> Path:
    """Writes report.html into the run's folder, whole or not at all, and returns its path.

    Args:
        found: results by split; the last (test, where there is one) is shown in full.
        first_loss: of the first step, beside what an untrained network should have.
    """
    main = next(reversed(list(found.values())), None)
    sections = [_outcome(run, found, data_survey)]
    sections.append(Section("Learning", _learning(run), _first_step(run, first_loss)))
    if main is not None:
        sections += run.task.evaluation.report_sections(main.metrics, run.info)
        sections += _examples(run, dataset, main)
    sections.append(Section("Data", _data(run, dataset, data_survey)))
    sections.append(
        Section("Recipe", _recipe(run), "Marked fields were chosen for you; all others were set or are defaults.")
    )
    sections.append(Section("Again", _again(run), "The command, and what it ran on."))
    facts = {"model": run.model_name, "parameters": f"{run.about['parameters']:,}"}
    if main is not None:
        monitor = run.task.monitor
        scalars = main.metrics.scalars()
        named = next((name for name in (monitor, *run.task.evaluation.headline) if name in scalars), None)
        if named is not None:
            facts = {f"{main.split} {named}": f"{scalars[named]:.4f}", **facts}
        if main.baseline:
            facts["baseline"] = f"{main.baseline[monitor]:.4f}"
    facts["epochs"] = str(len(logs.read(run.folder / logs.EPOCHS)))
    facts[f"{run.task.unit}s"] = f"{run.about['train_count']:,}"
    html = page(
        f"{run.folder.name}", sections, subtitle=f"{run.task.name} on {Path(run.about['data']).name}", facts=facts
    )
    write_page(run.report, html)
    return run.report


def _kind(defects: Sequence[Defect]) -> Literal["note", "warning"]:
    return "note" if all(defect.note for defect in defects) else "warning"


def _outcome(run: TrainedModel, found: Mapping[str, Results], data_survey: Survey) -> Section:
    scores: dict[str, dict[str, Any]] = {}
    for split, result in found.items():
        scores[split] = {**result.total_loss(), **result.metrics.scalars()}
        if result.baseline is not None:
            scores[f"{split}, baseline"] = result.baseline
        scores |= {f"{split}, {name}": dict(values) for name, values in result.comparisons.items()}
    nothing = "Nothing was held out, so nothing was evaluated: the last weights are kept."
    html = _score_tables(scores) if scores else notice(nothing)
    for line in dict.fromkeys(result.comparison_missing for result in found.values() if result.comparison_missing):
        html += notice(line, "note")
    for line in dict.fromkeys(filter(None, map(run.task.evaluation.remark, found.values()))):
        html += notice(line, "note")
    if data_survey.defects:
        html += notice(f"{counted(data_survey.defects)} in the data; see Data.", _kind(data_survey.defects))
    has_baseline = any(result.baseline is not None for result in found.values())
    blind = f"The baseline predicts without looking at the {run.task.unit}; a network must beat it."
    return Section("Outcome", html, blind if has_baseline else "")


def _score_tables(scores: Mapping[str, Mapping[str, Any]]) -> str:
    """A row a score and a column a split, in two tables where there are many: a row a split would leave the page."""
    names = list(dict.fromkeys(name for values in scores.values() for name in values))
    rows: list[dict[str, Any]] = []
    for name in names:
        texts = numbers([values.get(name) for values in scores.values()])
        rows.append({"": name, **dict(zip(scores, texts, strict=True))})
    parts = [rows] if len(rows) <= MAX_ROWS else [rows[: (len(rows) + 1) // 2], rows[(len(rows) + 1) // 2 :]]
    return columns(*(table(part, align=dict.fromkeys(scores, "right")) for part in parts))


def _examples(run: TrainedModel, dataset: Dataset[Any], results: Results) -> list[Section]:
    """The most wrong predictions, and others."""

    def is_right(index: int, prediction: Any) -> bool | None:
        try:
            return run.task.evaluation.right(prediction, dataset.target(index), run.info)
        except DataError:
            return None

    worst, others = _apart(results, is_right)
    legend = _legend(run)
    sections = []
    if worst or any(is_right(*item) is not None for item in results.samples):  # else a prediction is neither
        html = legend + _grid(run, dataset, worst) if worst else notice("No prediction is wrong.", "note")
        sections.append(Section("Most wrong", html, f"The worst predictions on {results.split}, the worst first."))
    if others:
        note = f"Other predictions on {results.split}, as they come."
        sections.append(Section("Samples", legend + _grid(run, dataset, others), note))
    return sections


def _apart(
    results: Results, is_right: Callable[[int, Any], bool | None]
) -> tuple[list[tuple[int, Any]], list[tuple[int, Any]]]:
    """The worst predictions, at most half of the split and none that is right, and samples that are none of them."""
    worst = [item for item in results.worst if not is_right(*item)][: max(1, (results.count + 1) // 2)]
    indices = {index for index, _ in worst}
    return worst, [item for item in results.samples if item[0] not in indices]


def _legend(run: TrainedModel) -> str:
    entries = run.task.presentation.legend(run.info)
    return swatches(entries) if entries else ""


def _first_step(run: TrainedModel, first_loss: float | None) -> str:
    expected = run.model.expected_loss() if isinstance(run.model, ExpectsLoss) else None
    sentences = []
    if first_loss is not None and expected is not None:
        sentences.append(
            f"The first loss was {first_loss:.3f}; a network that knows nothing would have {expected:.3f}."
        )
    rows = logs.read(run.folder / logs.EPOCHS)
    if len(rows) > 1:  # of one no curve is drawn, and none is marked
        sentences.append("The kept weights are those of the marked epoch.")
    if spread := _spread([row.get(f"val/{run.task.monitor}") for row in rows[-LAST_EPOCHS:]]):
        sentences.append(f"{run.task.monitor} on val {spread}.")
    return " ".join(sentences)


def _spread(values: Sequence[Any]) -> str:
    """How far scores of several checkpoints lie apart: less than that is no difference between two runs."""
    scores = [float(value) for value in values if isinstance(value, int | float) and math.isfinite(value)]
    if len(scores) < 2:
        return ""
    return (
        f"after the last {len(scores)} epochs: {min(scores):.4f} to {max(scores):.4f}, standard deviation "
        f"{stdev(scores):.4f}"
    )


def _learning(run: TrainedModel) -> str:
    rows = logs.read(run.folder / logs.EPOCHS)
    if not rows:
        return notice("No epoch was finished.")

    def line(column: str, shift: float = 1.0) -> list[tuple[float, float]]:
        return [(row["epoch"] + shift, float(row[column])) for row in rows if isinstance(row.get(column), int | float)]

    monitor = f"val/{run.task.monitor}"
    shown = (
        monitor,
        "val/balanced_accuracy",
        "val/macro_f1",
        *(f"val/{name}" for name in run.task.evaluation.headline),
    )
    metrics = {name: line(name) for name in rows[0] if name in shown}
    best = _kept_epoch(run.folder)
    losses = {name: line(f"{name}/loss") for name in ("train", "val") if f"{name}/loss" in rows[0]}
    if len(rows) == 1:  # of which no curve can be drawn
        values = {f"{name} loss": points[0][1] for name, points in losses.items() if points}
        values |= {name.replace("/", " "): points[0][1] for name, points in metrics.items() if points}
        drawn = [table([{"after the only epoch": name, "value": value} for name, value in values.items()])]
        return columns(*drawn, *_step_curves(run))
    drawn = [figure(curves(losses, title="Loss", y_label="loss", best=best))]
    if metrics:
        named = {name.removeprefix("val/"): points for name, points in metrics.items()}
        drawn.append(figure(curves(named, title="Validation", best=best)))
    return columns(*drawn, *_step_curves(run))


def _kept_epoch(folder: Path) -> int | None:
    """That of the weights, from 1; of equal ones training keeps the later, and of stages the last one's."""
    path = folder / BEST
    epoch = read_metadata(path).get("epoch") if path.exists() else None
    return None if epoch is None else int(epoch) + 1


def _step_curves(run: TrainedModel) -> list[str]:
    steps = logs.read(run.folder / logs.STEPS)
    if len(steps) <= 2:
        return []
    thin = steps[:: max(1, len(steps) // 400)]
    columns_of = {"loss": "Loss a step", "lr": "Learning rate"}
    points = {column: [(float(row["step"]), float(row[column])) for row in thin] for column in columns_of}
    return [figure(curves({name: points[name]}, title=title, x_label="step")) for name, title in columns_of.items()]


def _grid(run: TrainedModel, dataset: Dataset[Any], items: Sequence[tuple[int, Any]]) -> str:
    thumbnails = []
    for index, prediction in items:
        try:
            sample = dataset[index]
        except DataError:
            continue
        presentation = run.task.presentation
        good = run.task.evaluation.right(prediction, sample.target, run.info)
        captions = {"predicted": presentation.caption(prediction, run.info)}
        if not good:
            captions["ground truth"] = presentation.caption(sample.target, run.info)
        # Of tasks whose predictions have no words, such as embeddings, the ground truth alone is told.
        text = "\n".join(f"{what}: {words}" for what, words in captions.items() if words or good is not None)
        image = presentation.thumbnail(sample.numpy().image, prediction, run.info, sample.target)
        name = dataset.path(index).name
        thumbnails.append(Thumbnail(image, text, good, alt=f"{name}: {text}", name=name))
    return image_grid(thumbnails)


def _data(run: TrainedModel, dataset: Dataset[Any], data_survey: Survey) -> str:
    facts = {
        "path": run.about["data"],
        "format": f"{dataset.format}: {dataset.reason}",
        "splits": dataset.split_reason,
        **{f"{run.task.unit}s in {split}": len(indices) for split, indices in data_survey.splits.items()},
        "classes": len(dataset.class_names),
        "defects": len(data_survey.defects),
    }
    parts = [definition_list(facts)]
    statistics = run.task.data.statistics(dataset)
    if statistics.counts and len(dataset.class_names) <= MAX_CLASSES:
        what, names = statistics.counted, statistics.class_names
        counts = {split: dict(zip(names, row, strict=True)) for split, row in statistics.counts.items()}
        parts.append(figure(bars(counts, title=f"{what.capitalize()} per class", x_label=what)))
    parts += [
        table([{"": name, **values} for name, values in one.rows().items()], caption=one.title)
        for one in statistics.tables
    ]
    if data_survey.defects:
        lines = [str(defect) for defect in data_survey.defects[:MAX_DEFECTS]]
        if len(data_survey.defects) > MAX_DEFECTS:
            lines.append(f"... and {len(data_survey.defects) - MAX_DEFECTS} more; `zorki show` lists all")
        kind = _kind(data_survey.defects)
        what = "" if kind == "note" else "; what is broken was left out"
        parts.append(notice(f"{counted(data_survey.defects)}{what}:", kind) + preformatted("\n".join(lines)))
    return "".join(parts)


def _recipe(run: TrainedModel) -> str:
    notes = {choice["name"]: choice["why"] for choice in run.about.get("choices", [])}
    kind = type(run.recipe)
    default = kind()
    chosen = {choice["name"]: choice["value"] for choice in run.about.get("choices", [])}
    values = {name: chosen.get(name) if value is None else value for name, value in run.recipe.to_json().items()}
    groups: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        explicit = name in run.about.get("explicit", {}) or name in notes or value != default.to_json()[name]
        group = describe(kind, name)["group"] if explicit else "Defaults"
        unit = describe(kind, name)["unit"]
        groups.setdefault(group, {})[name] = f"{value} {unit}" if unit and value is not None and explicit else value
    parts = []
    for group in sorted(groups, key=lambda group: group == "Defaults"):
        mine = {name: note for name, note in notes.items() if name in groups[group]}
        parts.append(f"<h3>{group}</h3>" + definition_list(groups[group], mine))
    return columns(*parts)


def _again(run: TrainedModel) -> str:
    environment = run.about["environment"]
    lines = [f"$ {environment['command']}", f"$ {run.about['repeat']}", f"$ zorki evaluate {run.folder}"]
    facts = {
        "seed": run.recipe.seed,
        "git commit": environment["git_commit"],
        **environment["versions"],
        **{f"machine, {name}": value for name, value in environment["machine"].items()},
    }
    return preformatted("\n".join(lines)) + definition_list(facts)
