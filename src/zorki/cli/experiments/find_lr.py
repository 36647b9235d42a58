"""`zorki find-lr`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from zorki.cli.flags.json_output import PRINTED, Json, put_json
from zorki.cli.flags.recipe import Flags, given_settings, model_and_data, read_recipe
from zorki.output import say


def find_lr(
    model: Annotated[
        str | None, Parameter(help="Name of a model; `zorki models` lists them. Empty: chosen for the data.")
    ] = None,
    data: Annotated[str | None, Parameter(help="Folder or file with your images, or scenes:COUNT@SIZE.")] = None,
    *,
    recipe: Annotated[Path | None, Parameter(help="Settings from this recipe.yaml; flags take precedence.")] = None,
    min_lr: Annotated[float, Parameter(help="First learning rate.")] = 1e-7,
    max_lr: Annotated[
        float, Parameter(help="Last learning rate; the test ends sooner where the loss explodes.")
    ] = 10.0,
    steps: Annotated[int, Parameter(help="Optimizer steps, one a learning rate.")] = 100,
    json: Json = None,
    flags: Annotated[Any, Parameter(name="*")] = Flags(),  # noqa: B008
) -> None:
    """Find a learning rate: a range test (Smith, 2015) of 100 steps on a copy, with a plot.

    Takes all settings of `zorki train`, and trains nothing: a training after it is what it would have been without.
    Writes find_lr.html, .svg and .json into OUT/find-lr-1, -2, ... A flat curve gets no proposal.

    zorki find-lr resnet18 photos/
    zorki find-lr resnet18 photos/ --weights imagenet --optimizer adamw --batch-size 32
    """
    from zorki.engine.lr_finder.find_lr import find_lr as search
    from zorki.engine.lr_finder.find_lr import write_curve
    from zorki.files import new_output

    model, data = model_and_data("find-lr", model, data)
    settings = {**(read_recipe(recipe) if recipe is not None else {}), **given_settings(flags)}
    above, name = settings.get("out", "runs"), settings.pop("name", None)
    with new_output(None if name is None else Path(above) / name, "find-lr", above) as folder:
        curve = search(
            model, data, min_lr=min_lr, max_lr=max_lr, steps=steps, quiet=json == PRINTED, **settings
        )  # fmt: skip
        page = write_curve(curve, folder, title=f"Learning rate range test of {model or 'the model chosen'}")
    if json is not None:
        put_json(json, curve.to_json())
    if json != PRINTED:
        say(str(curve))
        say(f"plot: {page}")


find_lr.__annotations__["flags"] = Annotated[Flags, Parameter(name="*")]
