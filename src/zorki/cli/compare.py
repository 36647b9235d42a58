"""`zorki compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from zorki.cli.flags.json_output import PRINTED, Json, put_json
from zorki.cli.flags.machine import Device
from zorki.errors import RecipeError
from zorki.output import say


def compare(
    *words: Annotated[
        str, Parameter(help="RUN RUN [...] [DATA]: runs, or folders of runs; without DATA, the dataset of each run.")
    ],
    split: Annotated[str | None, Parameter(help="Split: train, val or test; empty: test, else val.")] = None,
    device: Device = None,
    images: Annotated[int, Parameter(help="Number of images to time inference on, at most.")] = 64,
    seconds: Annotated[float, Parameter(help="Seconds to time the inference of each run, at most.")] = 20.0,
    threads: Annotated[int | None, Parameter(help="Number of threads; empty: PyTorch's own choice.")] = None,
    out: Annotated[
        Path | None,
        Parameter(help="New folder for comparison.md, .csv, .json, .svg and .html; empty: runs/compare-1, -2, ..."),
    ] = None,
    json: Json = None,
) -> None:
    """Compare finished runs: which recipe is better, by more than noise? And what does it cost?

    Runs that differ in nothing but the seed are one recipe. Every recipe is held against that of the first run, and
    called better, worse, no difference, or too few seeds. The table has metrics, speed, time of training, parameters
    and memory.

    zorki compare runs/ssd_squeezenet-1 runs/fcos_squeezenet-1
    zorki compare runs/*-1 photos/ --split val --out comparison
    zorki compare runs/resnet18-seeds-1 runs/resnet18-seeds-2
    """
    from zorki.cli.evaluate import split_words
    from zorki.engine.comparison.compare import compare as measure
    from zorki.engine.comparison.compare import is_folder_of_runs
    from zorki.engine.comparison.page import markdown, to_json, write_comparison
    from zorki.files import new_output

    if not words:
        raise RecipeError("expected runs, such as: zorki compare runs/ssd_squeezenet-1 runs/fcos_squeezenet-1")
    whole = len(words) > 1 and is_folder_of_runs(Path(words[-1]))
    runs, data = (list(words), None) if whole else split_words(list(words))
    quiet = json == PRINTED
    with new_output(out, "compare") as folder:  # refused before anything is measured
        compared = measure(
            runs, data, split=split, device=device, images=images, seconds=seconds, threads=threads, quiet=quiet
        )
        page = write_comparison(compared, folder, title="Comparison")
    if json is not None:
        put_json(json, to_json(compared))
    if not quiet:
        say(markdown(compared), end="")
        say(f"comparison: {page}")
