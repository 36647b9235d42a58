"""Scenes for tracking: clips of shapes that move, of which the first is followed."""

from __future__ import annotations

import torch

from zorki.data.annotations.tracks.dataset import OBJECT
from zorki.data.scenes.clips import clip
from zorki.data.scenes.dataset import check_index
from zorki.data.scenes.films.scene_clips import FRAMES, SceneClips
from zorki.data.scenes.objects import MIN_COUNT, parse_scenes
from zorki.errors import DataError
from zorki.types import Sample, TrackedBoxes


class SceneTracks(SceneClips[TrackedBoxes]):
    """Clips of two objects, the one in front of which is tracked; each is a function of (seed, index).

    Args:
        count: clips in all, 10 or more; 70 % train, 15 % val, 15 % test, in this order.
        seed: the world.
        size: (height, width) in pixels, 16 or more each.

    Raises:
        DataError: count or size cannot be.
    """

    def __init__(self, count: int = 400, *, seed: int = 0, size: tuple[int, int] = (128, 128)) -> None:
        if count < MIN_COUNT:
            raise DataError(f"scenes: expected {MIN_COUNT} clips or more, for every split to have some; got {count}")
        super().__init__(count, seed=seed, size=size, class_names=[OBJECT])
        self._targets: dict[int, TrackedBoxes] = {}

    def __getitem__(self, index: int) -> Sample[TrackedBoxes]:
        """The clip, painted now. Raises IndexError outside 0..len-1."""
        made = clip(self.seed, check_index(index, self.count), frames=FRAMES, size=self.size, objects=2)
        tracks = made.tracks
        identity = next(iter(made.motions))  # the first, in front of the other
        rows = tracks[tracks.identities == identity]
        self._targets[index] = TrackedBoxes(
            rows.frames, torch.zeros_like(rows.frames), rows.xyxy, sequence=self.path(index).stem
        )
        return Sample(made.frames, self._targets[index], self.path(index))

    def target(self, index: int) -> TrackedBoxes:
        """The annotation; painted once to see it."""
        if check_index(index, self.count) not in self._targets:
            self[index]
        return self._targets[index]


def parse(text: str) -> SceneTracks | None:
    """The dataset that "scenes", "scenes:COUNT" or "scenes:COUNT@SIZE" names; None where the text names another.

    >>> len(parse("scenes:20@64"))
    20

    Raises:
        DataError: the text begins with "scenes:" and goes on otherwise.
    """
    return parse_scenes(text, SceneTracks)
