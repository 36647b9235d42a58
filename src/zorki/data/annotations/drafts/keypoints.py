"""What writers of joints work from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from zorki.contracts import Dataset
from zorki.types import Keypoints, Skeleton


@dataclass
class KeypointDraft:
    """The data, the folder to fill, every image's name there, and indices by split; `lost` is what cannot be said."""

    data: Dataset[Keypoints]
    folder: Path
    names: list[str]
    members: dict[str, list[int]]
    lost: list[str] = field(default_factory=list)

    @property
    def skeleton(self) -> Skeleton:
        """Of all objects."""
        found = self.data.class_info().skeleton
        assert found is not None
        return found

    def targets(self, split: str) -> Iterator[tuple[int, str, Keypoints, tuple[int, int]]]:
        """Index, file name, objects, and (height, width) of a split's images, one at a time."""
        for index in self.members[split]:
            yield index, self.names[index], self.data.target(index), _size(self.data, index)


def _size(data: Dataset[Keypoints], index: int) -> tuple[int, int]:
    from zorki.data.annotations.keypoints.dataset import KeypointDataset

    if isinstance(data, KeypointDataset):
        return data.size(index)
    height, width = data[index].image.shape[1:]
    return height, width
