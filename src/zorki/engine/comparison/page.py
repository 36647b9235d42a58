"""A comparison on paper: tables in Markdown, CSV and JSON, plots, and one page with all of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from zorki.contracts import Section
from zorki.engine.comparison.compare import ComparedRecipe, Comparison, Difference
from zorki.engine.run import logs
from zorki.files import write_json, write_text

MAX_FIELDS = 6  # in a table


def to_json(comparison: Comparison) -> dict[str, Any]:
    """Plain values."""
    return {
        "monitor": comparison.monitor,
        "recipes": [asdict(one) for one in comparison.recipes],
        "differences": [{**asdict(one), "warning": one.warning} for one in comparison.differences],
        "images_missing": comparison.images_missing,
        "repeats": comparison.repeats,
    }


def rows(comparison: Comparison) -> list[dict[str, Any]]:
    """The table, a row a recipe, with units in the names of the columns; numbers as they are."""
    return [_row(one, comparison) for one in comparison.recipes]


def _row(recipe: ComparedRecipe, comparison: Comparison) -> dict[str, Any]:
    first = recipe.runs[0]
    seeded = any(len(one.runs) > 1 for one in comparison.recipes)
    scores: dict[str, Any] = {}
    for name in comparison.headline:
        scores[name] = recipe.metrics.get(name)
        if seeded and name == comparison.monitor:
            scores |= {f"{name} deviation": recipe.deviations.get(name), "seeds": len(recipe.runs)}
    return {
        "recipe": recipe.name,
        **scores,
        "images/s": first.images_per_second,
        "training [min]": _mean([None if run.train_seconds is None else run.train_seconds / 60 for run in recipe.runs]),
        "epochs": first.epochs,
        "parameters [M]": first.parameters / 1e6,
        "predicting [MiB]": round(first.peak_memory / 2**20),
        "training [MiB]": None if first.train_memory is None else round(first.train_memory / 2**20),
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def difference_rows(comparison: Comparison) -> list[dict[str, str]]:
    """The table of verdicts, a row a recipe against the first one, as text."""
    return [_difference_row(one) for one in comparison.differences]


def _difference_row(one: Difference) -> dict[str, str]:
    found = one.verdict
    interval = "-" if found.low is None else f"{found.low:+.4f} to {found.high:+.4f}"
    return {
        "recipe": one.recipe,
        "against": one.against,
        "verdict": found.word,
        "difference": f"{found.difference:+.4f}",
        f"{found.level:.1%} interval".replace(".0%", "%"): interval + (" (images alone)" if found.images_alone else ""),
        "differs in": _fields(one),
    }


def _fields(one: Difference) -> str:
    shown = [str(field) for field in one.fields if field.typed] or [str(field) for field in one.fields]
    follows = sum(not field.typed for field in one.fields)
    more = f" and {len(shown) - MAX_FIELDS} more" if len(shown) > MAX_FIELDS else ""
    chosen = f" ({follows} more follow)" if follows and any(field.typed for field in one.fields) else ""
    return "; ".join(shown[:MAX_FIELDS]) + more + chosen


def markdown(comparison: Comparison) -> str:
    """The tables in Markdown, and what is to be said of them."""
    table = rows(comparison)
    parts = [_markdown([{name: _cell(name, value) for name, value in row.items()} for row in table])]
    if comparison.differences:
        parts.append(_markdown(difference_rows(comparison)))
    parts += [f"{line}\n" for line in remarks(comparison)]
    return "\n".join(parts)


def remarks(comparison: Comparison) -> list[str]:
    """What hides in a table: several changes at once, seeds that are too few, and noise that was not counted."""
    found = [*comparison.repeats, *(one.warning for one in comparison.differences if one.warning)]
    if any(one.verdict.word == "too few seeds" for one in comparison.differences):
        found.append(
            "too few seeds: three of each recipe can show a difference, five that there is none; make them with "
            "zorki train --seeds 5"
        )
    if comparison.images_missing and comparison.differences:
        found.append(f"other test images are not counted: {comparison.images_missing}")
    return found


def _markdown(table: Sequence[Mapping[str, str]]) -> str:
    names = list(table[0])
    sides = ["---" if _is_text(name) else "---:" for name in names]
    lines = ["| " + " | ".join(names) + " |", "|" + "|".join(sides) + "|"]
    lines += ["| " + " | ".join(row.get(name, "-").replace("|", "/") for name in names) + " |" for row in table]
    return "\n".join(lines) + "\n"


def _is_text(name: str) -> bool:
    return name in ("recipe", "against", "verdict", "differs in")


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if not isinstance(value, float):
        return str(value)
    if "[" in name or name == "images/s":
        return str(_rounded(value))
    return f"{value:.4f}" if name.endswith(" deviation") else f"{value:.3f}"


def _rounded(value: float) -> float:
    """To one decimal, below 1 to two, below .01 to two digits: what is measured once is no better known."""
    return round(value, 1 if value >= 1 else 2) if value >= 0.01 else float(f"{value:.2g}")


def run_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """The table of runs, with every metric of each: what the CSV holds."""
    names = list(dict.fromkeys(name for run in comparison.runs for name in run.metrics))
    return [
        {
            "recipe": recipe.name,
            **{name: value for name, value in asdict(run).items() if name != "metrics"},
            **{name: run.metrics.get(name) for name in names},
        }
        for recipe in comparison.recipes
        for run in recipe.runs
    ]


def _csv(table: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(table[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return text.getvalue()


def write_comparison(comparison: Comparison, out: Path, *, title: str) -> Path:
    """Writes comparison.md, .csv, .json, .svg and .html into `out`, and returns the page's path."""
    from zorki.draw.blocks import columns, figure, notice, table
    from zorki.draw.canvas import standalone
    from zorki.draw.report import page, write_page
    from zorki.draw.scatter import front_of, scatter

    monitor = comparison.monitor
    points = {
        one.name: (one.runs[0].images_per_second, one.metrics[monitor])
        for one in comparison.recipes
        if monitor in one.metrics and one.runs[0].images_per_second is not None
    }
    first = comparison.runs[0]
    threads = f"{first.threads} thread{'' if first.threads == 1 else 's'}"
    where = f"{first.device}, {threads}" if first.device == "cpu" else first.device
    reading = "Up is better, right is quicker"
    plot = scatter(points, title=title, x_label="images a second", y_label=monitor)
    note = f"On {first.count:,} images of {first.split}; one image at a time on {where}, all steps counted."
    if len(front_of(list(points.values()))) > 1:
        reading += "; no point beats the dashed line"
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "comparison.json", to_json(comparison))
    write_text(out / "comparison.md", markdown(comparison))
    write_text(out / "comparison.csv", _csv(run_rows(comparison)))
    write_text(out / "comparison.svg", standalone(plot))
    shown = rows(comparison)
    texts = [{name: _cell(name, value) for name, value in row.items()} for row in shown]
    notices = "".join(notice(line) for line in remarks(comparison))
    scores = table(texts, align=dict.fromkeys(list(texts[0])[1:], "right"))
    sections = [Section("Table", scores if comparison.differences else scores + notices, note)]
    if comparison.differences:
        drawn = figure(_differences_plot(comparison))
        sections.append(Section("Differences", table(difference_rows(comparison)) + notices + drawn, _explained()))
    sections.append(Section("Learning", columns(*_curves(comparison)), "Means over seeds, from the least to the most."))
    sections.append(Section("Speed and accuracy", figure(plot), f"{reading}."))
    write_page(out / "comparison.html", page(title, sections))
    return out / "comparison.html"


def _explained() -> str:
    return (
        "The interval of the difference counts both noises: other seeds, and other test images, on which all runs are "
        "held against each other image by image. Better and worse: 0 lies outside."
    )


def _differences_plot(comparison: Comparison) -> str:
    from zorki.draw.experiments.intervals import intervals

    shown = {
        one.recipe: (one.verdict.difference, one.verdict.low, one.verdict.high, one.verdict.word)
        for one in comparison.differences
    }
    against = comparison.differences[0].against
    return intervals(shown, title=f"Against {against}", x_label=f"difference of {comparison.monitor}")


def _curves(comparison: Comparison) -> list[str]:
    """Validation and training loss over epochs, of each recipe its mean over seeds."""
    from zorki.draw.blocks import figure
    from zorki.draw.figures import curves

    drawn = []
    for column, title, label in (
        (f"val/{comparison.monitor}", "Validation", comparison.monitor),
        ("train/loss", "Training loss", "loss"),
    ):
        found = {one.name: _by_epoch([run.run for run in one.runs], column) for one in comparison.recipes}
        lines = {name: [(x, sum(ys) / len(ys)) for x, ys in points] for name, points in found.items()}
        bands = {name: [(x, min(ys), max(ys)) for x, ys in points] for name, points in found.items()}
        if any(lines.values()):
            drawn.append(figure(curves(lines, bands=bands, title=title, y_label=label)))
    return drawn


def _by_epoch(runs: Sequence[str], column: str) -> list[tuple[float, list[float]]]:
    """The values of all runs in each epoch that any of them has."""
    found: dict[float, list[float]] = {}
    for run in runs:
        for row in logs.read(Path(run) / logs.EPOCHS):
            if isinstance(row.get(column), int | float):
                found.setdefault(float(row["epoch"]) + 1, []).append(float(row[column]))
    return sorted(found.items())
