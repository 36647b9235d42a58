"""Some of a dataset's images, with their annotations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from zorki.data.annotations.boxes.dataset import BoxDataset
from zorki.data.annotations.instances.dataset import InstanceDataset
from zorki.data.annotations.keypoints.dataset import KeypointDataset
from zorki.data.annotations.masks.dataset import MaskDataset


def subset_boxes(data: BoxDataset, kept: Sequence[int]) -> BoxDataset:
    """The dataset of the images `kept`, in that order; classes and defects stay, splits lose the others."""
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


def subset_instances(data: InstanceDataset, kept: Sequence[int]) -> InstanceDataset:
    """The dataset of the images `kept`, in that order; classes and defects stay, splits lose the others."""
    spans = [data.boxed.rows(index) for index in kept]
    rows = np.concatenate([np.arange(0), *(np.arange(span.start, span.stop) for span in spans)]).astype(np.int64)
    texts = [data.counts[data.bounds[row] : data.bounds[row + 1]] for row in rows.tolist()]
    bounds = np.concatenate([[0], np.cumsum(np.diff(data.bounds)[rows])]).astype(np.int64)
    return InstanceDataset(subset_boxes(data.boxed, kept), np.concatenate([data.counts[:0], *texts]), bounds)


def subset_keypoints(data: KeypointDataset, kept: Sequence[int]) -> KeypointDataset:
    """Likewise of joints."""
    spans = [data.boxed.rows(index) for index in kept]
    rows = np.concatenate([np.arange(0), *(np.arange(span.start, span.stop) for span in spans)]).astype(np.int64)
    columns = (data.points[rows], data.flags[rows], data.boxless[rows])
    return KeypointDataset(subset_boxes(data.boxed, kept), data.skeleton, *columns)


def subset_masks(data: MaskDataset, kept: Sequence[int]) -> MaskDataset:
    """Likewise of masks of classes."""
    new = {old: place for place, old in enumerate(kept)}
    return replace(
        data,
        names=[data.names[index] for index in kept],
        masks=[data.masks[index] for index in kept],
        sizes=data.sizes[list(kept)].reshape(-1, 2),
        counts=data.counts[list(kept)],
        segments=None if data.segments is None else data.segments.subset(kept),
        splits={split: [new[index] for index in indices if index in new] for split, indices in data.splits.items()},
    )
