"""`zorki models`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from zorki.cli.flags.json_output import Json, put_json
from zorki.output import say

if TYPE_CHECKING:
    from zorki.registry import Entry

TIMM = "timm:"
MAX_COUNTED = 20  # timm's networks take up to a second each to build; hundreds match a short pattern


def models(
    pattern: Annotated[str, Parameter(help='Pattern of names: "resnet*", "timm:convnext*".')] = "*",
    *,
    task: Annotated[str | None, Parameter(help="Models of this task only; `zorki tasks` lists tasks.")] = None,
    json: Json = None,
) -> None:
    """List models with their parameters and published weights.

    Parameters are counted with 10 classes for networks that take images of 32 pixels (LeNet, CIFAR ResNets), with
    COCO's 80 for detectors, with Pascal VOC's 21 for segmenters, and with ImageNet's 1000 for all others.
    """
    rows = listing(pattern, task)
    if json is not None:
        return put_json(json, rows)
    texts = [
        (
            row["name"],
            row["task"],
            f"{row['parameters']:,}" if row["parameters"] is not None else "",
            ", ".join(row["weights"]) or "-",
            row["summary"],
        )
        for row in rows
    ]
    print_columns(("name", "task", "parameters", "weights", "summary"), texts, right={2})
    counted = sorted({row["classes"] for row in rows if row["parameters"] is not None}, reverse=True)
    if counted and counted != [1000]:
        words = {
            10: "10 classes for images of 32 pixels",
            21: "21 (Pascal VOC's) for segmenters",
            80: "80 (COCO's) for detectors",
            1000: "1000 (ImageNet's)",
        }
        say(f"parameters are counted with {', '.join(words.get(count, str(count)) for count in counted)}")
    if any(row["parameters"] is None for row in rows):
        say(f"{len(rows)} names; a pattern that matches {MAX_COUNTED} or fewer also counts their parameters")


def listing(pattern: str, task: str | None) -> list[dict[str, Any]]:
    """One plain-JSON row a model.

    Raises:
        RecipeError: no such task, or no name matches (the message has the nearest).
    """
    from zorki import registry
    from zorki.errors import RecipeError, did_you_mean

    if task is not None and task not in registry.tasks():
        tasks = registry.tasks()
        raise RecipeError(f"no task is named {task!r}.{did_you_mean(task, tasks)} There are: {', '.join(tasks)}")
    if pattern.startswith(TIMM):
        return _timm(pattern.removeprefix(TIMM), task)
    found = registry.entries(pattern, task)
    if not found:
        names = [entry.name for entry in registry.entries(task=task)]
        near = did_you_mean(pattern.replace("*", "").replace("?", ""), names)
        raise RecipeError(f"no model matches {pattern!r}.{near} `zorki models` lists them all.")
    return [_row(entry, count=True) for entry in found]


def _timm(pattern: str, task: str | None) -> list[dict[str, Any]]:
    """Timm's own names; `zorki models "timm:conv*"`."""
    import fnmatch

    import timm

    from zorki import registry
    from zorki.errors import RecipeError, did_you_mean

    names = timm.list_models()
    found = [name for name in names if fnmatch.fnmatchcase(name, pattern)]
    if not found and pattern in timm.list_pretrained():
        found = [pattern]
    if task is not None and found and registry.find(TIMM + found[0]).task.name != task:
        found = []
    if not found:
        near = did_you_mean(pattern.replace("*", "").replace("?", ""), names)
        raise RecipeError(f"timm has no model that matches {pattern!r}.{near}")
    count = len(found) <= MAX_COUNTED
    return [_row(registry.find(TIMM + name), count=count) for name in found]


def _row(entry: Entry, *, count: bool) -> dict[str, Any]:
    classes = usual_classes(entry)
    return {
        "name": entry.name,
        "task": entry.task.name,
        "parameters": count_parameters(entry, classes) if count else None,
        "classes": classes,
        "weights": sorted(entry.weights),
        "summary": entry.summary,
    }


def usual_classes(entry: Entry) -> int:
    """10 for networks that take images of 32 pixels or less, as digits and CIFAR are, else what the task has."""
    from zorki.registry import canonical_options

    size = canonical_options(entry.options()).get("image_size")
    small = size is not None and isinstance(size.default, int) and size.default <= 32
    return 10 if small else entry.task.data.usual_classes


def count_parameters(entry: Entry, classes: int) -> int:
    """Built on the meta device: no memory, no random numbers."""
    from zorki.nn.layers.initialize import without_values

    with without_values():
        return sum(parameter.numel() for parameter in entry.build(classes).parameters())


def print_columns(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]], right: set[int]) -> None:
    """A table on a terminal; plain aligned lines where the output goes into a file or another program."""
    import sys

    if sys.stdout.isatty():
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for index, heading in enumerate(headings):
            table.add_column(heading, justify="right" if index in right else "left", overflow="fold")
        for row in rows:
            table.add_row(*map(Text, row))
        Console().print(table)
        return
    widths = [max(len(row[index]) for row in (headings, *rows)) for index in range(len(headings))]
    for row in (headings, *rows):
        cells = [text.rjust(widths[i]) if i in right else text.ljust(widths[i]) for i, text in enumerate(row)]
        say("  ".join(cells).rstrip())
