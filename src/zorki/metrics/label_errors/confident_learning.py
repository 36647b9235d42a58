"""Confident learning: which class labels of images are probably wrong.

Northcutt, Jiang and Chuang, 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels", section 3.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float, Integer
    from numpy import ndarray


class ConfidentError(NamedTuple):
    """The label of a row that is probably another one; `margin` is the suggested class's probability less its own."""

    row: int
    suggested: int
    margin: float


def class_thresholds(scores: Float[ndarray, "N K"], labels: Integer[ndarray, " N"]) -> Float[ndarray, " K"]:
    """Of each class the mean probability that its own images get of it (eq. 2); infinity of a class without images."""
    sums = np.bincount(labels, scores[np.arange(len(labels)), labels], minlength=scores.shape[1])
    counts = np.bincount(labels, minlength=scores.shape[1])
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)


def confident_joint(scores: Float[ndarray, "N K"], labels: Integer[ndarray, " N"]) -> Integer[ndarray, "K K"]:
    """Counts of images labeled i that are confidently of class j (eq. 1); those of no class by the thresholds nowhere.

    An image is confidently of the class that is most probable among those whose threshold it reaches.
    """
    confident = confident_classes(scores, labels)
    counted = confident >= 0
    joint = np.zeros((scores.shape[1],) * 2, np.int64)
    np.add.at(joint, (labels[counted], confident[counted]), 1)
    return joint


def confident_classes(scores: Float[ndarray, "N K"], labels: Integer[ndarray, " N"]) -> Integer[ndarray, " N"]:
    """The class that each image is confidently of; -1 for none."""
    reached = scores >= class_thresholds(scores, labels)
    best = np.where(reached, scores, -1.0).argmax(1)
    return np.where(reached.any(1), best, -1)


def confident_errors(scores: Float[ndarray, "N K"], labels: Integer[ndarray, " N"]) -> list[ConfidentError]:
    """Images off the confident joint's diagonal, those of the largest margin first (section 3.2, methods 2 and 5).

    With labels that were held out from the model: one that has learned them agrees with their errors.
    """
    rows = np.arange(len(labels))
    suggested = confident_classes(scores, labels)
    margins = scores[rows, suggested] - scores[rows, labels]
    chosen = rows[(suggested >= 0) & (suggested != labels) & (margins > 0)]
    ranked = chosen[np.argsort(-margins[chosen], kind="stable")]
    return [ConfidentError(int(row), int(suggested[row]), float(margins[row])) for row in ranked]
