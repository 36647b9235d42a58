"""`zorki duplicates`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from zorki.cli.flags.json_output import PRINTED, Json, put_json
from zorki.cli.flags.machine import BatchSize, Device, Strict
from zorki.cli.vectors.flags import Page, Weights, page_folder
from zorki.errors import RecipeError
from zorki.output import say

PRINTED_PAIRS = 20  # that are printed one by one


def duplicates(
    *images: Annotated[str, Parameter(help="Files, folders and globs of images; with --across one dataset.")],
    run: Annotated[
        str | None,
        Parameter(help="Compare by the embeddings of this run; empty: by OpenCV's perceptual hash (extra cv)."),
    ] = None,
    across: Annotated[
        str | None, Parameter(help="Splits, such as train,test: only pairs of two of them are told.")
    ] = None,
    threshold: Annotated[
        float | None,
        Parameter(help="Minimum cosine of embeddings, 0.95; of hashes the bits of 64 that may differ, 4."),
    ] = None,
    weights: Weights = None,
    out: Page = None,
    json: Json = None,
    batch_size: BatchSize = None,
    device: Device = None,
    strict: Strict = False,
) -> None:
    """Find images that are nearly the same, also across splits.

    zorki duplicates photos/
    zorki duplicates photos/ --across train,test --out page
    zorki duplicates photos/ --run runs/triplet_resnet18-1 --threshold 0.98
    """
    from dataclasses import asdict

    from zorki.engine.search.duplicates import duplicates as find

    if not images:
        raise RecipeError("expected images, such as: zorki duplicates photos/")
    if weights is not None and run is None:
        raise RecipeError("--weights go with a model's name: --run MODEL --weights FILE")
    with page_folder(out, "duplicates") as folder:
        quiet = json == PRINTED
        network = None
        if run is not None:
            from zorki.engine.search.network import EmbeddingNetwork

            network = EmbeddingNetwork(run, weights=weights, device=device, batch_size=batch_size)
        report = find(
            list(images), network=network, across=None if across is None else across.split(","), threshold=threshold,
            strict=strict, tell=(lambda words: None) if quiet else say,
        )  # fmt: skip
        if not quiet:
            for pair in report.pairs[:PRINTED_PAIRS]:
                splits = "" if pair.splits is None else f"  {pair.splits[0]} {pair.splits[1]}"
                say(f"{pair.closeness:g}  {pair.a}  {pair.b}{splits}")
            if len(report.pairs) > PRINTED_PAIRS:
                say("...")
            say(f"{report.count} images compared by {report.method}, threshold {report.threshold:g}")
            say(f"{len(report.pairs)} pairs in {len(report.groups)} groups")
        if json is not None:
            put_json(json, asdict(report))
        if folder is not None:
            from zorki.engine.search.pages import write_duplicates

            page = write_duplicates(folder, report)
            if not quiet:
                say(f"page: {page}")
