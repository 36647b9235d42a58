"""Labels of a mirrored image: what was a left ear is a right one."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Integer
from torch import Tensor

from zorki.data.transforms.flip_pairs import flip_pairs


def mirrored_labels(labels: Integer[Tensor, "*_"], class_names: Sequence[str]) -> Integer[Tensor, "*_"]:
    """Labels of objects, or of pixels, with those of the two sides of a pair exchanged; values of no class stay.

    The very same tensor where the names have no sides.
    """
    pairs = flip_pairs(tuple(class_names))
    if not pairs:
        return labels
    swapped = labels.clone()
    for left, right in pairs:
        swapped[labels == left] = right
        swapped[labels == right] = left
    return swapped
