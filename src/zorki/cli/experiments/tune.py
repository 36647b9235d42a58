"""`zorki tune`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from zorki.cli.flags.json_output import PRINTED, Json, put_json
from zorki.cli.flags.recipe import Flags, given_settings, read_recipe
from zorki.errors import RecipeError
from zorki.output import say


def tune(
    model: Annotated[str, Parameter(help="Name of a model; `zorki models` lists them.")],
    data: Annotated[str, Parameter(help="Folder or file with your images, or scenes:COUNT@SIZE.")],
    *,
    over: Annotated[
        str,
        Parameter(
            help="Settings to search, between commas: lr=log:1e-5:1e-1 by factors, hflip=0:0.5 evenly, "
            "optimizer=sgd|adamw one of these, weight_decay a usual range, options.NAME=... of the model's builder."
        ),
    ],
    budget: Annotated[int, Parameter(help="Trials in all, those that are pruned included.")] = 20,
    sampler: Annotated[
        Literal["tpe", "random", "cmaes", "gp", "qmc"], Parameter(help="How Optuna chooses the next recipe.")
    ] = "tpe",
    storage: Annotated[
        str | None,
        Parameter(
            help="Where the study is kept, a URL such as postgresql://user@host/name, to share it between machines "
            "that run this command with the same --name; empty: a journal in the study's folder."
        ),
    ] = None,
    parallel: Annotated[int, Parameter(help="Trials that run at the same time.")] = 1,
    max_latency: Annotated[
        str | None, Parameter(help="Bound on the time for one image, such as 30ms, that the best recipe keeps.")
    ] = None,
    on: Annotated[
        Literal["local", "ray"], Parameter(help="Where trials run: here, or on a Ray cluster (RAY_ADDRESS).")
    ] = "local",
    recipe: Annotated[Path | None, Parameter(help="Settings from this recipe.yaml; flags take precedence.")] = None,
    quiet: Annotated[bool, Parameter(help="Print nothing.", negative="")] = False,
    json: Json = None,
    flags: Annotated[Any, Parameter(name="*")] = Flags(),  # noqa: B008
) -> None:
    """Search for a better recipe with Optuna, by trials that are scored on validation; test is not evaluated.

    Trial 0 is the default recipe; all settings of `zorki train` hold for every trial. Trials are ordinary runs in
    OUT/tune-MODEL-1, and are pruned after three epochs where they lie below the median. The same command with --name
    goes on. Writes the best recipe.yaml, and tune.html with what mattered.

    zorki tune resnet18 photos/ --budget 20 --over lr=log:1e-5:1e-1,weight_decay,mixup
    zorki tune resnet18 photos/ --over "optimizer=sgd|adamw,lr" --epochs 10 --max-latency 30ms --parallel 2
    """
    from zorki.engine.tuning.latency import latency_of
    from zorki.engine.tuning.page import tuning_json
    from zorki.engine.tuning.tune import tune as search

    seconds = None if max_latency is None else latency_of(max_latency)
    if max_latency is not None and seconds is None:
        raise RecipeError(f"max-latency is {max_latency!r}; expected a time for one image, such as 30ms or 0.1s")
    settings = {**(read_recipe(recipe) if recipe is not None else {}), **given_settings(flags)}
    quiet = quiet or json == PRINTED
    found = search(
        model, data, over=over, budget=budget, sampler=sampler, storage=storage, workers_at_once=parallel,
        max_latency=seconds, on=on, quiet=quiet, **settings,
    )  # fmt: skip
    if json is not None:
        put_json(json, tuning_json(found))
    if not quiet:
        say(f"page: {found.folder / 'tune.html'}; best recipe: {found.folder / 'recipe.yaml'}")


tune.__annotations__["flags"] = Annotated[Flags, Parameter(name="*")]
