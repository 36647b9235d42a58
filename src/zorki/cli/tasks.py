"""`zorki tasks`."""

from __future__ import annotations

from zorki.cli.flags.json_output import Json, put_json
from zorki.output import say


def tasks(*, json: Json = None) -> None:
    """List the tasks and their models."""
    from zorki import registry

    found = {
        name: {
            "summary": task.summary,
            "monitor": task.monitor,
            "models": [entry.name for entry in registry.entries(task=name)],
        }
        for name, task in registry.tasks().items()
    }
    if json is not None:
        return put_json(json, found)
    import textwrap

    for name, about in found.items():
        say(f"{name}: {about['summary']}")
        say(f"  picks the best checkpoint by: {about['monitor']}")
        say(textwrap.fill("models: " + ", ".join(about["models"]), 110, initial_indent="  ", subsequent_indent="    "))
