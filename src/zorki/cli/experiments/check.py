"""`zorki check`."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from zorki.cli.flags.json_output import PRINTED, Json, put_json
from zorki.cli.flags.recipe import flags_without, given_settings, read_recipe
from zorki.durations import seconds_of
from zorki.errors import RecipeError
from zorki.output import cell, say

Flags = flags_without("out", "name")


def check(
    model: Annotated[
        str | None, Parameter(help="Name of a model, to check a training of it; empty: the data alone.")
    ] = None,
    data: Annotated[str | None, Parameter(help="Folder or file with your images, or scenes:COUNT@SIZE.")] = None,
    *,
    task: Annotated[str | None, Parameter(help="Task that the data are for, without a model; empty: detected.")] = None,
    only: Annotated[
        str | None, Parameter(help="Make these checks only: ids, or beginnings of them, such as ZD012,ZM.")
    ] = None,
    skip: Annotated[str | None, Parameter(help="Leave these checks out: ids, or beginnings of them.")] = None,
    budget: Annotated[str, Parameter(help="Time for all checks; what it does not suffice for is told.")] = "60s",
    out: Annotated[
        Path | None, Parameter(help="New folder for the page; empty: runs/check-1, or the next that is free.")
    ] = None,
    list: Annotated[bool, Parameter(help="List all checks, with their ids and remedies.", negative="")] = False,
    recipe: Annotated[Path | None, Parameter(help="Settings from this recipe.yaml; flags take precedence.")] = None,
    json: Json = None,
    flags: Annotated[Any, Parameter(name="*")] = Flags(),  # noqa: B008
) -> int:
    """Check data, and a training on them, before its first epoch.

    With data alone no network is loaded. With a model, its training is planned as by `zorki train` with the same flags,
    and tried for some steps. The exit code is 0 where nothing or only notes were found, 1 where more was found, and 2
    where the check could not run. Without --json alone, a page shows all (runs/check-1/index.html).

    zorki check photos/
    zorki check resnet18 photos/
    zorki check resnet18 photos/ --lr 0.1 --batch-size 64 --budget 2m
    zorki check photos/ --only ZD012,ZD003 --json
    zorki check --list
    """
    from zorki.engine.checks.check import check as run_checks
    from zorki.files import new_output

    if list:
        return _list(json)
    if model is not None and data is None:
        model, data = None, model
    if data is None:
        raise RecipeError("expected data, such as: zorki check photos/, or zorki check resnet18 photos/")
    seconds = seconds_of(budget)
    if seconds is None:
        raise RecipeError(f"budget is {budget!r}; expected a length of time, such as 60s or 2m")
    settings = {**(read_recipe(recipe) if recipe is not None else {}), **given_settings(flags)}
    settings = {name: value for name, value in settings.items() if name not in ("out", "name")}
    quiet = json == PRINTED
    with nullcontext() if quiet and out is None else new_output(out, "check") as folder:
        result = run_checks(
            model, data, task=task, only=only, skip=skip, budget=seconds, say=_silent if quiet else say, **settings
        )
        page = None if folder is None else result.write_page(folder)
    if not quiet:
        _print(result.report)
        say(f"page: {page}")
    if json is not None:
        put_json(json, result.report.to_json())
    return result.report.exit_code


check.__annotations__["flags"] = Annotated[Flags, Parameter(name="*")]


def _silent(words: str) -> None:
    pass


def _list(json: str | None) -> int:
    from zorki.engine.checks.catalog import listing

    if json is not None:
        put_json(json, {"checks": listing()})
    if json != PRINTED:
        for row in listing():
            say(f"{row['id']} {row['name']} ({row['severity']}): {row['about']} {row['remedy']}")
    return 0


def _print(report: Any) -> None:
    from rich.console import Console

    styles = {"error": "bold red", "warning": "yellow", "note": "dim"}
    console = Console(width=None if Console().is_terminal else 120, highlight=False)
    for name, value in report.facts.items():
        say(f"{name}: {value}")
    for finding in report.findings:
        heading = cell(f"{finding.id} {finding.name}")
        heading.stylize(styles[finding.severity])
        console.print(heading, cell(f"({finding.severity})"))
        say(f"  {finding.reason}")
        if finding.files:
            more = (
                f", ... ({finding.count:,} in all)" if finding.count and finding.count > len(finding.files[:3]) else ""
            )
            say(f"  files: {', '.join(finding.files[:3])}{more}")
        say(f"  remedy: {finding.remedy}")
    if report.unchecked:
        say(f"not checked, or of no account here: {', '.join(report.unchecked)}")
    for line in report.left_out:
        say(f"left out: {line}")
    say(report.verdict)
