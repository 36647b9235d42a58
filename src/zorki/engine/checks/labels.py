"""Whether images tell their labels at all: neighbors by plain features vote, and chance is measured beside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zorki.contracts import Dataset
from zorki.data.images import interleaved
from zorki.engine.checks.objects import ObjectTable
from zorki.engine.checks.pixel_table import LUMA, PixelTable, thumbnail
from zorki.engine.checks.report import Inspection
from zorki.errors import DataError
from zorki.types import Label

if TYPE_CHECKING:
    from jaxtyping import Float32, Int64
    from numpy import ndarray

MOST = 3000  # samples that are compared
NEIGHBORS = 5
SHUFFLES = 50  # of the labels, by which chance is measured
SURE = 4.0  # deviations above chance from which on labels are told by the images
FEW = 60  # samples
A_CLASS = 4  # samples a class on average, below which neighbors tell nothing
CROP = 8  # pixels of a crop's thumbnail
BINS = 8  # of the directions of edges


@dataclass(frozen=True)
class Vote:
    """How often neighbors tell the label, in the best of several kinds of features.

    Attributes:
        accuracy: the share of neighbors that agree, in the mean of the classes.
        chance: the same with labels shuffled.
        deviations: by how many of its standard deviations chance is passed.
        count: samples.
    """

    accuracy: float
    chance: float
    deviations: float
    count: int

    def __str__(self) -> str:
        agreeing = f"{self.accuracy:.1%} of the {NEIGHBORS} neighbors of {self.count:,} samples agree"
        return f"{agreeing}, {self.chance:.1%} by chance"


def vote(features: Sequence[Float32[ndarray, "N _"]], labels: Int64[ndarray, " N"]) -> Vote:
    """The vote by the kind of features that tells most."""
    found = [_vote(one, labels) for one in features]
    return max(found, key=lambda one: one.deviations)


def _vote(features: Float32[ndarray, "N D"], labels: Int64[ndarray, " N"]) -> Vote:
    values = features - features.mean(0)
    values = values / np.maximum(values.std(0), 1e-3 * max(float(values.std()), 1e-9))
    squares = np.square(values).sum(1)
    distance = squares[:, None] + squares[None] - 2 * values @ values.T
    np.fill_diagonal(distance, np.inf)
    near = np.argpartition(distance, NEIGHBORS, axis=1)[:, :NEIGHBORS]
    # The labels of samples change places, the neighbors stay: what is left is what shares of classes alone give.
    rng = np.random.default_rng(0)
    by_chance = np.array([_agreement(near, rng.permutation(labels)) for _ in range(SHUFFLES)])
    own = _agreement(near, labels)
    deviation = max(float(by_chance.std()), 1e-9)
    return Vote(own, float(by_chance.mean()), (own - float(by_chance.mean())) / deviation, len(labels))


def _agreement(near: Int64[ndarray, "N k"], labels: Int64[ndarray, " N"]) -> float:
    """The share of neighbors that have the sample's label, in the mean of all classes: rare ones count as much."""
    shares = (labels[near] == labels[:, None]).mean(1)
    classes, places = np.unique(labels, return_inverse=True)
    return float((np.bincount(places, shares) / np.bincount(places)).mean()) if len(classes) else 0.0


def image_features(thumbnails: Float32[ndarray, "N S S 3"]) -> list[Float32[ndarray, "N _"]]:
    """Colors, brightness without its level, and directions of edges in a grid of 4 x 4."""
    count = len(thumbnails)
    colors = thumbnails.reshape(count, -1)
    gray = thumbnails @ LUMA
    level = gray - gray.mean((1, 2), keepdims=True)
    shape = level / np.maximum(np.sqrt(np.square(level).mean((1, 2), keepdims=True)), 1)
    return [colors, shape.reshape(count, -1), _edges(gray)]


def _edges(gray: Float32[ndarray, "N S S"]) -> Float32[ndarray, "N _"]:
    down, right = np.gradient(gray, axis=(1, 2))
    strength = np.hypot(down, right)
    direction = ((np.arctan2(down, right) % np.pi) / np.pi * BINS).astype(int) % BINS
    side = gray.shape[1] // 4
    parts = []
    for bin in range(BINS):
        own = np.where(direction == bin, strength, 0)
        cells = own[:, : side * 4, : side * 4].reshape(len(gray), 4, side, 4, side).sum((2, 4))
        parts.append(cells.reshape(len(gray), -1))
    found = np.concatenate(parts, 1)
    return (found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-6)).astype(np.float32)


def check_labels(
    inspection: Inspection, dataset: Dataset[Any], train: Sequence[int], table: PixelTable, objects: ObjectTable | None
) -> None:
    """Whether the labels of images, or of boxes, follow from what is seen."""
    if "ZD015" not in inspection.chosen or not inspection.has_time("shuffled labels", 0.9):
        return
    if objects is not None:
        _check_boxes(inspection, dataset, train, objects)
        return
    rows = table.rows_of(train)
    if len(rows) == 0 or not isinstance(dataset.target_arrays(int(table.indices[rows[0]])), Label):
        return
    rows = _some(rows)
    labels = np.array([dataset.target_arrays(index).index for index in table.indices[rows].tolist()])
    if not _enough(labels):
        inspection.leave_out(
            f"shuffled labels: {len(labels)} samples of {len(set(labels.tolist()))} classes are too few"
        )
        return
    inspection.wants("ZD015")
    found = vote(image_features(table.thumbnails[rows]), labels)
    inspection.report.facts["labels told by neighbors"] = str(found)
    if found.deviations < SURE:
        inspection.add("ZD015", f"labels do not follow from the images: {found}", [dataset.root], len(labels))


def _some(rows: ndarray) -> ndarray:
    return rows if len(rows) <= MOST else np.sort(np.random.default_rng(0).permutation(rows)[:MOST])


def _enough(labels: ndarray) -> bool:
    classes = len(np.unique(labels))
    return classes > 1 and len(labels) >= FEW and len(labels) >= A_CLASS * classes


def _check_boxes(inspection: Inspection, dataset: Dataset[Any], train: Sequence[int], table: ObjectTable) -> None:
    """Crops, with their sizes, tell the class of a box; the same number of each class where there are many."""
    of_train = np.flatnonzero(np.isin(table.owners, np.asarray(train, int)) & ~table.crowd)
    rows = _balanced(of_train, table.labels)
    if not _enough(table.labels[rows]):
        if len(np.unique(table.labels)) > 1:
            inspection.leave_out(f"shuffled labels: {len(rows)} boxes are too few for their classes")
        return
    thumbnails, kept = _crops(inspection, dataset, table, rows)
    labels = table.labels[kept]
    if not _enough(labels):
        return
    inspection.wants("ZD015")
    size = np.log(np.maximum(table.xyxy[kept][:, 2:] - table.xyxy[kept][:, :2], 1e-3)).astype(np.float32)
    found = vote([*image_features(thumbnails), size], labels)
    inspection.report.facts["labels of boxes told by neighbors"] = str(found)
    if found.deviations < SURE:
        inspection.add("ZD015", f"labels of boxes do not follow from what is in them: {found}", [dataset.root])


def _balanced(rows: ndarray, labels: ndarray) -> ndarray:
    classes = np.unique(labels[rows])
    most = max(NEIGHBORS, MOST // 2 // max(1, len(classes)))
    rng = np.random.default_rng(0)
    own = [rng.permutation(rows[labels[rows] == label])[:most] for label in classes.tolist()]
    return np.sort(np.concatenate(own)) if own else rows[:0]


def _crops(
    inspection: Inspection, dataset: Dataset[Any], table: ObjectTable, rows: ndarray
) -> tuple[Float32[ndarray, "N S S 3"], ndarray]:
    """Thumbnails of boxes, and their rows, as far as there is time."""
    found, kept = [], []
    for index in np.unique(table.owners[rows]).tolist():
        if not inspection.has_time("labels of some boxes", 0.95):
            break
        try:
            pixels = interleaved(dataset.arrays(index).image)
        except DataError:
            continue
        for row in rows[table.owners[rows] == index].tolist():
            x0, y0, x1, y1 = np.round(table.xyxy[row]).astype(int).tolist()
            crop = pixels[max(0, y0) : max(y0 + 1, y1), max(0, x0) : max(x0 + 1, x1)]
            if min(crop.shape[:2]) > 0:
                found.append(thumbnail(np.ascontiguousarray(crop), CROP))
                kept.append(row)
    return np.array(found, np.float32).reshape(-1, CROP, CROP, 3), np.array(kept, int)
