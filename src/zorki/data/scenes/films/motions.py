"""Scenes for video classification: clips of shapes whose classes differ by motion alone."""

from __future__ import annotations

from pathlib import Path

from jaxtyping import UInt8
from torch import Tensor

from zorki.contracts import Dataset
from zorki.data.scenes.clips import clip
from zorki.data.scenes.dataset import SPLIT_REASON, check_index, split_scenes
from zorki.data.scenes.objects import MIN_SIDE, parse_scenes
from zorki.data.scenes.painting import ORDER
from zorki.data.scenes.textures import Chance
from zorki.errors import DataError
from zorki.types import Defect, Label, Sample

FRAMES = 16

MAX_KEPT_BYTES = 1 << 28
"""Of painted clips: painting takes longer than a small network's step."""

CLASSES: tuple[str, ...] = ("left", "right", "up", "down", "grow", "shrink")
"""Pairs that show the same frames in opposite orders: no single frame tells one from the other."""


class SceneMotions(Dataset[Label]):
    """Clips of one object that moves; the question is how. Each is a function of (seed, index).

    Every six clips in a row show every class once. The object is a new individual in every clip.

    Args:
        count: clips in all; 70 % train, 15 % val, 15 % test, in this order.
        seed: the world.
        size: (height, width) in pixels, 16 or more each.

    Raises:
        DataError: count or size cannot be.
    """

    may_be_mirrored = False
    in_memory = True

    def __init__(self, count: int = 600, *, seed: int = 0, size: tuple[int, int] = (64, 64)) -> None:
        if count < 6 * len(CLASSES):
            raise DataError(
                f"scenes: expected {6 * len(CLASSES)} clips or more, so that every split shows classes to tell apart, "
                f"got {count}; ask for more, as in scenes:{6 * len(CLASSES)}"
            )
        if min(size) < MIN_SIDE:
            raise DataError(f"scenes: expected frames of {MIN_SIDE} pixels or more a side, got {size[0]}x{size[1]}")
        self.count, self.seed, self.size = count, seed, size
        self.root = Path("scenes")
        self.format, self.reason = "scenes", "built in"
        self.class_names = list(CLASSES)
        self.splits, self.split_reason = split_scenes(count), SPLIT_REASON
        self.defects = []
        self._frames: dict[int, UInt8[Tensor, "T 3 H W"]] = {}
        self._room = MAX_KEPT_BYTES

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample[Label]:
        """The clip, painted once, as long as there is room. Raises IndexError outside 0..len-1."""
        target = self.target(index)
        if (frames := self._frames.get(index)) is None:
            motion = CLASSES[target.index]
            frames = clip(self.seed, index, frames=FRAMES, motion=motion, size=self.size, clutter=0.1).frames
            if frames.numel() <= self._room:
                self._room -= frames.numel()
                self._frames[index] = frames
        return Sample(frames, target, self.path(index))

    def target(self, index: int) -> Label:
        """The motion; nothing is painted."""
        block, place = divmod(check_index(index, self.count), len(CLASSES))
        return Label(Chance(ORDER, self.seed, block).shuffled(range(len(CLASSES)))[place])

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


def parse(text: str) -> SceneMotions | None:
    """The dataset that "scenes", "scenes:COUNT" or "scenes:COUNT@SIZE" names; None where the text names another.

    >>> len(parse("scenes:60@32"))
    60

    Raises:
        DataError: the text begins with "scenes:" and goes on otherwise.
    """
    return parse_scenes(text, SceneMotions)
