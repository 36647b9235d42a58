"""`zorki verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from zorki.cli.flags.data import AllowOutside
from zorki.cli.flags.json_output import PRINTED, Json, put_json
from zorki.cli.flags.machine import BatchSize, Device
from zorki.cli.flags.prediction import Options
from zorki.cli.vectors.flags import Far, Page, Weights, page_folder
from zorki.errors import RecipeError
from zorki.output import say

PRINTED_PAIRS = 20  # that are printed one by one


def verify(
    run: Annotated[str, Parameter(help="A run's folder; or a model's name, with --weights.")],
    *images: Annotated[
        str, Parameter(help="Two images; or a CSV with the columns a and b, and same where it is known.")
    ],
    threshold: Annotated[
        float | None, Parameter(help="Similarity from which on both are the same, -1 to 1; empty: of the validation.")
    ] = None,
    far: Far = 0.01,
    out: Page = None,
    json: Json = None,
    weights: Weights = None,
    batch_size: BatchSize = None,
    device: Device = None,
    allow_outside: AllowOutside = False,
    options: Options = None,
) -> None:
    """Tell whether two images show the same person or thing.

    zorki verify runs/triplet_resnet18-1 a.jpg b.jpg
    zorki verify runs/triplet_resnet18-1 pairs.csv --far 0.001 --out page
    """
    from dataclasses import asdict

    from zorki.engine.search.network import EmbeddingNetwork
    from zorki.engine.search.verification import check_pair, read_pairs, verify

    if len(images) not in (1, 2) or (len(images) == 1 and not images[0].lower().endswith(".csv")):
        files = "1 file" if len(images) == 1 else f"{len(images)} files"
        raise RecipeError(f"{files}; expected two images, or one CSV of pairs: zorki verify RUN A B")
    pairs = check_pair(*images) if len(images) == 2 else read_pairs(Path(images[0]), allow_outside=allow_outside)
    with page_folder(out, "verify") as folder:
        quiet = json == PRINTED
        network = EmbeddingNetwork(run, weights=weights, options=options, device=device, batch_size=batch_size)
        found = verify(network, pairs, threshold=threshold, far=far, tell=(lambda words: None) if quiet else say)
        if not quiet:
            for one in found.pairs[:PRINTED_PAIRS]:
                decided = "" if one.accepted is None else "same: " if one.accepted else "different: "
                say(f"{one.pair.a} {one.pair.b}: {decided}distance {one.distance:.4f}, similarity {one.similarity:.4f}")
            if len(found.pairs) > PRINTED_PAIRS:
                say("...")
            say(
                found.threshold_source
                if found.threshold is None
                else f"threshold {found.threshold:.4f} {found.threshold_source}"
            )
            if found.scores is not None:
                for name, value in vars(found.scores).items():
                    if isinstance(value, int | float):
                        say(f"{name} {value:.4f}" if isinstance(value, float) else f"{name} {value}")
        if json is not None:
            put_json(json, asdict(found))
        if folder is not None:
            from zorki.engine.search.pages import write_verification

            page = write_verification(folder, found)
            if not quiet:
                say(f"page: {page}")
