"""What may change when a run goes on, and which run is the last: epochs and the machine, never the training itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zorki.engine.run.checkpoints import LAST
from zorki.engine.run.folder import ABOUT, RESULTS, is_run
from zorki.errors import RecipeError, WeightsError
from zorki.recipe import Recipe
from zorki.settings import by_field

MACHINE = ("device", "devices", "nodes", "batch_size")
"""Of these another value gives other sums, and so other losses in the last bits; another batch size other steps."""

CHANGEABLE = (
    "epochs", "time", "workers", *MACHINE, "memory_format", "threads", "checkpoint_minutes", "checkpoint_steps",
    "log_every", "wandb", "mlflow", "log_images",
)  # fmt: skip
"""Settings that may be given anew: how long to train, and what computes and records it."""


def changed(about: Mapping[str, Any], changes: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The content of run.json with these settings changed, and a sentence for each that did.

    Raises:
        RecipeError: a setting would make it another training.
    """
    changes = by_field(changes, Recipe)
    other = [name for name in changes if name not in CHANGEABLE]
    if other:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in other)
        may = ", ".join(CHANGEABLE)
        raise RecipeError(
            f"{flags}: would change the training, and a run goes on as it began. Leave it out, or start a new run with "
            f"--weights RUN. What may change: {may}"
        )
    before = dict(about["recipe"])
    values = Recipe.of({name: value for name, value in changes.items()}).to_json()
    new = [name for name in changes if str(values[name]) != str(before.get(name))]  # older runs count devices
    changes_made = [f"{name}: {before.get(name)} -> {values[name]}" for name in new]
    if "epochs" in new and before.get("scheduler") in ("cosine", "one-cycle", "multistep"):
        changes_made.append(f"the {before['scheduler']} schedule now spans {values['epochs']} epochs")
    if machine := [name for name in new if name in MACHINE]:
        changes_made.append(
            f"with another {' and '.join(machine)}, losses are no longer those of the unbroken run to the last bit"
        )
    recipe = {**before, **{name: values[name] for name in changes}}
    explicit = {**about.get("explicit", {}), **{name: values[name] for name in changes}}
    return {**about, "recipe": recipe, "explicit": explicit}, changes_made


def last_run(out: Path, *, finished: bool = False) -> Path:
    """The newest run in a folder of runs that can go on.

    Args:
        finished: whether a run that has all its epochs counts, since it is to get more.

    Raises:
        WeightsError: there is none.
    """
    runs = [folder for folder in out.iterdir() if is_run(folder)] if out.is_dir() else []
    open_ones = [folder for folder in runs if finished or not (folder / RESULTS).exists()]
    if not open_ones:
        why = "none" if not runs else "none that is unfinished; a finished one takes --epochs N"
        raise WeightsError(f"{out}: expected a run to go on with, found {why}")
    return max(open_ones, key=_written)


def _written(folder: Path) -> float:
    return max((folder / name).stat().st_mtime for name in (ABOUT, LAST) if (folder / name).exists())
