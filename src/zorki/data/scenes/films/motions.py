"""Scenes for video classification: clips of shapes whose classes differ by motion alone."""

from __future__ import annotations

from jaxtyping import UInt8
from torch import Tensor

from zorki.data.scenes.clips import clip
from zorki.data.scenes.dataset import check_index
from zorki.data.scenes.films.scene_clips import FRAMES, SceneClips
from zorki.data.scenes.objects import parse_scenes
from zorki.data.scenes.painting import ORDER
from zorki.data.scenes.textures import Chance
from zorki.errors import DataError
from zorki.types import Label, Sample

MAX_KEPT_BYTES = 1 << 28
"""Of painted clips: painting takes longer than a small network's step."""

CLASSES: tuple[str, ...] = ("left", "right", "up", "down", "grow", "shrink")
"""Pairs that show the same frames in opposite orders: no single frame tells one from the other."""


class SceneMotions(SceneClips[Label]):
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
        super().__init__(count, seed=seed, size=size, class_names=CLASSES)
        self._frames: dict[int, UInt8[Tensor, "T 3 H W"]] = {}
        self._room = MAX_KEPT_BYTES

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


def parse(text: str) -> SceneMotions | None:
    """The dataset that "scenes", "scenes:COUNT" or "scenes:COUNT@SIZE" names; None where the text names another.

    >>> len(parse("scenes:60@32"))
    60

    Raises:
        DataError: the text begins with "scenes:" and goes on otherwise.
    """
    return parse_scenes(text, SceneMotions)
