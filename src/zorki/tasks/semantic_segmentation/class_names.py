"""Names of classes for weights that tell only how many there are."""

from __future__ import annotations

from collections.abc import Sequence

from zorki.data.annotations.masks.class_names import VOC

CITYSCAPES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation", "terrain",
    "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
)  # fmt: skip
"""Those that Cityscapes evaluates, in the order of its train ids."""

BACKGROUNDS = frozenset({"background", "__background__", "_background_", "ground", "nothing", "other"})
"""Names, in small letters, of classes that are no thing to look at: they are not tinted."""


def standard_names(count: int) -> list[str] | None:
    """Pascal VOC's names for 21 classes, Cityscapes' for 19; None for other counts."""
    return next((list(names) for names in (VOC, CITYSCAPES) if len(names) == count), None)


def background_labels(class_names: Sequence[str]) -> list[int]:
    """Labels of classes that are called as backgrounds are."""
    return [label for label, name in enumerate(class_names) if name.strip().lower() in BACKGROUNDS]
