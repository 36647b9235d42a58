"""`zorki embed`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from zorki.cli.flags.machine import BatchSize, Device, Strict
from zorki.cli.flags.prediction import Options
from zorki.cli.vectors.flags import CropConf, CropsFrom, Ids, Split, Weights
from zorki.errors import RecipeError
from zorki.output import say


def embed(
    run: Annotated[str, Parameter(help="A run's folder; or a model's name, with --weights.")],
    *images: Annotated[str, Parameter(help="Files, folders and globs of images.")],
    out: Annotated[
        Path, Parameter(help="New folder for vectors.npy and ids.csv; or a new file, where it ends in .parquet.")
    ] = Path("vectors"),
    split: Split = None,
    ids: Ids = None,
    boxes_from: CropsFrom = None,
    conf: CropConf = None,
    weights: Weights = None,
    batch_size: BatchSize = None,
    device: Device = None,
    strict: Strict = False,
    options: Options = None,
) -> None:
    """Write the embeddings of images as .npy with ids.csv, or Parquet.

    zorki embed runs/triplet_resnet18-1 photos/ --out vectors
    zorki embed runs/triplet_resnet18-1 photos/ --out vectors.parquet
    """
    from zorki.engine.search.index import entries_of
    from zorki.engine.search.network import EmbeddingNetwork
    from zorki.index.vector_files import check_new_vectors, write_vectors

    if not images:
        raise RecipeError("expected images behind the run, such as: zorki embed runs/triplet_resnet18-1 photos/")
    check_new_vectors(out)  # before anything is worked out
    network = EmbeddingNetwork(run, weights=weights, options=options, device=device, batch_size=batch_size)
    detector = None if boxes_from is None else str(boxes_from)
    entries, root = entries_of(
        network, list(images), say, split=split, ids=ids, boxes_from=detector, conf=conf, strict=strict
    )
    about = {"fingerprint": network.fingerprint.to_json(), **network.source, "root": str(root.resolve())}
    write_vectors(out, entries, about)
    say(f"{len(entries)} {'vector' if len(entries) == 1 else 'vectors'} of {network.dim} numbers: {out}")
