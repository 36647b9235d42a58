"""Scenes of several objects: what the datasets of scenes for detection and for segmentation share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, TypeVar

from zorki.contracts import Dataset
from zorki.data.scenes.dataset import (
    CLASS_NAMES,
    SPLIT_REASON,
    Scene,
    check_clutter,
    check_index,
    count_and_size,
    scene,
    split_scenes,
)
from zorki.errors import DataError
from zorki.types import Defect, Sample

T = TypeVar("T")
D = TypeVar("D")

OBJECTS = (1, 5)
RADIUS = (0.1, 0.28)  # shares of the side: boxes from a fifth of it to beyond a half
MIN_COUNT, MIN_SIDE = 10, 16
POPULATION = 1 << 30  # so many individuals that nobody is met again in another split


class SceneObjects(Dataset[T]):
    """Images of one to five objects in any turn, overlapping a little, before a cluttered ground.

    Each image is a function of (seed, index), made when it is asked for; its objects are new individuals. A dataset
    of this kind says in `keep` what it remembers of a scene, and in `known` what its annotation is.

    Args:
        count: images in all, 10 or more; 70 % train, 15 % val, 15 % test, in this order.
        seed: the world.
        size: (height, width) in pixels, 16 or more each.
        clutter: difficulty, 0..1.

    Raises:
        DataError: count, size or clutter cannot be.
    """

    objects: ClassVar[tuple[int, int]] = OBJECTS
    radius: ClassVar[tuple[float, float]] = RADIUS

    def __init__(
        self, count: int = 2000, *, seed: int = 0, size: tuple[int, int] = (128, 128), clutter: float = 0.3
    ) -> None:
        if count < MIN_COUNT:
            raise DataError(f"scenes: expected {MIN_COUNT} images or more, for every split to have some; got {count}")
        if min(size) < MIN_SIDE:
            raise DataError(f"scenes: expected images of {MIN_SIDE} pixels or more a side, got {size[0]}x{size[1]}")
        check_clutter(clutter)
        self.count, self.seed, self.size, self.clutter = count, seed, size, clutter
        self.root = Path("scenes")
        self.format, self.reason = "scenes", "built in"
        self.class_names = list(CLASS_NAMES)
        self.splits, self.split_reason = split_scenes(count), SPLIT_REASON
        self.defects = []

    @abstractmethod
    def keep(self, index: int, made: Scene) -> None:
        """Remembers what is asked of a scene."""

    @abstractmethod
    def cached(self, index: int) -> T | None:
        """What was kept of a scene; None where it was never painted."""

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample[T]:
        """The image, painted now. Raises IndexError outside 0..len-1."""
        made = self._painted(index)
        return Sample(made.image, self.target(index), self.path(index))

    def target(self, index: int) -> T:
        """The annotation; painted once to see it."""
        if self.cached(check_index(index, self.count)) is None:
            self._painted(index)
        cached = self.cached(index)
        assert cached is not None  # which painting has kept
        return cached

    def path(self, index: int) -> Path:
        """A name for the image, such as scenes/train/000123.png; no such file exists."""
        split = next(name for name, indices in self.splits.items() if check_index(index, self.count) <= indices[-1])
        return self.root / split / f"{index:06d}.png"

    def check(self, index: int) -> Defect | None:
        """None: what is painted on demand cannot be broken."""
        check_index(index, self.count)
        return None

    def _painted(self, index: int) -> Scene:
        made = scene(
            self.seed,
            check_index(index, self.count),
            size=self.size,
            objects=self.objects,
            radius=self.radius,
            clutter=self.clutter,
            population=POPULATION,
        )
        self.keep(index, made)
        return made


def parse_scenes(text: str, make: Callable[..., D]) -> D | None:
    """The dataset that "scenes" or "scenes:COUNT@SIZE" names, see `count_and_size`; None where the text names another.

    Raises:
        DataError: the text begins with "scenes:" and goes on otherwise.
    """
    if text == "scenes":
        return make()
    numbers = count_and_size(text)
    if numbers is None:
        return None
    count, size = numbers
    return make(count) if size is None else make(count, size=size)
