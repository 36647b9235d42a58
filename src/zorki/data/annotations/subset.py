"""Some of a data set's images, with their masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from zorki.data.annotations.boxes.subset import subset
from zorki.data.annotations.instances.dataset import InstanceDataset
from zorki.data.annotations.masks.dataset import MaskDataset


def keep_objects(data: InstanceDataset, kept: Sequence[int]) -> InstanceDataset:
    """The data set of the images `kept`, in that order; classes and defects stay, splits lose the others."""
    spans = [data.boxed.rows(index) for index in kept]
    rows = np.concatenate([np.arange(0), *(np.arange(span.start, span.stop) for span in spans)]).astype(np.int64)
    texts = [data.counts[data.bounds[row] : data.bounds[row + 1]] for row in rows.tolist()]
    bounds = np.concatenate([[0], np.cumsum(np.diff(data.bounds)[rows])]).astype(np.int64)
    return InstanceDataset(subset(data.boxed, kept), np.concatenate([data.counts[:0], *texts]), bounds)


def keep_masks(data: MaskDataset, kept: Sequence[int]) -> MaskDataset:
    """Likewise of masks of classes."""
    new = {old: place for place, old in enumerate(kept)}
    return replace(
        data,
        names=[data.names[index] for index in kept],
        masks=[data.masks[index] for index in kept],
        sizes=data.sizes[list(kept)].reshape(-1, 2),
        counts=data.counts[list(kept)],
        splits={split: [new[index] for index in indices if index in new] for split, indices in data.splits.items()},
    )
