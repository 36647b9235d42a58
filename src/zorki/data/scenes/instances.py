"""Scenes for instance segmentation: images of several objects, and the visible pixels of each."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from zorki.data.scenes.dataset import Scene
from zorki.data.scenes.objects import SceneObjects, parse_scenes
from zorki.types import Instances

__all__ = ["SceneInstances", "parse"]


class SceneInstances(SceneObjects[Instances]):
    """Scenes of one to five objects, see `SceneObjects`, with a mask of each.

    Masks hold the visible pixels, and boxes are tight around them; objects of which nothing is seen have neither.
    Annotations are found by painting, and remembered, eight pixels of a mask to a byte.
    """

    def __init__(
        self, count: int = 2000, *, seed: int = 0, size: tuple[int, int] = (128, 128), clutter: float = 0.3
    ) -> None:
        super().__init__(count, seed=seed, size=size, clutter=clutter)
        self._cache: dict[int, tuple[Instances, np.ndarray]] = {}

    def keep(self, index: int, made: Scene) -> None:
        found = made.instances
        # Who an object is belongs to tracking.
        bare = dataclasses.replace(found, masks=found.masks[:, :0, :0].clone(), identities=None)
        self._cache[index] = bare, np.packbits(found.masks.numpy())

    def cached(self, index: int) -> Instances | None:
        if index not in self._cache:
            return None
        bare, packed = self._cache[index]
        shape = len(bare), *self.size
        masks = np.unpackbits(packed, count=int(np.prod(shape))).astype(bool).reshape(shape)
        return dataclasses.replace(bare, masks=torch.from_numpy(masks))


def parse(text: str) -> SceneInstances | None:
    """The dataset that "scenes", "scenes:COUNT" or "scenes:COUNT@SIZE" names; None where the text names another.

    >>> len(parse("scenes:200@96"))
    200

    Raises:
        DataError: the text begins with "scenes:" and goes on otherwise.
    """
    return parse_scenes(text, SceneInstances)
