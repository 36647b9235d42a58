"""Some of a data set's images, with their boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from zorki.data.annotations.boxes.dataset import BoxDataset


def subset(data: BoxDataset, kept: Sequence[int]) -> BoxDataset:
    """The data set of the images `kept`, in that order; classes and defects stay, splits lose the others."""
    bounds = [data.rows(index) for index in kept]
    rows = np.concatenate([np.arange(0), *(np.arange(rows.start, rows.stop) for rows in bounds)]).astype(np.int64)
    new = {old: place for place, old in enumerate(kept)}
    columns: dict[str, Any] = {
        name: None if (values := getattr(data, name)) is None else values[rows]
        for name in ("xyxy", "labels", "crowd", "difficult", "areas", "annotation_ids")
    }
    return replace(
        data,
        names=[data.names[index] for index in kept],
        sizes=data.sizes[list(kept)].reshape(-1, 2),
        offsets=np.cumsum([0, *(rows.stop - rows.start for rows in bounds)]).astype(np.int64),
        splits={split: [new[index] for index in indices if index in new] for split, indices in data.splits.items()},
        image_ids=None if data.image_ids is None else [data.image_ids[index] for index in kept],
        segments=None if data.segments is None else [data.segments[row] for row in rows.tolist()],
        embedded=frozenset(new[index] for index in data.embedded if index in new),
        **columns,
    )
