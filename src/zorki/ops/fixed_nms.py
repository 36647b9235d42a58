"""Non-maximum suppression of a batch in tensors of fixed sizes, as exported graphs want it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

# More candidates than these are not compared with one another where no operator of a runtime does it: each is with
# each, so that memory grows with the square.
PORTABLE_ROWS = 1024


@dataclass
class FixedBoxes:
    """M boxes an image, best first; rows from `count` on are none: 0, 0 and -1."""

    xyxy: Float[Tensor, "B M 4"]
    scores: Float[Tensor, "B M"]
    labels: Int[Tensor, "B M"]
    count: Int[Tensor, " B"]

    def tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """In the order in which exported files give them."""
        return self.xyxy, self.scores, self.labels, self.count


def fixed_nms(
    xyxy: Float[Tensor, "B N 4"],
    scores: Float[Tensor, "B N"],
    labels: Int[Tensor, "B N"],
    *,
    min_score: float,
    max_iou: float | None,
    most: int,
) -> FixedBoxes:
    """The boxes of each image that score above `min_score` and stay in NMS within each class, at most so many.

    Args:
        max_iou: of two boxes of a class that stay; None: all stay.
        most: M; less where there are fewer candidates.
    """
    if max_iou is not None:
        # Every class gets a place of its own, so that boxes of two classes never meet.
        span = xyxy.amax((1, 2), keepdim=True) - xyxy.amin((1, 2), keepdim=True) + 1
        keep = nms_keep(xyxy + labels[..., None] * span, scores, max_iou, min_score, most)
        scores = torch.where(keep, scores, torch.full_like(scores, -torch.inf))
    best, rows = scores.topk(min(most, scores.shape[1]), 1)
    there = best > min_score
    return FixedBoxes(
        torch.where(there[..., None], xyxy.gather(1, rows[..., None].expand(-1, -1, 4)), 0.0),
        torch.where(there, best, 0.0),
        torch.where(there, labels.gather(1, rows), -1),
        there.sum(1),
    )


@torch.library.custom_op(  # type: ignore[untyped-decorator]
    "zorki::nms_keep",
    mutates_args=(),
    schema="(Tensor xyxy, Tensor scores, float max_iou, float min_score, int most) -> Tensor",
)
def nms_keep(xyxy: Tensor, scores: Tensor, max_iou: float, min_score: float, most: int) -> Tensor:
    """Which of the boxes (B, N, 4) of each image stay in NMS: bool (B, N), at most the `most` best an image.

    An operator of its own, so that it becomes NonMaxSuppression in ONNX, which PyTorch's exporter has for one image.
    """
    from torchvision.ops import nms  # takes seconds to import

    keep = torch.zeros(scores.shape, dtype=torch.bool, device=scores.device)
    for image in range(scores.shape[0]):
        rows = (scores[image] > min_score).nonzero()[:, 0]
        keep[image, rows[nms(xyxy[image, rows], scores[image, rows], max_iou)[:most]]] = True
    return keep


@nms_keep.register_fake  # type: ignore[untyped-decorator]
def _(xyxy: Tensor, scores: Tensor, max_iou: float, min_score: float, most: int) -> Tensor:
    return torch.empty_like(scores, dtype=torch.bool)


def nms_keep_portable(
    xyxy: Float[Tensor, "B N 4"], scores: Float[Tensor, "B N"], max_iou: float, min_score: float, most: int
) -> Bool[Tensor, "B N"]:
    """The same of PyTorch's own operators alone, of the best `PORTABLE_ROWS` of each image; `most` plays no part.

    A box stays where no better one that stays covers it. Who stays is worked out from the best on: each round settles
    at least one more, and a few do, since chains of boxes that cover one another in turn are short.
    """
    best, rows = scores.topk(min(PORTABLE_ROWS, scores.shape[1]), 1)
    boxes = xyxy.gather(1, rows[..., None].expand(-1, -1, 4))
    there = best > min_score
    covers = _covers(boxes, max_iou) & there[:, :, None] & there[:, None]
    keep = there
    for _ in range(_ROUNDS):
        keep = there & ~(covers & keep[:, :, None]).any(1)
    return torch.zeros_like(scores, dtype=torch.bool).scatter(1, rows, keep)


_ROUNDS = 16


def _covers(boxes: Float[Tensor, "B N 4"], max_iou: float) -> Bool[Tensor, "B N N"]:
    """Whether the first of two boxes is better, that is before the second, and overlaps it by more than that."""
    low = torch.maximum(boxes[:, :, None, :2], boxes[:, None, :, :2])
    high = torch.minimum(boxes[:, :, None, 2:], boxes[:, None, :, 2:])
    shared = (high - low).clamp_min(0).prod(-1)
    area = (boxes[..., 2:] - boxes[..., :2]).prod(-1)
    overlap = shared > max_iou * (area[:, :, None] + area[:, None] - shared)
    return overlap & torch.ones_like(overlap).triu(1)
