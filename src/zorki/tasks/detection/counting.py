"""What the boxes of a data set are like: how many, how large, how long, of which classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from zorki.contracts import Dataset
from zorki.ops.boxes import box_area
from zorki.types import Boxes

SMALL, MEDIUM = 32**2, 96**2  # pixels: COCO's bounds of small, medium and large areas
_QUARTILES = {"least": 0.0, "first quartile": 0.25, "median": 0.5, "third quartile": 0.75, "most": 1.0}
_TAILS = {"1 %": 0.01, "10 %": 0.1, "median": 0.5, "90 %": 0.9, "99 %": 0.99}


def tally_boxes(dataset: Dataset[Boxes]) -> dict[str, Any]:
    """Boxes a class, and tables of pictures, sizes and aspects, by split; see `Task.tally`.

    Sides are square roots of areas, aspects width over height, in pixels of the original pictures. Crowds are counted
    and not measured; a figure of nothing is None.
    """
    classes: dict[str, dict[str, int]] = {}
    shown: dict[str, dict[str, Any]] = {}
    columns: dict[str, dict[str, dict[str, Any]]] = {}
    for split, indices in dataset.splits.items():
        targets = [dataset.target(index) for index in indices]
        counts = Counter(label for target in targets for label in target.labels.tolist())
        pictures = Counter(label for target in targets for label in set(target.labels.tolist()))
        classes[split] = {name: counts[k] for k, name in enumerate(dataset.class_names)}
        shown[split] = {name: pictures[k] for k, name in enumerate(dataset.class_names)}
        columns[split] = _columns(targets)
    tables: dict[str, dict[str, dict[str, Any]]] = {}
    for split, parts in columns.items():
        for title, rows in parts.items():
            for name, value in rows.items():
                tables.setdefault(title, {}).setdefault(name, {})[split] = value
    by_class = {name: {split: shown[split][name] for split in shown} for name in dataset.class_names}
    return {"counted": "boxes", "classes": classes, "tables": {**tables, "Pictures that show a class": by_class}}


def _columns(targets: Sequence[Boxes]) -> dict[str, dict[str, Any]]:
    """The figures of one split, by table and row."""
    lengths = torch.tensor([float(len(target)) for target in targets])
    measured = [target.xyxy if target.crowd is None else target.xyxy[~target.crowd] for target in targets]
    xyxy = torch.cat(measured) if measured else torch.zeros((0, 4))
    size, area = xyxy[:, 2:] - xyxy[:, :2], box_area(xyxy)
    solid = area > 0
    return {
        "Pictures and boxes": {
            "pictures": len(targets),
            "without boxes": int((lengths == 0).sum()),
            "boxes": int(lengths.sum()),
            "of them crowds": _marked(targets, "crowd"),
            "of them difficult": _marked(targets, "difficult"),
        },
        "Boxes a picture": _quantiles(lengths, _QUARTILES),
        "Box sizes (COCO's bounds)": {
            "small, below 32 x 32 pixels": int((area < SMALL).sum()),
            "medium": int(((area >= SMALL) & (area < MEDIUM)).sum()),
            "large, from 96 x 96 pixels": int((area >= MEDIUM).sum()),
        },
        "Side of boxes (root of the area, pixels)": _quantiles(area.sqrt(), _QUARTILES),
        "Aspect of boxes (width / height)": _quantiles(size[solid, 0] / size[solid, 1], _TAILS),
    }


def _marked(targets: Sequence[Boxes], name: str) -> int:
    return sum(int(column.sum()) for target in targets if (column := getattr(target, name)) is not None)


def _quantiles(values: Float[Tensor, " N"], shares: dict[str, float]) -> dict[str, float | None]:
    if len(values) == 0:
        return dict.fromkeys(shares)
    # Sorted by hand: torch's quantile refuses more than 16 million values.
    ordered = values.sort().values
    found: dict[str, float | None] = {}
    for name, share in shares.items():
        place = share * (len(ordered) - 1)
        low, high = ordered[int(place)], ordered[min(int(place) + 1, len(ordered) - 1)]
        found[name] = round(float(low + (place - int(place)) * (high - low)), 3)
    return found
