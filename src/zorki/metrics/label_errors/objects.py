"""Which boxes or masks of objects are probably wrong: of another class, too many, or missing.

After ObjectLab (Tkachenko, Thyagarajan and Mueller, 2023), whose three kinds these are. What a model misses often is no
sign of a wrong annotation: each kind is weighed by how far the model can be trusted with the class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Integer
    from numpy import ndarray

MEETS = 0.5  # IoU from which on a prediction is about an object
APART = 0.3  # IoU below which a prediction is about none

Kind = Literal["wrong class", "not an object", "missing object"]


@dataclass(frozen=True)
class ComparedObjects:
    """Predictions and ground truth of one image.

    Attributes:
        iou: of each prediction (row) with each object (column).
        ignored: objects whose annotation says nothing certain: crowds, difficult ones.
    """

    iou: Float[ndarray, "P G"]
    scores: Float[ndarray, " P"]
    predicted: Integer[ndarray, " P"]
    labels: Integer[ndarray, " G"]
    ignored: Bool[ndarray, " G"]


@dataclass(frozen=True)
class ObjectError:
    """An annotation that is probably wrong.

    Attributes:
        image: place of its table.
        score: 0..1, how likely.
        row: of the ground truth; None where an object is missing.
        prediction: row of the prediction that says otherwise; None where none says anything.
    """

    image: int
    kind: Kind
    score: float
    row: int | None
    prediction: int | None


def object_errors(tables: Sequence[ComparedObjects], min_score: float = 0.5) -> list[ObjectError]:
    """The errors of all images, the most likely first.

    Args:
        min_score: from which on a prediction is confident.
    """
    recall, precision = _trust(tables, min_score)
    found = []
    for image, table in enumerate(tables):
        found += _wrong_objects(image, table, min_score, recall)
        found += _missing_objects(image, table, min_score, precision)
    return sorted(found, key=lambda one: -one.score)


def _trust(tables: Sequence[ComparedObjects], min_score: float) -> tuple[dict[int, float], dict[int, float]]:
    """Of each class the share of its objects that are met at all, and of its confident predictions that meet one."""
    objects: dict[int, list[bool]] = {}
    predictions: dict[int, list[bool]] = {}
    for table in tables:
        meets = table.iou >= MEETS
        same = table.predicted[:, None] == table.labels[None, :]
        for place, label in enumerate(table.labels.tolist()):
            if not table.ignored[place]:
                objects.setdefault(label, []).append(bool((meets & same)[:, place].any()))
        for row, label in enumerate(table.predicted.tolist()):
            if table.scores[row] >= min_score:
                predictions.setdefault(label, []).append(bool(meets[row].any()))
    return tuple({label: sum(hits) / len(hits) for label, hits in one.items()} for one in (objects, predictions))  # type: ignore[return-value]


def _wrong_objects(image: int, table: ComparedObjects, min_score: float, recall: dict[int, float]) -> list[ObjectError]:
    found = []
    for place, label in enumerate(table.labels.tolist()):
        if table.ignored[place]:
            continue
        met = table.iou[:, place] >= MEETS
        own = float(table.scores[met & (table.predicted == label)].max(initial=0.0))
        others = np.where(met & (table.predicted != label), table.scores, 0.0)
        best = int(others.argmax()) if len(others) else -1
        if best >= 0 and others[best] >= min_score and others[best] > own:
            found.append(ObjectError(image, "wrong class", float(others[best]) - own, place, best))
            continue
        near = (table.iou[:, place] * table.scores).max(initial=0.0)
        if not met.any():
            found.append(ObjectError(image, "not an object", (1 - float(near)) * recall.get(label, 0.0), place, None))
    return found


def _missing_objects(
    image: int, table: ComparedObjects, min_score: float, precision: dict[int, float]
) -> list[ObjectError]:
    alone = table.iou.max(1, initial=0.0) < APART
    found = []
    for row in np.flatnonzero(alone & (table.scores >= min_score)).tolist():
        score = float(table.scores[row]) * precision.get(int(table.predicted[row]), 0.0)
        found.append(ObjectError(image, "missing object", score, None, row))
    return found
