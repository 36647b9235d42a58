"""`zorki info`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from zorki.cli.flags.json_output import PRINTED, Json, put_json
from zorki.output import say

if TYPE_CHECKING:
    from torch import nn

    from zorki.introspection.ledger import Ledger
    from zorki.registry import Entry


def info(
    model: Annotated[str, Parameter(help="Name of a model, or folder of a run.")],
    *,
    image_size: Annotated[
        int | None, Parameter(help="Side of the square input, in pixels; empty: the model's own.")
    ] = None,
    classes: Annotated[
        int | None,
        Parameter(
            help="Number of classes; empty: the run's, else 80 for detectors, 21 for segmenters, and 1000 for others."
        ),
    ] = None,
    hidden: Annotated[bool, Parameter(help="Show in-place layers too: activations, dropout.", negative="")] = False,
    json: Json = None,
) -> None:
    """Print a model layer by layer: shapes, memory, parameters, FLOPs, receptive field.

    The columns: `values` are activations of one image, MMACs are millions of multiply-adds (two
    FLOPs each), `sees` is the receptive field in pixels, and `jump` the pixels between neighboring positions.
    """
    from zorki.introspection.ledger import COLUMNS

    entry, network, about = _build(model, image_size, classes)
    table = _ledger(network, about["size"])
    weights = _published(entry)
    backbone = dict(network.named_children()).get("backbone")
    maps = {"channels": list(getattr(backbone, "channels", ())), "strides": list(getattr(backbone, "strides", ()))}
    if json is not None:
        put_json(json, {**about, "backbone": maps, "weights": weights, **table.to_json()})
        if json == PRINTED:
            return
    import inspect

    from zorki.cli.models import print_columns

    say(f"{entry.name}: {inspect.getdoc(entry.build) or ''}")
    say(f"{about['classes']} classes, input {about['size']}x{about['size']}\n")
    print_columns(COLUMNS, table.table(hidden=hidden), right=set(range(3, len(COLUMNS))))
    say(f"\n{table.totals()}")
    say(table.sight())
    if maps["channels"]:
        pairs = zip(maps["channels"], maps["strides"], strict=True)
        say("backbone's maps: " + ", ".join(f"{channels} channels at stride {stride}" for channels, stride in pairs))
    for one in weights:
        say(_sentence(one))
    if not weights:
        say("no published weights")


def _build(model: str, size: int | None, classes: int | None) -> tuple[Entry, nn.Module, dict[str, Any]]:
    """The registry's entry, the network without memory, and what it was built with."""
    from zorki import registry
    from zorki.cli.models import usual_classes
    from zorki.engine.run.build import build_trained
    from zorki.engine.run.folder import read_about, recipe_of
    from zorki.hub import is_address, local_path
    from zorki.nn.layers.initialize import without_values
    from zorki.recipe import Recipe

    options: dict[str, Any] = {} if size is None else {"image_size": size}
    name, run, recipe, saved = model, None, Recipe(), None
    if is_address(model):
        model = str(local_path(model))
    if Path(model).is_dir():
        trained = read_about(Path(model))
        name, recipe, saved = trained["model"], recipe_of(trained), trained.get("preprocess")
        classes, run = classes or len(trained["class_names"]), model
    entry = registry.find(name)
    classes = classes or usual_classes(entry)
    with without_values():
        network = build_trained(name, classes, recipe, saved, options)
    preprocess = network.preprocess.to_json()
    side = size or preprocess.get("size") or 224
    about = {"model": entry.name, "task": entry.task.name, "run": run, "classes": classes, "size": int(side)}
    return entry, network, {**about, "preprocess": preprocess}


def _ledger(network: nn.Module, size: int) -> Ledger:
    import torch

    from zorki.contracts.capabilities import TakesClips
    from zorki.errors import RecipeError
    from zorki.introspection.ledger import ledger

    frames = [network.clip_frames] if isinstance(network, TakesClips) else []
    try:
        return ledger(network, torch.empty(1, 3, *frames, size, size, dtype=torch.uint8, device="meta"))
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise RecipeError(
            f"the network cannot take images of {size}x{size}: {reason}; try another --image-size"
        ) from error


def _published(entry: Entry) -> list[dict[str, Any]]:
    from zorki.weights import published

    return [
        {
            "word": one.word,
            "source": one.source,
            "url": one.url,
            "cached": str(one.cached) if one.cached else None,
            "bytes": one.size,
            "top1": one.top1,
            "license": one.license,
        }
        for one in published(entry.weights)
    ]


def _sentence(one: dict[str, Any]) -> str:
    facts = [one["source"]]
    facts += [f"{one['bytes'] / 1e6:,.1f} MB"] if one["bytes"] else []
    facts += [f"top-1 {one['top1']:.3f} on ImageNet as published"] if one["top1"] else []
    facts += [f"license {one['license']}"] if one["license"] else []
    facts += [f"here: {one['cached']}" if one["cached"] else "not downloaded yet"]
    return f"--weights {one['word']}: {', '.join(facts)}"
