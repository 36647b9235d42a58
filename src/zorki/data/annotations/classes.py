"""The order of classes, and classes that training does not see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from zorki.errors import DataError, did_you_mean
from zorki.types import Defect


def map_classes(found: Sequence[str], class_names: Sequence[str] | None, root: Path) -> list[str]:
    """The order of classes: the one asked for, or that of `found`.

    Raises:
        DataError: the data have a class that is not among `class_names`.
    """
    if class_names is None:
        return list(found)
    unknown = [name for name in found if name not in set(class_names)]
    if unknown:
        listed = ", ".join(class_names[:10]) + (", ..." if len(class_names) > 10 else "")
        raise DataError(
            f"{root}: the data have {_count(unknown, 'class', 'classes')} that the model does not know: "
            f"{', '.join(unknown[:10])}; it knows {len(class_names)}: {listed}.{did_you_mean(unknown[0], class_names)}"
        )
    return list(class_names)


def unseen_classes(
    root: Path, class_names: Sequence[str], labels: Sequence[int], splits: dict[str, list[int]]
) -> list[Defect]:
    """A defect for each class of another split that train, where there is one, has no sample of."""
    if "train" not in splits:
        return []
    seen = {labels[index] for index in splits["train"]}
    defects = []
    for split in (split for split in splits if split != "train"):
        counts = Counter(labels[index] for index in splits[split])
        for label in sorted(set(counts) - seen):
            samples = f"{counts[label]} sample{'s' if counts[label] > 1 else ''}"
            reason = f"class {class_names[label]!r} has {samples} in {split} and none in train"
            defects.append(Defect(root, reason, note=True))
    return defects


def _count(items: Sequence[str], one: str, many: str) -> str:
    return f"a {one}" if len(items) == 1 else f"{len(items)} {many}"
