"""What writers of masks of objects work from, and what formats cannot say of objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zorki.contracts import Dataset
from zorki.contracts.capabilities import NumbersClasses, NumbersImages
from zorki.data.annotations.drafts.boxes import lost_classes
from zorki.types import Instances

_MAX_OBJECTS = 65535  # numbers that 16 bits hold
_DECIMALS = 7  # of shares: enough to fill the same pixels of an image of 100,000 a side

Array = np.ndarray[Any, np.dtype[Any]]
Place = Callable[[str, str], Path]  # split and file name to where the image goes


@dataclass
class InstanceDraft:
    """What a writer works from; `lost` collects in words what the format cannot say, `counts` what it is told of.

    `used` are the labels of the objects so far.
    """

    data: Dataset[Instances]
    folder: Path
    names: list[str]
    members: dict[str, list[int]]
    lost: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    used: set[int] = field(default_factory=set)

    def targets(self, split: str) -> Iterator[tuple[int, str, Instances]]:
        """Index, file name and objects of a split's images, one at a time; objects without a pixel are left out."""
        for index in self.members[split]:
            found = self.data.target(index)
            seen = found.masks.flatten(1).any(1)
            self.add("empty", len(found) - int(seen.sum()))
            for flag in ("crowd", "difficult"):
                values = getattr(found, flag)
                self.add(flag, 0 if values is None else int(values.sum()))
            found = found if bool(seen.all()) else found[seen]
            self.used.update(found.labels.tolist())
            yield index, self.names[index], found

    def add(self, what: str, count: int) -> None:
        self.counts[what] = self.counts.get(what, 0) + count

    def say(self, what: str, words: str) -> None:
        """Notes the words where there was any of it; {} is how many."""
        if count := self.counts.get(what, 0):
            self.lost.append(words.format(count))


def note_flags(draft: InstanceDraft, format: str, flags: Sequence[str] = ("crowd", "difficult")) -> None:
    """Notes how many objects have flags that the format cannot say."""
    for flag in flags:
        draft.say(flag, f"{format} knows no {flag} objects: {{}} are written as ordinary ones")


def note_ids(draft: InstanceDraft, format: str) -> None:
    """Notes that ids are lost where the data have their own."""
    data = draft.data
    plain = list(range(1, len(data.class_names) + 1))
    numbered = isinstance(data, NumbersImages) and data.image_ids is not None
    if numbered or (isinstance(data, NumbersClasses) and list(data.category_ids) != plain):
        draft.lost.append(f"{format} has no ids of images, objects and classes: they are not kept")


def note_lists(draft: InstanceDraft, format: str) -> None:
    """Notes what is lost of ids and of the list of classes, once all objects are written."""
    note_ids(draft, format)
    draft.lost += lost_classes(draft.data.class_names, draft.used, format, "an object")


def note_classes(draft: InstanceDraft, format: str) -> None:
    if len(draft.data.class_names) > 1:
        draft.lost.append(f"{format} knows no classes: {len(draft.data.class_names)} are written as one")
