"""Shards on a Ray cluster: paths are read here, and actors that hold the model predict and write (Ray Data)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from zorki.engine.prediction.shards.work import Outcome, Shard, ShardSettings, ShardWork
from zorki.engine.ray_cluster import count_gpus, ray_cluster
from zorki.errors import ZorkiError

Row = dict[str, list[Any]]


def predict_on_ray(
    run: str, work: ShardWork, settings: ShardSettings, shards: Iterable[Shard], workers: int | None, **options: Any
) -> Iterator[tuple[Shard, Outcome]]:
    """What becomes of each shard, in the order in which they are written.

    A shard is a block: the process that predicts it writes it, under a name that was chosen here. So a process that is
    killed costs nothing: Ray has another one predict the same block into the same file.

    Args:
        run: the folder of a run, or an exported file, under a path that every node has.
        workers: processes; None: one for each GPU, or each node.
        options: batch size and device of each.

    Raises:
        ZorkiError: Ray is not installed, has no cluster, or a worker cannot work.
    """
    ray = ray_cluster()
    from pyarrow import table
    from ray.data import ActorPoolStrategy, DataContext, from_arrow_refs  # type: ignore[import-not-found, unused-ignore]

    DataContext.get_current().enable_progress_bars = False
    gpus = count_gpus(ray) if options.get("device") != "cpu" else 0
    count = workers or gpus or sum(node["Alive"] for node in ray.nodes())
    # Paths as JSON: bytes that are no text have no place in Arrow. They lie with Ray, which moves them to the disk.
    blocks = [ray.put(table({"number": [one.number], "paths": [json.dumps(one.paths)]})) for one in shards]
    rows = from_arrow_refs(blocks).map_batches(
        ShardActor,
        fn_constructor_args=(run, work.images, work.output, settings, options),
        batch_size=1,
        batch_format="pyarrow",
        compute=ActorPoolStrategy(size=count),
        num_cpus=1,
        num_gpus=1 if gpus else 0,
    )
    try:
        for row in rows.iter_rows():
            shard = Shard(row["number"], tuple(json.loads(row["paths"])))
            yield shard, Outcome(row["images"], [(path, error) for path, error in json.loads(row["failed"])])
    except ray.exceptions.RayError as error:
        cause = error.cause if isinstance(error, ray.exceptions.RayTaskError) else None
        reason = str(cause or error).strip().splitlines()[-1:]
        raise ZorkiError(f"--on ray: a worker cannot go on: {''.join(reason)}") from error


class ShardActor:
    """A process of the cluster that has loaded the model."""

    def __init__(self, run: str, images: Any, output: Any, settings: ShardSettings, options: dict[str, Any]) -> None:
        self._work = ShardWork(settings.predictor(run, **options), images, output, settings.writer())

    def __call__(self, block: Any) -> Row:
        """Predicts and writes the shards of a block."""
        found: Row = {"number": [], "paths": [], "images": [], "failed": []}
        for number, paths in zip(block["number"].to_pylist(), block["paths"].to_pylist(), strict=True):
            outcome = self._work.predict(Shard(number, tuple(json.loads(paths))))
            for name, value in zip(found, (number, paths, outcome.images, json.dumps(outcome.failed)), strict=True):
                found[name].append(value)
        return found
