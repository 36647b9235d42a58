"""What datasets of painted clips have in common."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from zorki.contracts import Dataset
from zorki.data.scenes.dataset import SPLIT_REASON, check_index, split_scenes
from zorki.data.scenes.objects import MIN_SIDE
from zorki.errors import DataError
from zorki.types import Annotation, Defect

FRAMES = 16

T = TypeVar("T", bound=Annotation)


class SceneClips(Dataset[T]):
    """Clips that are painted on demand, each a function of (seed, index); 70 % train, 15 % val, 15 % test, in order.

    Raises:
        DataError: the size cannot be.
    """

    def __init__(self, count: int, *, seed: int, size: tuple[int, int], class_names: Sequence[str]) -> None:
        if min(size) < MIN_SIDE:
            raise DataError(f"scenes: expected frames of {MIN_SIDE} pixels or more a side, got {size[0]}x{size[1]}")
        self.count, self.seed, self.size = count, seed, size
        self.root = Path("scenes")
        self.format, self.reason = "scenes", "built in"
        self.class_names = list(class_names)
        self.splits, self.split_reason = split_scenes(count), SPLIT_REASON
        self.defects = []

    def __len__(self) -> int:
        return self.count

    def path(self, index: int) -> Path:
        """A name for the clip, such as scenes/train/000123; no such file exists."""
        split = next(name for name, indices in self.splits.items() if check_index(index, self.count) <= indices[-1])
        return self.root / split / f"{index:06d}"

    def check(self, index: int) -> Defect | None:
        """None: what is painted on demand cannot be broken."""
        check_index(index, self.count)
        return None

    def mark(self, index: int) -> str:
        """Its number: what is painted follows from it."""
        return f"{self.seed} {self.size} {check_index(index, self.count)}"
