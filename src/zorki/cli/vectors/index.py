"""`zorki index`."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from zorki.cli.flags.machine import BatchSize, Device, Strict
from zorki.cli.flags.prediction import Options
from zorki.cli.vectors.flags import CropConf, CropsFrom, Ids, Split, Weights
from zorki.errors import RecipeError, ZorkiError
from zorki.output import say


def index(
    run: Annotated[str | None, Parameter(help="A run's folder; or a model's name, with --weights.")] = None,
    *images: Annotated[str, Parameter(help="Files, folders and globs of images; or vectors that `zorki embed` wrote.")],
    out: Annotated[
        str | None,
        Parameter(help="New index: a folder, lancedb:FOLDER, milvus:FILE.db, milvus:http://...; empty: runs/index-1."),
    ] = None,
    into: Annotated[str | None, Parameter(help="Add to this index, or remove from it, in place of a new one.")] = None,
    remove: Annotated[list[str] | None, Parameter(help="Ids to take out of the index --into.", negative="")] = None,
    kind: Annotated[
        Literal["auto", "exact", "hnsw", "ivf"],
        Parameter(help="How a folder is searched; auto: exact up to 200,000 vectors, hnsw (extra index) above."),
    ] = "auto",
    split: Split = None,
    ids: Ids = None,
    boxes_from: CropsFrom = None,
    conf: CropConf = None,
    val: Annotated[
        Path | None,
        Parameter(help="Images of classes that are in no gallery, to choose the threshold of `zorki identify` on."),
    ] = None,
    far: Annotated[
        float | None,
        Parameter(help="False accept rate at which the threshold is chosen on --val, 0 to 1; empty: 0.01."),
    ] = None,
    weights: Weights = None,
    batch_size: BatchSize = None,
    device: Device = None,
    strict: Strict = False,
    options: Options = None,
) -> None:
    """Build an index of images by their embeddings, or add to one.

    zorki index runs/triplet_resnet18-1 photos/ --out index
    zorki index features_squeezenet photos/ --weights imagenet --out index
    zorki index runs/triplet_resnet18-1 street/ --boxes-from runs/fcos_squeezenet-1 --out cars
    zorki index runs/triplet_resnet18-1 more/ --into index
    zorki index --into index --remove old/1.jpg
    """
    from zorki.engine.run.folder import is_run
    from zorki.engine.search.identification import check_rate
    from zorki.engine.search.index import Index
    from zorki.hub import local_path

    if far is not None and val is None:
        raise RecipeError("--far goes with images of strangers: --val DATA")
    if far is not None:
        check_rate(far)
    detector = None if boxes_from is None else str(boxes_from)
    settings: dict[str, Any] = {"device": device, "batch_size": batch_size}
    if into is not None:
        if out is not None or kind != "auto":
            raise RecipeError("--into adds images to an index as it is; leave out --out and --kind")
        if run is not None and not is_run(local_path(run)):  # the index knows its run; the first word is an image
            images = (run, *images)
            run = None
        opened = Index(into, run=run, **settings)
        if not remove and not images:
            raise RecipeError("expected images to add, or --remove IDS")
        if remove:
            opened.remove(remove)
            say(f"{len(remove)} removed")
        if images:
            count = opened.add(list(images), split=split, ids=ids, boxes_from=detector, conf=conf, strict=strict)
            say(f"{count} added")
    else:
        if remove:
            raise RecipeError("--remove takes ids out of an index that is there: --into INDEX")
        if run is None or not images:
            raise RecipeError("expected a run and images, such as: zorki index runs/triplet_resnet18-1 photos/")
        with _new(out) as place:
            opened = Index.build(
                run, list(images), place, split=split, ids=ids, conf=conf,
                boxes_from=detector, kind=kind, weights=weights, options=options,
                strict=strict, **settings,
            )  # fmt: skip
    if val is not None:
        try:
            say(str(opened.choose_threshold(val, far=0.01 if far is None else far)))
        except ZorkiError as error:
            raise ZorkiError(
                f"{error}. The index is whole, in {opened.store.place}, and has no threshold; "
                f"zorki identify {opened.store.place} IMAGE --val DATA chooses one"
            ) from error
    vectors = "1 vector" if len(opened) == 1 else f"{len(opened)} vectors"
    say(f"{vectors} of {opened.store.header.dim} numbers: {opened.store.place}")


def _new(out: str | None) -> AbstractContextManager[str | Path]:
    """A place that is new; of folders told before anything is worked out."""
    from zorki.files import new_output
    from zorki.index.open import split_address

    return nullcontext(out) if out is not None and split_address(out)[0] else new_output(out, "index")
