"""The page of a search: how the best score rose, what mattered, and every trial."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from zorki.contracts import Section
from zorki.draw.blocks import columns, definition_list, figure, notice, preformatted, table
from zorki.draw.experiments.parallel import TrialLine, parallel_coordinates
from zorki.draw.experiments.trials import trial_dots
from zorki.draw.figures import bars, curves
from zorki.draw.report import page, write_page
from zorki.engine.tuning.space import Numbers
from zorki.engine.tuning.trials import Tuning
from zorki.files import write_json, write_text

PAGE = "tune.html"


def write_tuning(found: Tuning) -> Path:
    """Writes tune.html, trials.csv and trials.json into the study's folder, and returns the page's path."""
    rows = [_row(found, trial) for trial in found.trials]
    write_json(found.folder / "trials.json", tuning_json(found))
    if rows:
        write_text(found.folder / "trials.csv", _csv(rows))
    sections = [Section("Outcome", _outcome(found)), Section("History", figure(_history(found)))]
    if found.importance:
        shares = {"importance": dict(found.importance)}
        drawn = figure(bars(shares, title="Importance", x_label="share of the spread of scores", maximum=1))
        sections.append(Section("What mattered", drawn, "By PED-ANOVA (Watanabe et al., 2023), of complete trials."))
    if len(found.space) > 1:
        note = (
            "A line for each complete trial through its settings to its score, the clearer the higher; the best apart."
        )
        sections.append(Section("All settings at once", figure(_lines(found)), note))
    sections.append(Section("Slices", columns(*_slices(found)), "Each complete trial is a dot; the best has a ring."))
    sections.append(Section("Trials", table([_shown(row) for row in rows])))
    write_page(found.folder / PAGE, page(f"Search: {found.folder.name}", sections, facts=_facts(found)))
    return found.folder / PAGE


def tuning_json(found: Tuning) -> dict[str, Any]:
    """The search in plain values: keys are stable, those of settings are as they were searched."""
    best = found.best
    return {
        "folder": str(found.folder), "model": found.model, "monitor": found.monitor,
        "best": None if best is None else best.number, "verdict": str(found), "importance": dict(found.importance),
        "trials": [_row(found, trial) for trial in found.trials],
    }  # fmt: skip


def _facts(found: Tuning) -> dict[str, str]:
    best, default = found.best, found.default
    return {
        f"val {found.monitor}": "-" if best is None else f"{best.value:.4f}",
        "default recipe": "-" if default is None or default.value is None else f"{default.value:.4f}",
        "trials": str(len(found.trials)),
        "model": found.model,
    }


def _outcome(found: Tuning) -> str:
    best = found.best
    parts = [notice(str(found), "note" if best is not None and best.number else "warning")]
    if best is None:
        return parts[0]
    parts.append(definition_list(dict(best.params) if best.number else {"recipe": "the default"}))
    recipe = found.folder / "recipe.yaml"
    parts.append(preformatted(f"zorki train {found.model} DATA --recipe {recipe} --seeds 5 --name best"))
    parts.append(
        notice(
            "The best of many is partly luck: its score on validation is too high. Train it and the default recipe "
            "with several seeds, and compare them: zorki compare.",
            "note",
        )
    )
    return "".join(parts)


def _history(found: Tuning) -> str:
    """The best score so far, over the trials, and that of each."""
    each: list[tuple[float, float]] = []
    best: list[tuple[float, float]] = []
    for trial in found.trials:
        if trial.value is not None:
            each.append((float(trial.number), trial.value))
        if trial.value is not None and trial.feasible:
            best.append((float(trial.number), max(trial.value, best[-1][1] if best else trial.value)))
    series = {"best so far": best, "each complete trial": each}
    return curves(series, title="Best score", x_label="trial", y_label=f"val {found.monitor}")


def _lines(found: Tuning) -> str:
    """Every complete trial over all settings."""
    lines = [
        TrialLine(f"trial {trial.number}", {name: _plain(value) for name, value in trial.params.items()}, trial.value)
        for trial in found.trials
        if trial.value is not None
    ]
    axes = {name: isinstance(span, Numbers) and span.log for name, span in found.space.items()}
    best = [] if found.best is None else [f"trial {found.best.number}"]
    return parallel_coordinates(lines, axes, title="Trials", score_label=f"val {found.monitor}", marked=best)


def _slices(found: Tuning) -> list[str]:
    drawn = []
    for name, span in found.space.items():
        trials = [trial for trial in found.trials if trial.value is not None and name in trial.params]
        best = found.best.number if found.best is not None else None
        points = [(_plain(trial.params[name]), trial.value or 0.0, f"trial {trial.number}") for trial in trials]
        marked = [place for place, trial in enumerate(trials) if trial.number == best]
        log = isinstance(span, Numbers) and span.log
        drawn.append(
            figure(trial_dots(points, title=name, x_label=name, y_label=found.monitor, log_x=log, marked=marked))
        )
    return drawn


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _row(found: Tuning, trial: Any) -> dict[str, Any]:
    return {
        "trial": trial.number,
        "state": trial.state,
        found.monitor: trial.value,
        **{name: trial.params.get(name) for name in found.space},
        "epochs": len(trial.values),
        "latency [ms]": None if trial.latency is None else round(trial.latency * 1e3, 2),
        "run": trial.folder.name,
        "reason": trial.reason,
    }


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    lines = str(row["reason"]).splitlines()
    return {
        **{name: value for name, value in row.items() if name != "latency [ms]" or value is not None},
        "reason": lines[-1][:120] if lines else None,
    }


def _csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
