"""`zorki compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from zorki.cli.flags.json_output import PRINTED, Json, put_json
from zorki.cli.flags.machine import Device
from zorki.errors import RecipeError
from zorki.output import say

if TYPE_CHECKING:
    from zorki.engine.evaluation.compare import ComparedRun


def compare(
    *words: Annotated[str, Parameter(help="RUN RUN [...] [DATA]; without DATA, the dataset of each run.")],
    split: Annotated[str | None, Parameter(help="Split: train, val or test; empty: test, else val.")] = None,
    device: Device = None,
    images: Annotated[int, Parameter(help="Number of images to time inference on, at most.")] = 64,
    seconds: Annotated[float, Parameter(help="Seconds to time the inference of each run, at most.")] = 20.0,
    threads: Annotated[int | None, Parameter(help="Number of threads; empty: PyTorch's own choice.")] = None,
    out: Annotated[
        Path | None,
        Parameter(help="New folder for comparison.md, .json, .svg and .html; empty: runs/compare-1, -2, ..."),
    ] = None,
    json: Json = None,
) -> None:
    """Compare finished runs: metrics, speed, training time, parameters, memory.

    zorki compare runs/ssd_squeezenet-1 runs/fcos_squeezenet-1
    zorki compare runs/*-1 photos/ --split val --out comparison
    """
    from zorki.cli.evaluate import split_words
    from zorki.engine.evaluation.compare import compare as measure
    from zorki.files import new_output

    if not words:
        raise RecipeError("expected runs, such as: zorki compare runs/ssd_squeezenet-1 runs/fcos_squeezenet-1")
    runs, data = split_words(list(words))
    quiet = json == PRINTED
    with new_output(out, "compare") as folder:  # refused before anything is measured
        compared = measure(
            runs, data, split=split, device=device, images=images, seconds=seconds, threads=threads, quiet=quiet
        )
        report(compared, folder, json)


def report(compared: list[ComparedRun], out: Path, json: str | None = None) -> None:
    """Writes the comparison into a folder, and prints it with the path."""
    from dataclasses import asdict

    from zorki.engine.evaluation.compare import write_comparison

    page = write_comparison(compared, out, title="Comparison")
    if json is not None:
        put_json(json, [asdict(one) for one in compared])
    if json != PRINTED:
        say((out / "comparison.md").read_text(encoding="utf-8"), end="")
        say(f"comparison: {page}")
