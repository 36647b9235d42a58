"""How well the edges of classes are met: the boundary F1 of Csurka, Larlus and Perronnin (BMVC 2013)."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Int, Int32

TOLERANCE = 0.0075  # of an image's diagonal: the authors' choice


def boundary_f1(
    prediction: Int[np.ndarray, "H W"],
    ground_truth: Int[np.ndarray, "H W"],
    valid: Bool[np.ndarray, "H W"],
    num_classes: int,
    tolerance: float = TOLERANCE,
) -> Float[np.ndarray, " K"]:
    """F1 of each class's edge in one image; NaN for a class that has an edge in neither map.

    Precision is the share of the prediction's edge pixels that lie nearer than the tolerance to an edge pixel of the
    same class in the ground truth, recall the same the other way round; 0 where only one of the maps has the class's
    edge.

    An edge pixel of a class has a valid neighbor, above, below, left or right, of another class. So the border of
    the image is no edge, and neither is the border of what is ignored.

    All classes are compared at once, and the cost grows with the pixels on edges, not with the number of classes: each
    edge pixel looks at its neighbors in the other map, the nearest first, until one is of its class.

    Args:
        prediction, ground_truth: labels in 0..K-1, of one size; what is not valid is not read.
        tolerance: share of the diagonal.
    """
    theta = tolerance * math.hypot(*ground_truth.shape)
    predicted, true = edge_map(prediction, valid), edge_map(ground_truth, valid)
    precise, predictions = _near(predicted, true, theta, num_classes)
    recalled, ground_truths = _near(true, predicted, theta, num_classes)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision, recall = precise / predictions, recalled / ground_truths
        f1 = 2 * precision * recall / (precision + recall)
    # Where nothing is near, or one of the maps lacks the edge, F1 is 0; without any edge it is unknown.
    return np.where(np.isnan(f1) & (predictions + ground_truths > 0), 0.0, f1)


def edge_map(classes: Int[np.ndarray, "H W"], valid: Bool[np.ndarray, "H W"]) -> Int32[np.ndarray, "H W"]:
    """The class of each pixel on an edge, and -1 elsewhere."""
    on_edge = np.zeros(classes.shape, dtype=bool)
    for one, other in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        differs = (classes[one] != classes[other]) & valid[one] & valid[other]
        on_edge[one] |= differs
        on_edge[other] |= differs
    return np.where(on_edge, classes, -1).astype(np.int32)


def _near(
    edges: Int32[np.ndarray, "H W"], others: Int32[np.ndarray, "H W"], theta: float, num_classes: int
) -> tuple[Float[np.ndarray, " K"], Float[np.ndarray, " K"]]:
    """How many edge pixels of each class have another of their class nearer than `theta`, and how many there are."""
    reach = math.ceil(theta)
    around = np.pad(others, reach, constant_values=-1)
    rows, columns = np.nonzero(edges >= 0)
    labels = edges[rows, columns]
    count = np.bincount(labels, minlength=num_classes).astype(np.float64)
    near = np.zeros(num_classes)
    places = (rows + reach) * around.shape[1] + columns + reach
    flat = around.reshape(-1)
    for down, across in _neighbors(theta):
        met = flat[places + (down * around.shape[1] + across)] == labels
        if met.any():
            near += np.bincount(labels[met], minlength=num_classes)
            places, labels = places[~met], labels[~met]
        if len(places) == 0:
            break
    return near, count


@lru_cache(maxsize=64)
def _neighbors(theta: float) -> tuple[tuple[int, int], ...]:
    """Steps (down, across) shorter than `theta`, the shortest first."""
    reach = range(-math.ceil(theta), math.ceil(theta) + 1)
    steps = [(down, across) for down in reach for across in reach if math.hypot(down, across) < theta]
    return tuple(sorted(steps, key=lambda step: math.hypot(*step)))
