"""`zorki search`."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter

from zorki.cli.flags.json_output import PRINTED, Json, put_json
from zorki.cli.flags.machine import BatchSize, Device, Strict
from zorki.cli.vectors.flags import Address, AskedBy, Page, page_folder
from zorki.errors import RecipeError
from zorki.output import say

PRINTED_QUERIES = 20  # that are printed one by one


def search(
    index: Address,
    *queries: Annotated[str, Parameter(help="Files, folders and globs of images; or vectors of `zorki embed`.")],
    k: Annotated[int | None, Parameter(name=["--k", "-k"], help="Number of neighbors; empty: 10, or all.")] = None,
    where: Annotated[
        dict[str, str] | None, Parameter(help="Only entries with this text in a column: --where.name alice.")
    ] = None,
    run: AskedBy = None,
    out: Page = None,
    json: Json = None,
    batch_size: BatchSize = None,
    device: Device = None,
    strict: Strict = False,
) -> None:
    """Find the images of an index that are nearest to others.

    zorki search index cat.jpg -k 5
    zorki search index queries/ --out page
    zorki search index cat.jpg --where.name cats --json
    """
    from zorki.engine.search.index import Index

    if not queries:
        raise RecipeError("expected images behind the index, such as: zorki search index cat.jpg")
    with page_folder(out, "search") as folder:
        quiet = json == PRINTED
        opened = Index(index, run=run, device=device, batch_size=batch_size, quiet=quiet)
        results = opened.search(list(queries), k=k, where=where, strict=strict)
        if not quiet:
            for result in results[:PRINTED_QUERIES]:
                say(f"{result.query}:" if result.neighbors else f"{result.query}: no entry fits --where")
                for one in result.neighbors:
                    name = f"  {one.columns['name']}" if one.columns.get("name") else ""
                    say(f"  distance {one.distance:.4f}  similarity {one.similarity:.4f}  {one.id}{name}")
            if len(results) > PRINTED_QUERIES:
                say("...")
        rows = [{"query": result.query, "neighbors": [_row(one) for one in result.neighbors]} for result in results]
        if json is not None:
            put_json(json, {"index": opened.store.place, "distance": "euclidean, not squared", "results": rows})
        if folder is not None:
            from zorki.engine.search.pages import write_search

            page = write_search(folder, opened, results)
            if not quiet:
                say(f"page: {page}")


def _row(one: Any) -> dict[str, Any]:
    return {"id": one.id, "distance": one.distance, "similarity": one.similarity, **one.columns}
