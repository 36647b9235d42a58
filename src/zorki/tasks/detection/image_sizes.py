"""How large the images of a dataset are, without decoding them where that can be."""

from __future__ import annotations

from collections.abc import Sequence

from zorki.contracts import Dataset
from zorki.data.annotations.boxes.dataset import BoxDataset
from zorki.data.scenes.objects import SceneObjects
from zorki.types import Boxes


def image_sizes(dataset: Dataset[Boxes], indices: Sequence[int]) -> list[tuple[int, int]]:
    """(height, width) in pixels of each image: the annotation's, else the header's of its file, else as decoded.

    Raises:
        DataError: an image of which nothing else tells cannot be read.
    """
    return [_size(dataset, index) for index in indices]


def _size(dataset: Dataset[Boxes], index: int) -> tuple[int, int]:
    if isinstance(dataset, SceneObjects):
        return dataset.size
    if isinstance(dataset, BoxDataset):
        size = dataset.size(index)
        if min(size) > 0:
            return size
        from zorki.data.images import image_size

        return image_size(dataset.image_bytes(index) if index in dataset.embedded else dataset.path(index))
    image = dataset[index].image
    return int(image.shape[-2]), int(image.shape[-1])
