"""Tracks as tables of boxes: joined, held still, and laid beside each other by frame."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from zorki.ops.boxes import paired_iou
from zorki.types import Boxes, TrackedBoxes


def no_boxes() -> TrackedBoxes:
    """A track without a frame."""
    none = torch.zeros(0, dtype=torch.int64)
    return TrackedBoxes(none, none, torch.zeros(0, 4))


def join_frames(frames: Sequence[Boxes], size: tuple[int, int] | None = None) -> TrackedBoxes:
    """One table of the boxes of each frame, numbered from 0; row i of each is the object of identity i.

    Args:
        size: (height, width) of the frames; None: it is not known.
    """
    numbers = [torch.full((len(boxes),), number, dtype=torch.int64) for number, boxes in enumerate(frames)]
    identities = [torch.arange(len(boxes)) for boxes in frames]
    scores = [boxes.xyxy.new_ones(len(boxes)) if boxes.scores is None else boxes.scores for boxes in frames]
    if not frames:
        return no_boxes()
    xyxy = torch.cat([boxes.xyxy for boxes in frames])
    sizes = None if size is None else torch.tensor(size).expand(len(xyxy), 2)
    return TrackedBoxes(torch.cat(numbers), torch.cat(identities), xyxy, scores=torch.cat(scores), frame_sizes=sizes)


def still_boxes(target: TrackedBoxes) -> TrackedBoxes:
    """The object where it is in its first frame, in all frames in which it is annotated."""
    xyxy = target.xyxy[:1].expand(len(target), -1).clone()
    return TrackedBoxes(target.frames, target.identities, xyxy, scores=torch.ones(len(target)))


def aligned(
    prediction: TrackedBoxes, target: TrackedBoxes
) -> tuple[Float[Tensor, "T 4"], Float[Tensor, "T 4"], Bool[Tensor, " T"]]:
    """Predicted and ground truth boxes of each frame up to the last annotated one, and which of them are annotated.

    A frame without a predicted box has an empty one.
    """
    count = int(target.frames.max()) + 1 if len(target) else 0
    boxes = []
    for track in (prediction, target):
        rows, inside = torch.zeros(count, 4), track.frames < count
        rows[track.frames[inside]] = track.xyxy[inside].float()
        boxes.append(rows)
    annotated = torch.zeros(count, dtype=torch.bool)
    annotated[target.frames] = True
    return boxes[0], boxes[1], annotated


def overlaps(prediction: TrackedBoxes, target: TrackedBoxes) -> Float[Tensor, " N"]:
    """The IoU in each annotated frame."""
    predicted, ground_truth, annotated = aligned(prediction, target)
    return paired_iou(predicted, ground_truth)[annotated]
