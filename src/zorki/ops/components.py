"""Pieces of a map of classes that hang together: objects, where only their class is known."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Int32, Integer
from torch import Tensor


def connected_components(
    classes: Integer[Tensor, "H W"], *, background: int = 0, ignore: int = 255
) -> Int32[Tensor, "H W"]:
    """A number from 1 for each piece of one class whose pixels share edges; 0 for background and ignored pixels.

    Pixels that only share a corner belong to two pieces: between them passes a border one pixel wide. Pieces are
    numbered class by class, and from top to bottom within one.
    """
    from scipy import ndimage

    values = classes.numpy()
    found = np.zeros(values.shape, np.int32)
    count = 0
    for label in np.unique(values):
        if label not in (background, ignore):
            pieces, more = ndimage.label(values == label)
            np.add(pieces, count, out=found, where=pieces > 0, casting="unsafe")
            count += more
    return torch.from_numpy(found)
