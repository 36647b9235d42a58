"""`zorki compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from zorki.errors import RecipeError
from zorki.output import say


def compare(
    *words: Annotated[str, Parameter(help="RUN RUN [...] [DATA]; without DATA, what each run was trained on.")],
    split: Annotated[str | None, Parameter(help="train, val or test; empty: test, else val.")] = None,
    device: Annotated[str | None, Parameter(help="cpu, cuda, cuda:1 (or 1), mps; empty: the best there is.")] = None,
    images: Annotated[int, Parameter(help="Images to time predictions on, at most.")] = 64,
    seconds: Annotated[float, Parameter(help="Time for timing each run's predictions, at most.")] = 20.0,
    threads: Annotated[int | None, Parameter(help="Threads; empty: PyTorch's own choice.")] = None,
    out: Annotated[Path, Parameter(help="Folder for ladder.md, .json, .svg and .html.")] = Path("ladder"),
    json: Annotated[bool, Parameter(help="Print ladder.json in place of the table.", negative="")] = False,
) -> None:
    """Lay finished runs side by side: figures, speed, training time, parameters, memory.

    zorki compare runs/ssd_squeezenet-1 runs/fcos_squeezenet-1
    zorki compare runs/*-1 photos/ --split val --out ladder
    """
    from zorki.cli.evaluate import split_words
    from zorki.engine.evaluation.compare import compare as measure

    if not words:
        raise RecipeError("expected runs, such as: zorki compare runs/ssd_squeezenet-1 runs/fcos_squeezenet-1")
    runs, data = split_words(list(words))
    rungs = measure(runs, data, split=split, device=device, images=images, seconds=seconds, threads=threads, quiet=json)
    tell(rungs, out, json=json)


def tell(rungs: list, out: Path, *, json: bool = False) -> None:  # type: ignore[type-arg]
    """Prints the ladder and writes it."""
    from zorki.engine.evaluation.compare import write_ladder

    page = write_ladder(rungs, out, title="Ladder")
    if json:
        say((out / "ladder.json").read_text(encoding="utf-8"), end="")
        return
    say((out / "ladder.md").read_text(encoding="utf-8"), end="")
    say(f"ladder: {page}")
