"""Predictions as rows: one for an object, a class or a pose, in plain Python and numpy values."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zorki.data.images import Array
from zorki.errors import ZorkiError
from zorki.types import Keypoints, Label, Mask, Rows
from zorki.types.arrays import array_of, is_tensor, tensor_of

_ARRAYS = {"mask": "masks", "points": "points", "joint_scores": "joint_scores"}  # of a row, and their columns
TOP = 5  # classes that a classification's rows name


@dataclass(frozen=True, eq=False, repr=False)
class Row:
    """One object, or one class, of a prediction; what does not apply is None.

    Attributes:
        label: index of the class.
        name: of the class; empty where there is no class.
        score: 0..1.
        box: left, top, right, bottom in pixels of the image.
        id: of the object over time, where it is tracked.
        mask: bool (height, width) of the image.
        points: (P, 2), x and y in pixels.
        visible: bool (P), which of the points can be seen.
        joint_scores: (P), 0..1 each.
        share: of the image's pixels that are of the class, 0..1, where every pixel has one.
    """

    label: int | None = None
    name: str = ""
    score: float | None = None
    box: tuple[float, float, float, float] | None = None
    id: int | None = None
    mask: Array | None = None
    points: Array | None = None
    visible: Array | None = None
    joint_scores: Array | None = None
    share: float | None = None

    def __repr__(self) -> str:
        parts = [self.name or f"label {self.label}"]
        parts += [f"{value:.3f}" for value in (self.score,) if value is not None]
        parts += [f"box {' '.join(f'{side:.1f}' for side in self.box)}"] if self.box is not None else []
        parts += [f"id {self.id}"] if self.id is not None else []
        parts += [f"mask of {int(self.mask.sum())} pixels"] if self.mask is not None and self.share is None else []
        parts += [f"{len(self.points)} points"] if self.points is not None else []
        parts += [f"{self.share:.1%} of the pixels"] if self.share is not None else []
        return f"Row({', '.join(parts)})"


def count_rows(annotation: Any) -> int:
    """How many rows there are."""
    if isinstance(annotation, Rows):
        return len(annotation)
    return len(_labels_of_image(annotation))


def row(annotation: Any, place: int, names: Sequence[str]) -> Row:
    """The row at `place`, from 0."""
    if isinstance(annotation, Rows):
        return _object_row(annotation, place, names)
    label = _labels_of_image(annotation)[place]
    if isinstance(annotation, Label):
        score = None if annotation.scores is None else float(annotation.scores[label])
        return Row(label, names[label], score)
    mask = array_of(annotation.classes == label)
    valid = int((annotation.classes != annotation.ignore).sum())
    return Row(label, names[label], mask=mask, share=float(mask.sum()) / max(1, valid))


def _object_row(rows: Rows, place: int, names: Sequence[str]) -> Row:
    columns = {name: column[place] for name, column in rows.columns()}
    label = int(columns["labels"]) if "labels" in columns else None
    box = columns.get("xyxy")
    found: dict[str, Any] = {name: array_of(columns[column]) for name, column in _ARRAYS.items() if column in columns}
    if isinstance(rows, Keypoints):
        found["visible"] = array_of(rows.visible[place])
    return Row(
        label,
        "" if label is None else names[label],
        float(columns["scores"]) if "scores" in columns else None,
        None if box is None else tuple(box.tolist()),
        int(columns["identities"]) if "identities" in columns else None,
        **found,
    )


def _labels_of_image(annotation: Any) -> list[int]:
    """The most probable classes of a classification, best first, or the classes of a map, largest first."""
    if isinstance(annotation, Label):
        if annotation.scores is None:
            return [annotation.index]
        scores = array_of(annotation.scores)
        best = np.argsort(-scores, kind="stable")[:TOP]
        return [label for label, score in zip(best.tolist(), scores[best].tolist(), strict=True) if score > 0]
    if isinstance(annotation, Mask):
        labels, counts = np.unique(array_of(annotation.classes), return_counts=True)
        pairs = sorted(zip((-counts).tolist(), labels.tolist(), strict=True))
        return [label for _, label in pairs if label != annotation.ignore]
    return []


def keep_rows(
    annotation: Any, *, score: float | None = None, labels: Collection[int] | None = None, count: int | None = None
) -> Any:
    """A prediction with those of its rows alone that score enough and are of a class asked for, and so many at most.

    The others of a classification get the score 0, and its prediction is the best of the rest; in a map of classes the
    pixels of others become `ignore`.

    Raises:
        ZorkiError: the prediction has no scores, or no classes, to choose by.
    """
    kind = type(annotation).__name__
    if isinstance(annotation, Rows):
        columns = dict(annotation.columns())
        for criterion, name, words in ((score, "scores", "score"), (labels, "labels", "class")):
            if criterion is not None and name not in columns:
                raise ZorkiError(f"{kind} has no {name} to choose by; leave the {words} out")
        rows = np.ones(len(annotation), bool)
        if score is not None:
            rows &= array_of(columns["scores"]) >= score
        if labels is not None:
            rows &= np.isin(array_of(columns["labels"]), sorted(labels))
        chosen = _take(annotation, rows)
        return chosen if count is None or len(chosen) <= count else _best(chosen, count)
    if isinstance(annotation, Label) and annotation.scores is not None:
        return _keep_classes(annotation, annotation.scores, score, labels)
    if isinstance(annotation, Mask) and score is None:
        if labels is None:
            return annotation
        classes = array_of(annotation.classes)
        kept = np.where(np.isin(classes, sorted(labels)), classes, classes.dtype.type(annotation.ignore))
        return dataclasses.replace(annotation, classes=_like(kept, annotation.classes))
    if score is None and labels is None:
        return annotation
    what = "scores" if score is not None else "classes"
    raise ZorkiError(f"{kind} has no {what} to choose by")


def _best(rows: Rows, count: int) -> Rows:
    scores = dict(rows.columns()).get("scores")
    if scores is None:
        return rows[:count]
    return _take(rows, np.sort(np.argsort(-array_of(scores), kind="stable")[:count]))


def _take(rows: Rows, places: Array) -> Rows:
    """The rows at these places, or where the array is true."""
    return rows[_like(places, dict(rows.columns())[rows.first])]


def _like(values: Array, other: Any) -> Any:
    """The values as a tensor on the device of the other, or as they are where that is an array."""
    return tensor_of(values).to(other.device) if is_tensor(other) else values


def _keep_classes(label: Label, given: Any, score: float | None, labels: Collection[int] | None) -> Label:
    scores = array_of(given).copy()
    if labels is not None:
        scores[~np.isin(np.arange(len(scores)), sorted(labels))] = 0
    index = int(scores.argmax())  # before low scores go: the best class is named however low it scores
    if score is not None:
        scores[scores < score] = 0
    return dataclasses.replace(label, index=index, scores=_like(scores, given))


def arrays(annotation: Any) -> dict[str, Array | int]:
    """The columns of a prediction as numpy arrays, by the names of its fields; `ids` are its identities."""
    fields = {f.name: getattr(annotation, f.name) for f in dataclasses.fields(annotation)}
    plural = {"identities": "ids", "index": "label"}
    return {
        plural.get(name, name): array_of(value) if is_tensor(value) else value
        for name, value in fields.items()
        if value is not None
    }
