"""Images of which nothing is said: all that lie in a folder and below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from zorki.contracts import Dataset
from zorki.data.annotations.listing import is_image, no_images, walk_files
from zorki.data.annotations.masks.layout import MASK_WORDS
from zorki.data.annotations.splits import complete_splits, split_name
from zorki.data.images import MAX_PIXELS, check_image, read_array, read_image
from zorki.errors import DataError
from zorki.types import ArraySample, Defect, Sample, Unlabeled

IMAGES = "images"  # the name of this format


def read_images(root: Path, *, max_pixels: int | None = None) -> BareImages:
    """Every image in a folder and below it, without labels; folders that are called as masks are passed over.

    Folders called train, val or test are splits; without them files are held out by a hash of their names.

    Raises:
        DataError: there is no such folder, or no image in it.
    """
    if not root.is_dir():
        raise DataError(f"{root}: expected a folder of images")
    images = bare_images_of(root, max_pixels)
    if images is None:
        raise no_images(root)
    return images


def bare_images_of(root: Path, max_pixels: int | None = None) -> BareImages | None:
    """As `read_images`, of a folder; None where no image is in it."""
    found = [name for name in walk_files(root) if is_image(name)]
    names = [name for name in found if not _among_masks(name)] or found
    if not names:
        return None
    given: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        words = [part for part in PurePosixPath(name).parts[:-1] if split_name(part)]
        if words:
            given.setdefault(words[0], []).append(place)
    defects = _outside(root, names, given)
    splits, split_reason = complete_splits(given, names)
    reason = f"{len(names):,} images in it and below, without labels"
    limit = MAX_PIXELS if max_pixels is None else max_pixels
    return BareImages(root, reason, names, splits, split_reason, defects, limit)


@dataclass
class BareImages(Dataset[Unlabeled]):
    """Images in files, without labels. `names` are paths relative to `root`."""

    root: Path
    reason: str
    names: list[str]
    splits: dict[str, list[int]]
    split_reason: str
    defects: list[Defect] = field(default_factory=list)
    max_pixels: int = MAX_PIXELS
    format: str = IMAGES
    class_names: list[str] = field(default_factory=lambda: ["image"])

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample[Unlabeled]:
        return self.read_reduced(index, None)

    def read_reduced(self, index: int, shorter_side: int | None) -> Sample[Unlabeled]:
        """The sample, a JPEG decoded at a part of its size; see `read_image`. Raises DataError."""
        path = self.path(index)
        image = read_image(path, max_pixels=self.max_pixels, shorter_side=shorter_side)
        return Sample(image, Unlabeled(), path)

    def arrays(self, index: int) -> ArraySample:
        path = self.path(index)
        return ArraySample(read_array(path, max_pixels=self.max_pixels), Unlabeled(), path)

    def target(self, index: int) -> Unlabeled:
        return Unlabeled()

    def path(self, index: int) -> Path:
        return self.root / self.names[index]

    def check(self, index: int) -> Defect | None:
        reason = check_image(self.path(index), self.max_pixels)
        return None if reason is None else Defect(self.path(index), reason)


def _among_masks(name: str) -> bool:
    return any(part.lower() in MASK_WORDS for part in PurePosixPath(name).parts[:-1])


def _outside(root: Path, names: Sequence[str], given: dict[str, list[int]]) -> list[Defect]:
    """Images beside folders that are splits are in none of them; told once."""
    within = sum(map(len, given.values()))
    if not given or within == len(names):
        return []
    return [Defect(root, f"{len(names) - within} images lie outside of {', '.join(given)}, and are left out")]
