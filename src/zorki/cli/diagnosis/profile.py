"""`zorki profile`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from zorki.cli.flags.json_output import PRINTED, Json, put_json
from zorki.cli.flags.recipe import flags_without, given_settings, model_and_data, read_recipe
from zorki.output import say

Flags = flags_without("out", "name")


def profile(
    model: Annotated[
        str | None, Parameter(help="Name of a model; `zorki models` lists them. Empty: chosen for the data.")
    ] = None,
    data: Annotated[str | None, Parameter(help="Folder or file with your images, or scenes:COUNT@SIZE.")] = None,
    *,
    recipe: Annotated[Path | None, Parameter(help="Settings from this recipe.yaml; flags take precedence.")] = None,
    seconds: Annotated[float, Parameter(help="Seconds of timed steps, each with and without workers.")] = 10.0,
    json: Json = None,
    flags: Annotated[Any, Parameter(name="*")] = Flags(),  # noqa: B008
) -> None:
    """Show where the time of a training step goes, what holds it up, and the setting that mends it.

    Takes all settings of `zorki train`, trains nothing, and writes nothing.

    zorki profile resnet18 photos/
    zorki profile fcos_squeezenet street/ --batch-size 16 --workers 8 --json
    """
    from zorki.engine.profiling.profile import profile as time_steps

    model, data = model_and_data("profile", model, data)
    settings = {**(read_recipe(recipe) if recipe is not None else {}), **given_settings(flags)}
    settings = {name: value for name, value in settings.items() if name not in ("out", "name")}
    found = time_steps(model, data, seconds=seconds, quiet=json == PRINTED, **settings)
    if json != PRINTED:
        say(str(found))
    if json is not None:
        put_json(json, found.to_json())


profile.__annotations__["flags"] = Annotated[Flags, Parameter(name="*")]
