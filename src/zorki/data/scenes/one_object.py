"""Scenes for localization: one object before a cluttered ground, and a box around what is seen of it."""

from __future__ import annotations

import dataclasses

from zorki.data.scenes.dataset import Scene
from zorki.data.scenes.objects import SceneObjects, parse_scenes
from zorki.types import Boxes


class SceneLocalization(SceneObjects[Boxes]):
    """Scenes of exactly one object, small or large, anywhere and in any turn, with a box tight around it."""

    objects = (1, 1)
    radius = (0.12, 0.4)

    def __init__(
        self, count: int = 2000, *, seed: int = 0, size: tuple[int, int] = (128, 128), clutter: float = 0.3
    ) -> None:
        super().__init__(count, seed=seed, size=size, clutter=clutter)
        self._cache: dict[int, Boxes] = {}

    def keep(self, index: int, made: Scene) -> None:
        self._cache[index] = dataclasses.replace(made.boxes, identities=None)

    def cached(self, index: int) -> Boxes | None:
        return self._cache.get(index)


def parse(text: str) -> SceneLocalization | None:
    """The dataset that "scenes", "scenes:COUNT" or "scenes:COUNT@SIZE" names; None where the text names another.

    >>> len(parse("scenes:200@96"))
    200

    Raises:
        DataError: the text begins with "scenes:" and goes on otherwise.
    """
    return parse_scenes(text, SceneLocalization)
