"""`zorki tasks`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from zorki.output import say


def tasks(*, json: Annotated[bool, Parameter(help="Print JSON for machines.", negative="")] = False) -> None:
    """The tasks and their models."""
    import json as writer

    from zorki import registry

    found = {
        name: {
            "summary": task.summary,
            "monitor": task.monitor,
            "models": [entry.name for entry in registry.entries(task=name)],
        }
        for name, task in registry.tasks().items()
    }
    if json:
        say(writer.dumps(found, indent=2))
        return
    import textwrap

    for name, about in found.items():
        say(f"{name}: {about['summary']}")
        say(f"  picks the best checkpoint by: {about['monitor']}")
        say(textwrap.fill("models: " + ", ".join(about["models"]), 110, initial_indent="  ", subsequent_indent="    "))
