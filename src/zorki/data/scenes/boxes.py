"""Scenes for detection: images of several objects, and a box around what is seen of each."""

from __future__ import annotations

import dataclasses

from zorki.data.scenes.dataset import Scene
from zorki.data.scenes.objects import MIN_COUNT, MIN_SIDE, OBJECTS, POPULATION, RADIUS, SceneObjects, parse_scenes
from zorki.types import Boxes

__all__ = ["MIN_COUNT", "MIN_SIDE", "OBJECTS", "POPULATION", "RADIUS", "SceneDetection", "parse"]


class SceneDetection(SceneObjects[Boxes]):
    """Scenes of one to five objects, see `SceneObjects`, with a box around each.

    Boxes are tight around the visible pixels; objects of which nothing is seen have none. Annotations are found by
    painting, and remembered.
    """

    def __init__(
        self, count: int = 2000, *, seed: int = 0, size: tuple[int, int] = (128, 128), clutter: float = 0.3
    ) -> None:
        super().__init__(count, seed=seed, size=size, clutter=clutter)
        self._cache: dict[int, Boxes] = {}

    def keep(self, index: int, made: Scene) -> None:
        # Who an object is belongs to tracking.
        self._cache[index] = dataclasses.replace(made.boxes, identities=None)

    def cached(self, index: int) -> Boxes | None:
        return self._cache.get(index)


def parse(text: str) -> SceneDetection | None:
    """The dataset that "scenes", "scenes:COUNT" or "scenes:COUNT@SIZE" names; None where the text names another.

    >>> len(parse("scenes:200@96"))
    200

    Raises:
        DataError: the text begins with "scenes:" and goes on otherwise.
    """
    return parse_scenes(text, SceneDetection)
