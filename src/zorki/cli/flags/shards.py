"""`--format`, `--shard-size` and `--resume` of `zorki predict`, where the predictions of many images go to shards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from zorki.errors import RecipeError

Format = Annotated[
    Literal["jsonl", "parquet"] | None,
    Parameter(help="Of many images: write shards of predictions, JSON Lines or Parquet, and draw nothing."),
]
ShardSize = Annotated[int | None, Parameter(help="Of many images: how many to a shard; empty: 1000.")]
Resume = Annotated[
    bool | str | None,
    Parameter(
        help="Go on in this folder, where a prediction was stopped; of shards also without a folder, in --out.",
        negative="",
    ),
]
On = Annotated[
    Literal["local", "ray"],
    Parameter(help="Of many images: where they are predicted, here or on a Ray cluster (RAY_ADDRESS)."),
]
Workers = Annotated[
    int | None, Parameter(help="With --on ray: processes, each with the model; empty: one for each GPU, or node.")
]
OF_SHARDS = ("conf", "iou", "max_det", "classes", "weights", "tile", "overlap", "options", "boxes_from")


def is_sharded(places: Sequence[str | None], resume: bool | str | None, shards: Mapping[str, Any]) -> bool:
    """Whether the words ask for shards, by a flag, or by the address of a bucket among the places."""
    from zorki.engine.prediction.shards.manifest import is_begun
    from zorki.engine.prediction.shards.store import is_address

    asked = resume is True or any(value is not None for value in shards.values())
    asked = asked or any(is_address(place) for place in places if place is not None)
    return asked or (isinstance(resume, str) and is_begun(resume))


def predict_into_shards(
    run: str | None,
    sources: Sequence[str],
    out: str | None,
    resume: bool | str | None,
    settings: Mapping[str, Any],
    shards: Mapping[str, Any],
    machine: Mapping[str, Any],
) -> int:
    """The exit code: 1 where images failed. `machine` says by what they are predicted: batch size, device, ..."""
    from zorki.engine.prediction.shards.predict_shards import predict_shards
    from zorki.engine.prediction.shards.work import ShardSettings

    typed = {name: value for name, value in {**settings, **shards}.items() if value is not None and value is not False}
    if other := [name for name in typed if name not in (*OF_SHARDS, *shards)]:
        raise RecipeError(f"--{other[0].replace('_', '-')} is of videos, and shards are made of images; leave one out")
    if isinstance(resume, str):
        _refuse_words(
            ["RUN"] * (run is not None)
            + [f"--{name.replace('_', '-')}" for name in typed]
            + ["--out"] * (out is not None)
        )
        run, source, typed = _begun(resume)
        out = resume
    elif run is None or len(sources) != 1 or out is None:
        raise RecipeError(
            "shards are made of one folder, in a folder: zorki predict model.onnx photos/ --out shards --format jsonl"
        )
    else:
        (source,) = sources
    for name in ("weights", "boxes_from"):
        typed |= {name: str(typed[name])} if name in typed else {}
    summary = predict_shards(run, source, out, ShardSettings(**typed), resume=bool(resume), **machine)
    return int(summary.failed > 0)


def _refuse_words(given: Sequence[str]) -> None:
    if given:
        raise RecipeError(f"--resume FOLDER goes on as the prediction began; leave out {given[0]}")


def _begun(folder: str) -> tuple[str, str, dict[str, Any]]:
    """Run, source and settings of the shards in a folder."""
    from zorki.engine.prediction.shards.manifest import read_manifest
    from zorki.engine.prediction.shards.store import open_output

    values = read_manifest(open_output(folder))
    command = values["command"]
    names = (*OF_SHARDS, "format", "shard_size")
    settings = {name: command[name] for name in names if command.get(name) is not None}
    return values["run"], command["source"], settings
