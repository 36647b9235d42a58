"""`zorki identify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from zorki.cli.flags.json_output import PRINTED, Json, put_json
from zorki.cli.flags.machine import BatchSize, Device, Strict
from zorki.cli.vectors.flags import Address, AskedBy, Page, page_folder
from zorki.errors import RecipeError
from zorki.output import say

PRINTED_QUERIES = 20  # that are printed one by one


def identify(
    index: Address,
    *queries: Annotated[str, Parameter(help="Files, folders and globs of images.")],
    threshold: Annotated[
        float | None, Parameter(help="Similarity from which on a name is said, -1 to 1; empty: the index's own.")
    ] = None,
    val: Annotated[
        Path | None,
        Parameter(help="Images of classes that are in no gallery, to choose the threshold on; empty: the run's own."),
    ] = None,
    far: Annotated[
        float | None, Parameter(help="Choose the threshold at this false accept rate, 0 to 1; empty: 0.01.")
    ] = None,
    run: AskedBy = None,
    out: Page = None,
    json: Json = None,
    batch_size: BatchSize = None,
    device: Device = None,
    strict: Strict = False,
) -> None:
    """Tell who or what is on images, of those in an index, or nobody of them.

    zorki identify people somebody.jpg
    zorki identify people photos/ --val strangers/ --far 0.001 --out page
    """
    from zorki.engine.search.index import Index

    if not queries:
        raise RecipeError("expected images behind the index, such as: zorki identify people somebody.jpg")
    if threshold is not None and (val is not None or far is not None):
        raise RecipeError("--threshold is chosen already; leave out --val and --far")
    with page_folder(out, "identify") as folder:
        quiet = json == PRINTED
        opened = Index(index, run=run, device=device, batch_size=batch_size, quiet=quiet)
        if val is not None or far is not None:
            chosen = opened.choose_threshold(val, far=0.01 if far is None else far)
            if not quiet:
                say(str(chosen))
        results = opened.identify(list(queries), threshold=threshold, strict=strict)
        if not quiet:
            for result in results[:PRINTED_QUERIES]:
                best = result.candidates[0]
                who = "nobody known" if result.name is None else result.name
                near = f"; the nearest is {best.name}" if result.name is None else ""
                score = f"similarity {result.similarity:.4f}, threshold {result.threshold:.4f}"
                say(f"{result.query}: {who} ({score}{near})")
            if len(results) > PRINTED_QUERIES:
                say("...")
        if json is not None:
            shown = None if threshold is not None or opened.threshold is None else opened.threshold.to_json()
            put_json(json, {"index": opened.store.place, "threshold": shown, "results": [_row(one) for one in results]})
        if folder is not None:
            from zorki.engine.search.pages import write_identification

            page = write_identification(folder, opened, results, None if threshold is not None else opened.threshold)
            if not quiet:
                say(f"page: {page}")


def _row(result: Any) -> dict[str, Any]:
    candidates = [{"name": one.name, "similarity": one.similarity, "id": one.neighbor.id} for one in result.candidates]
    return {"query": result.query, "name": result.name, "threshold": result.threshold, "candidates": candidates}
