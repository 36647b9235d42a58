"""Flags that the verbs about embeddings share."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

Weights = Annotated[str | None, Parameter(help="Weights, where a model is named instead of a run.")]
Address = Annotated[str, Parameter(help="The index: its folder, lancedb:FOLDER, milvus:FILE.db, milvus:http://...")]
AskedBy = Annotated[
    str | None,
    Parameter(help="The run that asks, where it lies elsewhere than when the index was built."),
]
Split = Annotated[
    str | None,
    Parameter(help="Read the images as a dataset, whose classes are the names, and take this split; all: all of it."),
]
Ids = Annotated[
    Path | None,
    Parameter(help="CSV with the columns path and id, and name and others to filter by; empty: paths are the ids."),
]
CropsFrom = Annotated[
    Path | None,
    Parameter(help="A detector's run: what it finds is cut out, with ids path#row; empty: images as a whole."),
]
CropConf = Annotated[float | None, Parameter(help="Minimum score of the detector's boxes; empty: its own threshold.")]
Page = Annotated[Path | None, Parameter(help="New folder for a page to look at; empty: none.")]
Far = Annotated[float, Parameter(help="False accept rate at which the threshold is chosen, 0 to 1.")]


def page_folder(out: Path | None, verb: str) -> AbstractContextManager[Path | None]:
    """The new folder of --out, told before anything is worked out; it goes again where no page comes of it."""
    from zorki.files import new_output

    return nullcontext() if out is None else new_output(out, verb)
