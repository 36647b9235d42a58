"""`zorki train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from zorki.cli.flags.recipe import Flags, given_settings, model_and_data, read_recipe
from zorki.errors import RecipeError


def train(
    model: Annotated[
        str | None, Parameter(help="Name of a model; `zorki models` lists them. Empty: chosen for the data.")
    ] = None,
    data: Annotated[str | None, Parameter(help="Folder or file with your images, or scenes:COUNT@SIZE.")] = None,
    *,
    resume: Annotated[
        Path | None,
        Parameter(
            help="Go on with the run in this folder; `last`: the newest in --out. May be given anew: --epochs, "
            "--time, --device, --devices, --batch-size, --workers, --threads, and when to checkpoint and log."
        ),
    ] = None,
    recipe: Annotated[Path | None, Parameter(help="Settings from this recipe.yaml; flags take precedence.")] = None,
    folds: Annotated[
        Literal["group"] | None,
        Parameter(help="Train a run for each group of the data, tested on that group alone, and evaluate all as one."),
    ] = None,
    quiet: Annotated[bool, Parameter(help="Print nothing.", negative="")] = False,
    flags: Annotated[Any, Parameter(name="*")] = Flags(),  # noqa: B008
) -> None:
    """Train a model on your images.

    Empty settings are chosen for you, and every choice is printed. The run's folder (runs/MODEL-1, ...) holds the
    recipe, the log, checkpoints, TensorBoard files and report.html.

    zorki train photos/
    zorki train resnet18 photos/ --epochs 5
    zorki train resnet18 photos/ --weights imagenet --freeze backbone
    zorki train resnet18 photos/ --time 10m
    zorki train unet_resnet18 photos/ --loss ce,dice
    zorki train c3d_bn films/ --folds group
    zorki train --resume runs/resnet18-1
    zorki train --resume last --epochs 50
    """
    given = given_settings(flags)
    if resume is not None:
        if model is not None or recipe is not None:
            other = model if model is not None else "--recipe"
            raise RecipeError(f"--resume goes on as the run began, on its own data; leave out {other}")
        from zorki.engine.run.changes import last_run
        from zorki.engine.training.train import resume as go_on

        out = Path(given.pop("out", "runs"))
        folder = last_run(out, finished="epochs" in given or "time" in given) if str(resume) == "last" else resume
        go_on(folder, quiet=quiet, **given)
        return
    model, data = model_and_data("train", model, data)
    if folds is not None:
        if model is None:
            raise RecipeError("--folds takes the name of a model, too: zorki train MODEL DATA --folds group")
        from zorki.engine.folds import train_folds

        train_folds(model, data, quiet=quiet, **{**(read_recipe(recipe) if recipe is not None else {}), **given})
        return
    from zorki.engine.training.train import train as start

    settings = {**(read_recipe(recipe) if recipe is not None else {}), **given}
    start(model, data, quiet=quiet, **settings)


train.__annotations__["flags"] = Annotated[Flags, Parameter(name="*")]
