"""GOT-10k's average overlap and success rates of one object's track (Huang, Zhao and Huang, 2019, section 4.1).

By the rules of its toolkit: the first frame, which was given, is left out; boxes are brought into the image;
frames in which the object cannot be seen count nowhere; and frames of all sequences weigh alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from zorki.ops.boxes import paired_iou

SUCCESS_IOU = (0.5, 0.75)


def got10k_overlaps(
    predicted: Float[Tensor, "T 4"],
    ground_truth: Float[Tensor, "T 4"],
    *,
    size: tuple[int, int] | None = None,
    visible: Bool[Tensor, " T"] | None = None,
) -> Float[Tensor, " N"]:
    """The IoU of each frame that counts in one sequence, boxes xyxy in pixels.

    Args:
        size: (height, width) of the frames, into which boxes are brought, see `bounded`; None: they stay as they are.
        visible: whether the object can be seen in a frame; None: in all.
    """
    predicted, ground_truth = predicted.double()[1:], ground_truth.double()[1:]
    if size is not None:
        predicted, ground_truth = bounded(predicted, *size), bounded(ground_truth, *size)
    overlaps = paired_iou(predicted, ground_truth)
    return overlaps if visible is None else overlaps[visible[1:]]


def bounded(xyxy: Float[Tensor, "N 4"], height: float, width: float) -> Float[Tensor, "N 4"]:
    """The boxes as GOT-10k's toolkit (0.1.3) brings them into a frame, `rect_iou` with a bound.

    At the right and below they are cut off. At the left and above they are moved: a corner beyond the edge comes to
    lie on it, and the width and the height stay. We count the same, since scores are compared with those of others.

    >>> bounded(torch.tensor([[-10.0, 0, 10, 10], [15, 5, 30, 10]]), 20, 20).tolist()
    [[0.0, 0.0, 20.0, 10.0], [15.0, 5.0, 20.0, 10.0]]
    """
    edge = xyxy.new_tensor([width, height])
    corners = torch.minimum(xyxy[:, :2].clamp_min(0), edge)
    sides = torch.minimum((xyxy[:, 2:] - xyxy[:, :2]).clamp_min(0), edge - corners)
    return torch.cat([corners, corners + sides], 1)


def average_overlap(sequences: Sequence[Float[Tensor, " _"]]) -> float | None:
    """AO, the mean over all frames of all sequences; None where none counts."""
    overlaps = _joined(sequences)
    return float(overlaps.mean()) if len(overlaps) else None


def success_rate(sequences: Sequence[Float[Tensor, " _"]], iou: float) -> float | None:
    """SR, the share of all frames whose IoU is above `iou`; None where no frame counts.

    >>> success_rate([torch.tensor([0.4, 0.5, 0.6]), torch.tensor([1.0])], 0.5)
    0.5
    """
    overlaps = _joined(sequences)
    return float((overlaps > iou).double().mean()) if len(overlaps) else None


def _joined(sequences: Sequence[Tensor]) -> Tensor:
    return torch.cat([one.double() for one in sequences]) if len(sequences) else torch.zeros(0, dtype=torch.float64)
