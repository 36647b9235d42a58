"""What the boxes of a data set are like: how many, how large, how long, of which classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from zorki.contracts import Dataset
from zorki.ops.boxes import box_area
from zorki.types import Boxes

SMALL, MEDIUM = 32**2, 96**2  # pixels: COCO's bounds of small, medium and large areas
QUARTILES = {"least": 0.0, "first quartile": 0.25, "median": 0.5, "third quartile": 0.75, "most": 1.0}
_TAILS = {"1 %": 0.01, "10 %": 0.1, "median": 0.5, "90 %": 0.9, "99 %": 0.99}


def tally_boxes(dataset: Dataset[Boxes]) -> dict[str, Any]:
    """Boxes a class, and tables of images, sizes and aspects, by split; see `Task.tally`.

    Sides are square roots of areas, aspects width over height, in pixels of the original images. Crowds are counted
    and not measured; a figure of nothing is None.
    """
    return tally(dataset, dataset.target, _columns, "boxes")


@runtime_checkable
class Labeled(Protocol):
    """Objects of an image, with a class each."""

    @property
    def labels(self) -> Tensor: ...


Measured = TypeVar("Measured", bound=Labeled)


def tally(
    dataset: Dataset[Any],
    target: Callable[[int], Measured],
    measure: Callable[[Sequence[Measured]], dict[str, dict[str, Any]]],
    counted: str,
) -> dict[str, Any]:
    """What `Task.tally` tells of objects.

    Args:
        target: the annotation of a sample, as far as it is measured.
        measure: the figures of one split, by table and row.
        counted: what objects are called, such as boxes.
    """
    classes: dict[str, dict[str, int]] = {}
    shown: dict[str, dict[str, Any]] = {}
    tables: dict[str, dict[str, dict[str, Any]]] = {}
    for split, indices in dataset.splits.items():
        targets = [target(index) for index in indices]
        counts = Counter(label for one in targets for label in one.labels.tolist())
        images = Counter(label for one in targets for label in set(one.labels.tolist()))
        classes[split] = {name: counts[k] for k, name in enumerate(dataset.class_names)}
        shown[split] = {name: images[k] for k, name in enumerate(dataset.class_names)}
        for title, rows in measure(targets).items():
            for name, value in rows.items():
                tables.setdefault(title, {}).setdefault(name, {})[split] = value
    by_class = {name: {split: shown[split][name] for split in shown} for name in dataset.class_names}
    return {"counted": counted, "classes": classes, "tables": {**tables, "Images that show a class": by_class}}


def _columns(targets: Sequence[Boxes]) -> dict[str, dict[str, Any]]:
    """The figures of one split, by table and row."""
    lengths = torch.tensor([float(len(target)) for target in targets])
    measured = [target.xyxy if target.crowd is None else target.xyxy[~target.crowd] for target in targets]
    xyxy = torch.cat(measured) if measured else torch.zeros((0, 4))
    size, area = xyxy[:, 2:] - xyxy[:, :2], box_area(xyxy)
    solid = area > 0
    return {
        "Images and boxes": {
            "images": len(targets),
            "without boxes": int((lengths == 0).sum()),
            "boxes": int(lengths.sum()),
            "of them crowds": marked(targets, "crowd"),
            "of them difficult": marked(targets, "difficult"),
        },
        "Boxes an image": quantiles(lengths),
        "Box sizes (COCO's bounds)": sizes(area),
        "Side of boxes (root of the area, pixels)": quantiles(area.sqrt()),
        "Aspect of boxes (width / height)": quantiles(size[solid, 0] / size[solid, 1], _TAILS),
    }


def sizes(area: Float[Tensor, " N"]) -> dict[str, int]:
    """How many areas, in pixels, are small, medium and large by COCO's bounds."""
    return {
        "small, below 32 x 32 pixels": int((area < SMALL).sum()),
        "medium": int(((area >= SMALL) & (area < MEDIUM)).sum()),
        "large, from 96 x 96 pixels": int((area >= MEDIUM).sum()),
    }


def marked(targets: Sequence[Labeled], name: str) -> int:
    """How many objects bear a mark."""
    return sum(int(column.sum()) for target in targets if (column := getattr(target, name)) is not None)


def quantiles(values: Float[Tensor, " N"], shares: dict[str, float] = QUARTILES) -> dict[str, float | None]:
    """The values below which these shares of all lie, by the shares' names; None where there is no value."""
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
