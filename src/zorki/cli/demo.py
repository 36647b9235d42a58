"""`zorki demo`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from cyclopts import Parameter

from zorki.errors import RecipeError, did_you_mean
from zorki.output import say


def demo(
    task: Annotated[
        str | None, Parameter(help="Task to show; `zorki tasks` lists them; or tracking_many. Empty: the first.")
    ] = None,
    *,
    epochs: Annotated[int | None, Parameter(help="Passes over the training images.")] = None,
    out: Annotated[str, Parameter(help="Folder that holds the runs.")] = "runs",
) -> None:
    """Train a small model on built-in images, and write its report.

    zorki demo
    zorki demo detection
    zorki demo tracking_many
    """
    from zorki import registry
    from zorki.engine.training.train import train

    presentations = {name: one.presentation for name, one in registry.tasks().items()}
    examples = {name: one.example for name, one in presentations.items() if one.example}
    for one in presentations.values():
        examples |= one.further_examples
    example = examples.get(next(iter(examples)) if task is None else task)
    if example is None:
        raise RecipeError(f"no demo for {task!r}.{did_you_mean(str(task), examples)} There are: {', '.join(examples)}")
    chosen: dict[str, Any] = {**example.settings, "out": out} | ({"epochs": epochs} if epochs is not None else {})
    run = train(example.model, example.data, **chosen)
    words = " ".join(_flag(name, value) for name, value in chosen.items() if name != "out")
    say(f"\nOpen {run.report} in a browser. The same by hand:")
    say(f"    zorki train {example.model} {example.data} {words}")
    say(f"On your own {example.own_data}:")
    say(f"    zorki train {example.own_model} YOUR_IMAGES/ {example.own_flags}")
    if example.video is not None:
        from zorki.engine.example_video import try_on_video

        try_on_video(run, example.video, run.folder / "video", say)


def _flag(name: str, value: Any) -> str:
    """A setting as it is typed; of options one flag each."""
    if isinstance(value, Mapping):
        return " ".join(f"--{name}.{key} {one}" for key, one in value.items())
    return f"--{name.replace('_', '-')} {value}"
