"""What the boxes of a dataset are like: how many, how large, how long, of which classes."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

import numpy as np

from zorki.contracts import Dataset
from zorki.contracts.statistics import DatasetStatistics, StatisticsTable
from zorki.data.annotations.boxes.object_counts import count_objects
from zorki.types import Boxes

if TYPE_CHECKING:
    from jaxtyping import Float
    from numpy import ndarray

SMALL, MEDIUM = 32**2, 96**2  # pixels: COCO's bounds of small, medium and large areas
QUARTILES = {"minimum": 0.0, "first_quartile": 0.25, "median": 0.5, "third_quartile": 0.75, "maximum": 1.0}
_TAILS = {"percentile_1": 0.01, "percentile_10": 0.1, "median": 0.5, "percentile_90": 0.9, "percentile_99": 0.99}
_SIZES = {"small": "small, below 32 x 32 pixels", "medium": "medium", "large": "large, from 96 x 96 pixels"}
_TEXTS = {"percentile_1": "1 %", "percentile_10": "10 %", "percentile_90": "90 %", "percentile_99": "99 %"}

LOCALIZED_SHARE = 0.8  # of images with one object, or each class once: from here on localization is worth a word

Numbers = Mapping[str, Any]


def box_statistics(dataset: Dataset[Boxes]) -> DatasetStatistics:
    """Boxes a class, and tables of images, sizes and aspect ratios.

    Sides are square roots of areas, aspect ratios width over height, in pixels of the original images. Crowds are
    counted and not measured; a number of nothing is None.
    """
    tables = [
        StatisticsTable(
            "boxes",
            "Images and boxes",
            {
                "images": "images",
                "images_without_boxes": "without boxes",
                "boxes": "boxes",
                "crowd": "of them crowds",
                "difficult": "of them difficult",
            },
            {},
            brief=True,
        ),
        quantile_table("boxes_per_image", "Boxes per image"),
        size_table("box_sizes", "Box sizes (COCO's bounds)"),
        quantile_table("box_side", "Side of boxes (root of the area, pixels)"),
        quantile_table("aspect_ratio", "Aspect ratio of boxes (width / height)", _TAILS),
    ]
    found = object_statistics(dataset, dataset.target_arrays, _numbers, tables, "boxes")
    return dataclasses.replace(found, note=_suited(dataset))


def _suited(dataset: Dataset[Boxes]) -> str:
    """Which task suits the images by the number of their objects; empty where most have any number."""
    counts = count_objects((dataset.target_arrays(index) for index in range(len(dataset))), len(dataset.class_names))
    if counts.fitting < LOCALIZED_SHARE * counts.images:
        return ""
    suggestion = f"{counts}: localization, one box an object and no detector, suits them (--task localization"
    others = counts.images - counts.fitting
    return f"{suggestion})" if not others else f"{suggestion}, which leaves out {others}); detection takes all"


def quantile_table(name: str, title: str, shares: Mapping[str, float] = QUARTILES) -> StatisticsTable:
    """An empty table of what `quantiles` gives."""
    return StatisticsTable(name, title, {key: _TEXTS.get(key, key.replace("_", " ")) for key in shares}, {})


def size_table(name: str, title: str) -> StatisticsTable:
    """An empty table of what `sizes` gives."""
    return StatisticsTable(name, title, _SIZES, {}, brief=True)


@runtime_checkable
class Labeled(Protocol):
    """Objects of an image, with a class each."""

    @property
    def labels(self) -> ndarray: ...


Measured = TypeVar("Measured", bound=Labeled)


def object_statistics(
    dataset: Dataset[Any],
    target: Callable[[int], Measured],
    measure: Callable[[Sequence[Measured]], Sequence[Numbers]],
    tables: Sequence[StatisticsTable],
    counted: str,
) -> DatasetStatistics:
    """Statistics of any kind of objects.

    Args:
        target: the annotation of a sample, as far as it is measured.
        measure: the numbers of one split, for each of `tables`.
        tables: empty ones.
        counted: what objects are called, such as boxes.
    """
    classes = range(len(dataset.class_names))
    objects: dict[str, list[int]] = {}
    images: dict[str, list[int]] = {}
    numbers: dict[str, Sequence[Numbers]] = {}
    for split, indices in dataset.splits.items():
        targets = [target(index) for index in indices]
        held = Counter(label for one in targets for label in one.labels.tolist())
        shown = Counter(label for one in targets for label in set(one.labels.tolist()))
        objects[split], images[split] = [held[label] for label in classes], [shown[label] for label in classes]
        numbers[split] = measure(targets)
    filled = [
        dataclasses.replace(table, values={split: numbers[split][place] for split in numbers})
        for place, table in enumerate(tables)
    ]
    return DatasetStatistics(dataset.class_names, objects, counted, images, filled)


def _numbers(targets: Sequence[Boxes[ndarray]]) -> list[Numbers]:
    """The numbers of one split, table by table."""
    lengths = np.array([len(target) for target in targets], np.float32)
    measured = [target.xyxy if target.crowd is None else target.xyxy[~target.crowd] for target in targets]
    xyxy = np.concatenate([np.zeros((0, 4), np.float32), *measured])
    size, area = xyxy[:, 2:] - xyxy[:, :2], box_areas(xyxy)
    solid = area > 0
    return [
        {
            "images": len(targets),
            "images_without_boxes": int((lengths == 0).sum()),
            "boxes": int(lengths.sum()),
            "crowd": marked(targets, "crowd"),
            "difficult": marked(targets, "difficult"),
        },
        quantiles(lengths),
        sizes(area),
        quantiles(np.sqrt(area)),
        quantiles(size[solid, 0] / size[solid, 1], _TAILS),
    ]


def box_areas(xyxy: Float[ndarray, "N 4"]) -> Float[ndarray, " N"]:
    """Width times height; 0 for inverted boxes."""
    size = np.maximum(xyxy[:, 2:] - xyxy[:, :2], 0)
    return size[:, 0] * size[:, 1]


def sizes(area: Float[ndarray, " N"]) -> dict[str, int]:
    """How many areas, in pixels, are small, medium and large by COCO's bounds."""
    return {
        "small": int((area < SMALL).sum()),
        "medium": int(((area >= SMALL) & (area < MEDIUM)).sum()),
        "large": int((area >= MEDIUM).sum()),
    }


def marked(targets: Sequence[Labeled], name: str) -> int:
    """How many objects bear a mark."""
    return sum(int(column.sum()) for target in targets if (column := getattr(target, name)) is not None)


def quantiles(values: Float[ndarray, " N"], shares: Mapping[str, float] = QUARTILES) -> dict[str, float | None]:
    """The values below which these shares of all lie, by the shares' names; None where there is no value."""
    if len(values) == 0:
        return dict.fromkeys(shares)
    ordered = np.sort(values)
    found: dict[str, float | None] = {}
    for name, share in shares.items():
        place = share * (len(ordered) - 1)
        low, high = ordered[int(place)], ordered[min(int(place) + 1, len(ordered) - 1)]
        found[name] = round(float(low + (place - int(place)) * (high - low)), 3)
    return found
