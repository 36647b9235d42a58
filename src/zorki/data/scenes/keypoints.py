"""Scenes for pose: images of several objects, with four places of each (head, right, tail, left) and its box."""

from __future__ import annotations

import dataclasses

from zorki.data.annotations.keypoints.skeletons import skeleton_of
from zorki.data.scenes.dataset import PLACES, Scene
from zorki.data.scenes.objects import SceneObjects, parse_scenes
from zorki.types import ClassInfo, Keypoints, Skeleton

LIMBS = ((0, 1), (1, 2), (2, 3), (3, 0))


class SceneKeypoints(SceneObjects[Keypoints]):
    """Scenes of one to five objects, see `SceneObjects`, with the `PLACES` and the box of each.

    Annotations are found by painting, and remembered. Boxes are tight around the visible pixels.
    """

    def __init__(
        self, count: int = 2000, *, seed: int = 0, size: tuple[int, int] = (128, 128), clutter: float = 0.3
    ) -> None:
        super().__init__(count, seed=seed, size=size, clutter=clutter)
        self.skeleton: Skeleton = skeleton_of(PLACES, LIMBS, [(3, 1)])
        self._known: dict[int, Keypoints] = {}

    def keep(self, index: int, made: Scene) -> None:
        self._known[index] = dataclasses.replace(made.keypoints, xyxy=made.boxes.xyxy)

    def cached(self, index: int) -> Keypoints | None:
        return self._known.get(index)

    def class_info(self) -> ClassInfo:
        return ClassInfo(tuple(self.class_names), skeleton=self.skeleton)


def parse(text: str) -> SceneKeypoints | None:
    """The dataset that "scenes", "scenes:COUNT" or "scenes:COUNT@SIZE" names; None where the text names another.

    Raises:
        DataError: the text begins with "scenes:" and goes on otherwise.
    """
    return parse_scenes(text, SceneKeypoints)
