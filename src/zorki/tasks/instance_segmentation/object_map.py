"""Objects as one map: in each pixel the number of an object, as benchmarks of cells and leaves exchange them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Int32
from PIL import Image

from zorki.errors import ZorkiError
from zorki.files import whole
from zorki.ops.mask_pixels import MaskPixels
from zorki.types import Instances

MAX_OBJECTS = 65535  # numbers that 16 bits hold


def object_map(instances: Instances, min_score: float = 0.0) -> Int32[np.ndarray, "H W"]:
    """In each pixel the row of its object, counted from 1, and 0 for none; the best score on top.

    Predictions below `min_score` are not in it, nor are those of which more than half lies under better ones: it is the
    map that metrics are computed from.
    """
    pixels = MaskPixels.of(instances.masks)
    if instances.scores is None:
        return pixels.laid_out(range(len(instances))).numbers()
    order = instances.scores.argsort(descending=True, stable=True)
    return pixels.laid_out(order[instances.scores[order] >= min_score].tolist()).numbers()


def write_object_map(path: Path, numbers: Int32[np.ndarray, "H W"]) -> None:
    """Writes a map of objects as a gray PNG of 16 bits; whole or not at all.

    Raises:
        ZorkiError: there are more objects than numbers of 16 bits, or the file cannot be written.
    """
    if numbers.size and numbers.max() > MAX_OBJECTS:
        raise ZorkiError(
            f"{path}: {numbers.max()} objects, and a PNG of 16 bits numbers {MAX_OBJECTS}; show fewer of them"
        )
    with whole(path, flush=False) as aside:
        Image.fromarray(numbers.astype(np.uint16)).save(aside, format="png")
