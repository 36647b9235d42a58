"""Objects as a map of numbers, which networks for pixels learn from, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int32, Int64
from torch import Tensor

from zorki.ops.mask_pixels import MaskPixels
from zorki.types import Instances


@dataclass(frozen=True)
class Numbered:
    """The objects of the images of a batch.

    Args:
        numbers: in each pixel 1 + the row of its object, or 0.
        valid: where something can be learned: not on crowds, whose objects the annotation does not tell apart.
        labels: int64 (N,), of the objects of each image.
    """

    numbers: Int32[Tensor, "B H W"]
    valid: Bool[Tensor, "B H W"]
    labels: list[Tensor]

    def classes(self) -> Int64[Tensor, "B H W"]:
        """The class of each pixel's object, -1 where none is."""
        return torch.stack(
            [
                torch.cat([torch.tensor([-1]), labels])[numbers.long()]
                for numbers, labels in zip(self.numbers, self.labels, strict=True)
            ]
        )


def number_objects(targets: Sequence[Instances]) -> Numbered:
    """The objects of a batch, whose images are of one size, as maps; on the CPU.

    Where objects overlap, the smallest is on top; crowds are below all.
    """
    maps, valid = [], []
    for target in targets:
        pixels = MaskPixels.of(target.masks)
        crowd = torch.zeros(len(target), dtype=torch.bool) if target.crowd is None else target.crowd.cpu()
        order = np.lexsort((-pixels.areas(), ~crowd.numpy()))
        numbers = torch.from_numpy(pixels.numbers(order.tolist()))
        of_crowd = torch.cat([torch.tensor([False]), crowd])[numbers.long()]
        maps.append(numbers.masked_fill(of_crowd, 0))
        valid.append(~of_crowd)
    return Numbered(torch.stack(maps), torch.stack(valid), [target.labels.cpu() for target in targets])


def objects_of(
    numbers: Int32[Tensor, "H W"],
    sure: Float[Tensor, "H W"],
    shares: Float[Tensor, "K H W"],
    *,
    min_area: int,
    max_objects: int,
    min_score: float = 0.0,
    labels: Sequence[int] | None = None,
) -> Instances:
    """The objects of a map of numbers, best first, with tight boxes.

    Args:
        numbers: of its object in each pixel, from 1 on; 0 for none.
        sure: how likely each pixel is of an object. An object's score is the mean over its pixels.
        shares: how likely each class is; K may be 0, for a single class. An object is of the class with the largest
            sum over its pixels, a vote of pixels that are as heavy as they are sure; its mean joins the score.
        min_area: smaller objects, in pixels, are left out.
        max_objects: the best ones are kept.
        min_score: objects that score less are left out.
        labels: of the classes whose objects are kept; None: of all.
    """
    from scipy import ndimage

    values = numbers.numpy()
    flat, count = values.ravel(), int(values.max(initial=0)) + 1
    areas = np.bincount(flat, minlength=count)
    pixels = np.maximum(areas, 1)
    scores = np.bincount(flat, sure.numpy().ravel(), count) / pixels
    classes = np.zeros(count, np.int64)
    if len(shares):
        means = np.stack([np.bincount(flat, share.ravel(), count) for share in shares.numpy()]) / pixels
        classes = means.argmax(0)
        scores = scores * means.max(0)
    chosen = (areas >= max(1, min_area)) & (scores >= min_score)
    if labels is not None:
        chosen &= np.isin(classes, list(labels))
    found = np.flatnonzero(chosen[1:]) + 1
    found = found[np.argsort(-scores[found], kind="stable")][:max_objects]
    boxes = ndimage.find_objects(values)
    masks = np.zeros((len(found), *values.shape), bool)
    xyxy = np.zeros((len(found), 4), np.float32)
    for row, number in enumerate(found):
        rows, columns = boxes[number - 1]
        masks[row, rows, columns] = values[rows, columns] == number
        xyxy[row] = columns.start, rows.start, columns.stop, rows.stop
    return Instances(
        torch.from_numpy(xyxy),
        torch.from_numpy(classes[found]),
        torch.from_numpy(masks),
        torch.from_numpy(scores[found].clip(0, 1).astype(np.float32)),
    )
