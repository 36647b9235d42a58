"""What writers of joints work from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from zorki.contracts import Dataset
from zorki.types import Keypoints, Skeleton


@dataclass
class KeypointDraft:
    """What a writer works from; `lost` collects in words what the format cannot say, `counts` what it is told of."""

    data: Dataset[Keypoints]
    folder: Path
    names: list[str]
    members: dict[str, list[int]]
    lost: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def skeleton(self) -> Skeleton:
        """Of all objects."""
        found = self.data.class_info().skeleton
        assert found is not None
        return found

    def targets(self, split: str) -> Iterator[tuple[int, str, Keypoints, tuple[int, int]]]:
        """Index, file name, objects, and (height, width) of a split's images, one at a time."""
        for index in self.members[split]:
            found = self.data.target(index)
            self.counts["crowd"] += 0 if found.crowd is None else int(found.crowd.sum())
            self.counts["hidden"] += int((found.visibility == 1).sum())
            yield index, self.names[index], found, _size(self.data, index)

    def say(self, what: str, words: str) -> None:
        """Notes the words where there was any of it; {} is how many."""
        if count := self.counts[what]:
            self.lost.append(words.format(count))

    def class_name(self, found: Keypoints, row: int) -> str:
        """Of an object."""
        return self.data.class_names[0 if found.labels is None else int(found.labels[row])]


def _size(data: Dataset[Keypoints], index: int) -> tuple[int, int]:
    from zorki.data.annotations.keypoints.dataset import KeypointDataset

    if isinstance(data, KeypointDataset):
        return data.size(index)
    height, width = data[index].image.shape[1:]
    return height, width
