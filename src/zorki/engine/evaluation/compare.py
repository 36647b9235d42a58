"""Finished runs side by side: metrics, speed and cost, in one table and one image."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zorki import registry
from zorki.contracts import Section
from zorki.engine.run import logs
from zorki.engine.run.folder import COST, read_about
from zorki.errors import RecipeError, ZorkiError
from zorki.files import write_json, write_text
from zorki.input_files.json_files import read_json
from zorki.output import say


@dataclass
class ComparedRun:
    """One run of a comparison; memory in bytes, time in seconds."""

    run: str
    model: str
    split: str
    count: int
    metrics: dict[str, float]
    images_per_second: float
    train_seconds: float | None
    parameters: int
    peak_memory: int
    train_memory: int | None
    epochs: int
    device: str
    threads: int


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
) -> list[ComparedRun]:
    """Measures runs one after another, each in a process of its own, best first by their task's monitor.

    Args:
        data: the dataset to evaluate on; None takes each run's own.
        split: None takes test, else val.
        images, seconds: bounds of the timing of predictions, made one image at a time.
        quiet: print nothing.

    Raises:
        ZorkiError: no such run, runs of different tasks, or a measurement that failed.
    """
    if not folders:
        raise RecipeError("nothing to compare: expected runs, such as: zorki compare runs/a runs/b")
    abouts = [read_about(Path(folder)) for folder in folders]
    tasks = {about["task"] for about in abouts}
    if len(tasks) > 1:
        raise RecipeError(f"the runs are of different tasks ({', '.join(sorted(tasks))}): not comparable")
    settings = {"data": data, "split": split, "device": device, "images": images, "seconds": seconds}
    compared = []
    for folder, about in zip(folders, abouts, strict=True):
        if not quiet:
            say(f"measuring {folder}")
        found = _measured(Path(folder), {**settings, "threads": threads})
        cost = _cost(Path(folder))
        compared.append(
            ComparedRun(
                run=str(folder),
                model=found["model"],
                split=found["split"],
                count=found["count"],
                metrics=found["metrics"],
                images_per_second=found["images_per_second"],
                train_seconds=cost.get("train_seconds"),
                parameters=about["parameters"],
                peak_memory=found["peak_memory"],
                train_memory=cost.get("peak_memory"),
                epochs=len(logs.read(Path(folder) / logs.EPOCHS)),
                device=found["device"],
                threads=found["threads"],
            )
        )
    monitor = registry.tasks()[next(iter(tasks))].monitor
    return sorted(compared, key=lambda one: -one.metrics.get(monitor, 0.0))


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


def _titles(compared: Sequence[ComparedRun]) -> list[str]:
    """A name for each: the model's, else the folder's, else the whole path."""
    for names in ([one.model for one in compared], [Path(one.run).name for one in compared]):
        if len(set(names)) == len(names):
            return names
    return [one.run for one in compared]


def columns(compared: Sequence[ComparedRun], headline: Sequence[str]) -> list[dict[str, Any]]:
    """The table's rows, with units in the names of the columns."""
    return [
        {
            "model": title,
            **{name: one.metrics.get(name) for name in headline},
            "images/s": _rounded(one.images_per_second),
            "training [min]": None if one.train_seconds is None else _rounded(one.train_seconds / 60),
            "epochs": one.epochs,
            "parameters [M]": _rounded(one.parameters / 1e6),
            "predicting [MiB]": round(one.peak_memory / 2**20),
            "training [MiB]": None if one.train_memory is None else round(one.train_memory / 2**20),
        }
        for title, one in zip(_titles(compared), compared, strict=True)
    ]


def _rounded(value: float) -> float:
    """To one decimal, below 1 to two, below .01 to two digits: what is measured once is no better known."""
    return round(value, 1 if value >= 1 else 2) if value >= 0.01 else float(f"{value:.2g}")


def markdown(compared: Sequence[ComparedRun], headline: Sequence[str]) -> str:
    """The table in Markdown."""
    rows = columns(compared, headline)
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|---" + "|---:" * (len(names) - 1) + "|"]
    lines += ["| " + " | ".join(_cell(name, row[name]) for name in names) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _table(compared: Sequence[ComparedRun], headline: Sequence[str]) -> str:
    """The table in HTML."""
    from zorki.draw.blocks import table

    rows = [{name: _cell(name, value) for name, value in row.items()} for row in columns(compared, headline)]
    return table(rows, align=dict.fromkeys(list(rows[0])[1:], "right"))


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if not isinstance(value, float):
        return str(value)
    return str(value) if "[" in name or name == "images/s" else f"{value:.3f}"


def write_comparison(compared: Sequence[ComparedRun], out: Path, *, title: str) -> Path:
    """Writes comparison.md, .json, .svg and .html into `out`, and returns the page's path."""
    from dataclasses import asdict

    from zorki.draw.blocks import figure
    from zorki.draw.canvas import standalone
    from zorki.draw.report import page, write_page
    from zorki.draw.scatter import front_of, scatter

    task = registry.tasks()[read_about(Path(compared[0].run))["task"]]
    headline = task.evaluation.headline or (task.monitor,)
    titles = _titles(compared)
    points = {
        name: (one.images_per_second, one.metrics[task.monitor])
        for name, one in zip(titles, compared, strict=True)
        if task.monitor in one.metrics
    }
    first = compared[0]
    threads = f"{first.threads} thread{'' if first.threads == 1 else 's'}"
    where = f"{first.device}, {threads}" if first.device == "cpu" else first.device
    reading = "Up is better, right is quicker"
    plot = scatter(points, title=title, x_label="images a second", y_label=task.monitor)
    note = f"On {first.count:,} images of {first.split}; one image at a time on {where}, all steps counted."
    if len(front_of(list(points.values()))) > 1:
        reading += "; no point beats the dashed line"
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "comparison.json", [asdict(one) for one in compared])
    write_text(out / "comparison.md", markdown(compared, headline))
    write_text(out / "comparison.svg", standalone(plot))
    sections = [
        Section("Table", _table(compared, headline), note),
        Section("Speed and accuracy", figure(plot), f"{reading}."),
    ]
    write_page(out / "comparison.html", page(title, sections))
    return out / "comparison.html"
