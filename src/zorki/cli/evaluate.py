"""`zorki evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from zorki.errors import RecipeError


def evaluate(
    *words: Annotated[str, Parameter(help="RUN [RUN ...] DATA; without DATA, what the first run was trained on.")],
    split: Annotated[str | None, Parameter(help="train, val, test or all; empty: test, else val.")] = None,
    weights: Annotated[str | None, Parameter(help="Weights for a model's name in the place of a run.")] = None,
    format: Annotated[str | None, Parameter(help="Reader to use: folders, csv, idx.")] = None,
    batch_size: Annotated[int | None, Parameter(help="Pictures a step.")] = None,
    device: Annotated[str | None, Parameter(help="cpu, cuda or mps; empty: the best there is.")] = None,
    workers: Annotated[int | None, Parameter(help="Processes that read pictures.")] = None,
    strict: Annotated[bool, Parameter(help="Stop at the first broken picture.", negative="")] = False,
    json: Annotated[
        str | None, Parameter(help="Write all figures to this file; - prints them.", allow_leading_hyphen=True)
    ] = None,
    options: Annotated[dict[str, str] | None, Parameter(help="Arguments of the model's builder.")] = None,
) -> None:
    """Judge runs on held-out pictures; several also as an ensemble.

    zorki evaluate runs/lenet5-1
    zorki evaluate runs/resnet18-1 runs/vgg16-1 photos/ --split test
    zorki evaluate cifar_resnet20 photos/ --weights resnet20.th
    """
    from zorki.engine.evaluate import evaluate as judge

    runs, data = split_words(list(words))
    results = judge(
        runs,
        data,
        split=split,
        weights=weights,
        format=format,
        batch_size=batch_size,
        device=device,
        workers=workers,
        strict=strict,
        options=options,
    )
    names = [*runs, "ensemble"][: len(results)] if len(runs) > 1 else runs
    if json != "-":
        _print(names, results)
    if json is not None:
        _write(json, names, results)


def split_words(words: list[str]) -> tuple[list[str], str | None]:
    """Runs, and the data where the last word is not a run."""
    from zorki.engine.run import is_run

    if not words:
        raise RecipeError("expected at least one run, such as: zorki evaluate runs/lenet5-1 photos/")
    if len(words) == 1:
        return words, None
    if is_run(Path(words[-1])):
        return words, None
    return words[:-1], words[-1]


def _print(names: list[str], results: list[Any]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    first = results[0]
    shown = [name for name, value in first.figures.items() if isinstance(value, int | float) and name != "count"]
    table = Table(title=f"{first.split}: {first.count} pictures")
    table.add_column("")
    for name in shown:
        table.add_column(name, justify="right")
    for name, result in zip(names, results, strict=True):
        table.add_row(name, *[_number(result.figures[figure]) for figure in shown])
    if first.baseline:
        table.add_row("baseline", *[_number(first.baseline.get(figure)) for figure in shown])
    console = Console(width=None if Console().is_terminal else 160)
    console.print(table)
    if "per_class" in first.figures:
        rows = results[-1].figures["per_class"]
        classes = Table(title=f"classes, {names[-1]}")
        classes.add_column("class")
        for column in ("count", "precision", "recall", "f1"):
            classes.add_column(column, justify="right")
        for name, row in rows.items():
            classes.add_row(escape(name), *[_number(row[column]) for column in ("count", "precision", "recall", "f1")])
        console.print(classes)
    defects = first.defects
    if defects:
        from zorki.engine.survey import summary

        print(f"{len(defects)} defects; broken pictures were left out:")
        print("\n".join(summary(defects)))


def _number(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _write(target: str, names: list[str], results: list[Any]) -> None:
    from zorki.engine.run import result_json
    from zorki.files import plain, write_json

    page = {name: result_json(result) for name, result in zip(names, results, strict=True)}
    if target == "-":
        import json

        print(json.dumps(plain(page), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        write_json(Path(target), page)
