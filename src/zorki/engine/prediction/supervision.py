"""Predictions as Roboflow's `supervision` holds them, which draws, counts and tracks them; it need not be installed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zorki.data.images import Array
from zorki.engine.prediction.rows import count_rows, row
from zorki.errors import ZorkiError
from zorki.types import Keypoints, Label, Mask, Rows


def to_supervision(annotation: Any, names: Sequence[str]) -> Any:
    """`Detections` of boxes, masks and tracks, `KeyPoints` of poses, `Classifications` of one label.

    A map of classes becomes `Detections` too, one for each class that is there: its mask, and the box around it.

    Raises:
        ZorkiError: supervision is not installed, or has nothing for predictions of this kind.
    """
    try:
        import supervision
    except ImportError as error:
        raise ZorkiError(
            "to_supervision needs supervision, which is not installed: pip install 'zorki[supervision]'"
        ) from error
    kind, values = supervision_values(annotation, names)
    return getattr(supervision, kind)(**values)


def supervision_values(annotation: Any, names: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """Name of supervision's class and the values of its fields; checked against supervision 0.31.2.

    Raises:
        ZorkiError: supervision has nothing for predictions of this kind.
    """
    if isinstance(annotation, Label):
        scores = annotation.scores
        if scores is None:
            return "Classifications", {"class_id": np.array([annotation.index]), "confidence": None}
        return "Classifications", {"class_id": np.arange(len(scores)), "confidence": _column(scores, np.float32)}
    if isinstance(annotation, Mask):
        return "Detections", _detections_of_map(annotation, names)
    if not isinstance(annotation, Rows):
        raise ZorkiError(f"supervision has no type for {type(annotation).__name__}; see numpy()")
    columns = dict(annotation.columns())
    labels = columns.get("labels")
    class_id = None if labels is None else _column(labels, np.int64)
    data = {} if class_id is None else {"class_name": _names(class_id, names)}
    score = _column(columns.get("scores"), np.float32)
    if isinstance(annotation, Keypoints):
        return "KeyPoints", {
            "xy": _column(columns["points"], np.float32),
            "class_id": class_id,
            "detection_confidence": score,
            "visible": _column(annotation.visible, np.bool_),
            "data": data,
        }
    return "Detections", {
        "xyxy": _column(columns["xyxy"], np.float32),
        "mask": _column(columns.get("masks"), np.bool_),
        "confidence": score,
        "class_id": class_id,
        "tracker_id": _column(columns.get("identities"), np.int64),
        "data": data,
    }


def _detections_of_map(annotation: Mask, names: Sequence[str]) -> dict[str, Any]:
    rows = [row(annotation, place, names) for place in range(count_rows(annotation))]
    masks = [one.mask for one in rows if one.mask is not None]
    class_id = np.array([one.label for one in rows], np.int64)
    return {
        "xyxy": np.array([_box_around(mask) for mask in masks], np.float32).reshape(-1, 4),
        "mask": np.array(masks, np.bool_).reshape(len(masks), *annotation.classes.shape),
        "confidence": None,
        "class_id": class_id,
        "tracker_id": None,
        "data": {"class_name": _names(class_id, names)},
    }


def _box_around(mask: Array) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _column(values: Any, dtype: Any) -> Array | None:
    return None if values is None else values.detach().cpu().numpy().astype(dtype)


def _names(class_id: Array, names: Sequence[str]) -> Array:
    return np.array([names[label] for label in class_id], dtype=str)
