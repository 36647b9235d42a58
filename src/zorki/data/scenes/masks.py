"""Scenes for semantic segmentation: images of several objects, and the class of every pixel."""

from __future__ import annotations

import zlib

import numpy as np
import torch

from zorki.data.scenes.dataset import CLASS_NAMES, Scene
from zorki.data.scenes.objects import SceneObjects, parse_scenes
from zorki.types import Mask


class SceneSegmentation(SceneObjects[Mask]):
    """Scenes of one to five objects, see `SceneObjects`, with a class for every pixel.

    Class 0 is the ground and what lies about on it; the ten shapes follow. Masks are found by painting, and remembered,
    packed to a twentieth of a byte a pixel.
    """

    palette: list[tuple[int, int, int]] | None = None

    def __init__(
        self, count: int = 2000, *, seed: int = 0, size: tuple[int, int] = (128, 128), clutter: float = 0.3
    ) -> None:
        super().__init__(count, seed=seed, size=size, clutter=clutter)
        self.class_names = ["ground", *CLASS_NAMES]
        self._packed: dict[int, bytes] = {}

    def keep(self, index: int, made: Scene) -> None:
        self._packed[index] = zlib.compress(made.mask.classes.numpy().astype(np.uint8).tobytes(), 1)

    def cached(self, index: int) -> Mask | None:
        if index not in self._packed:
            return None
        values = np.frombuffer(zlib.decompress(self._packed[index]), np.uint8).reshape(self.size)
        return Mask(torch.from_numpy(values.astype(np.int64)))


def parse(text: str) -> SceneSegmentation | None:
    """The dataset that "scenes", "scenes:COUNT" or "scenes:COUNT@SIZE" names; None where the text names another.

    >>> len(parse("scenes:200@96"))
    200

    Raises:
        DataError: the text begins with "scenes:" and goes on otherwise.
    """
    return parse_scenes(text, SceneSegmentation)
