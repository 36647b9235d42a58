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
    seeds: Annotated[
        int | None,
        Parameter(
            help="Train so many runs, one after the other, which differ in the seed alone, from --seed on; `zorki "
            "compare` takes their folder. With --resume FOLDER those that are missing."
        ),
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
    zorki train resnet18 photos/ --seeds 5
    zorki train --resume runs/resnet18-1
    zorki train --resume last --epochs 50
    """
    given = given_settings(flags)
    if resume is not None:
        if model is not None or recipe is not None:
            other = model if model is not None else "--recipe"
            raise RecipeError(f"--resume goes on as the run began, on its own data; leave out {other}")
        from zorki.engine.run.changes import last_run
        from zorki.engine.seeds import is_folder_of_seeds, resume_seeds
        from zorki.engine.training.train import resume as go_on

        if is_folder_of_seeds(resume) or seeds is not None:
            if given:
                raise RecipeError(f"runs of several seeds go on as they began; leave out --{next(iter(given))}")
            resume_seeds(resume, seeds, quiet=quiet)
            return
        out = Path(given.pop("out", "runs"))
        folder = last_run(out, finished="epochs" in given or "time" in given) if str(resume) == "last" else resume
        go_on(folder, quiet=quiet, **given)
        return
    model, data = model_and_data("train", model, data)
    if folds is not None and seeds is not None:
        raise RecipeError("--folds and --seeds both make several runs; say one of them")
    if seeds is not None:
        if model is None:
            raise RecipeError("--seeds takes the name of a model, too: zorki train MODEL DATA --seeds 5")
        from zorki.engine.seeds import train_seeds

        train_seeds(model, data, seeds, quiet=quiet, **{**(read_recipe(recipe) if recipe is not None else {}), **given})
        return
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
