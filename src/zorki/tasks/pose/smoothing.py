"""Joints in videos without jitter: each object's are filtered over time."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from zorki.ops.boxes import pairwise_iou
from zorki.tasks.pose.one_euro import OneEuro, OneEuroState, step
from zorki.types import Keypoints

MIN_OVERLAP = 0.3  # IoU of the boxes of one object in two frames
MAX_GAP = 0.5  # seconds that an object may be out of sight and be the same


@runtime_checkable
class AssignsIdentities(Protocol):
    """Who is who from frame to frame."""

    def __call__(self, xyxy: Float[Tensor, "N 4"], labels: Int64[Tensor, " N"], seconds: float) -> Int64[Tensor, " N"]:
        """The identity of each object of the next frame, at that time; a new number for who was not there before."""


@dataclass
class OverlapIdentities:
    """By the overlap of boxes with those of the frames before, for want of a tracker; numbers count from 0.

    Objects of a class are assigned so that their overlaps are largest in sum (Kuhn, 1955). Of what has not been seen
    for half a second the identity ends.
    """

    count: int = 0
    last: dict[int, tuple[float, int, Tensor]] = field(default_factory=dict)  # when, class and box, by identity

    def __call__(self, xyxy: Float[Tensor, "N 4"], labels: Int64[Tensor, " N"], seconds: float) -> Int64[Tensor, " N"]:
        """See `AssignsIdentities`."""
        self.last = {key: seen for key, seen in self.last.items() if seconds - seen[0] <= MAX_GAP}
        found = self._matched(xyxy, labels)
        for row in np.flatnonzero(found.numpy() < 0).tolist():
            found[row] = self.count
            self.count += 1
        for row, key in enumerate(found.tolist()):
            self.last[key] = seconds, int(labels[row]), xyxy[row]
        return found

    def _matched(self, xyxy: Tensor, labels: Tensor) -> Tensor:
        from scipy.optimize import linear_sum_assignment

        found = torch.full((len(xyxy),), -1, dtype=torch.int64)
        if not self.last:
            return found
        keys = list(self.last)
        boxes = torch.stack([self.last[key][2] for key in keys])
        classes = torch.tensor([self.last[key][1] for key in keys])
        overlaps = torch.where(labels[:, None] == classes, pairwise_iou(xyxy, boxes), 0.0)
        for row, place in zip(*linear_sum_assignment(np.asarray(-overlaps)), strict=True):
            if overlaps[row, place] >= MIN_OVERLAP:
                found[row] = keys[place]
        return found


@dataclass
class JointSmoother:
    """Filters the joints of each object of one video, frame after frame, by the times of the frames.

    Identities are those of the predictions, where a tracker has put them there, else `identify`'s.
    """

    settings: OneEuro
    identify: AssignsIdentities = field(default_factory=OverlapIdentities)
    states: dict[int, OneEuroState] = field(default_factory=dict)

    def __call__(self, prediction: Keypoints, seconds: float) -> Keypoints:
        """The prediction of the next frame, which was taken at that time, with filtered joints and with identities."""
        boxes = prediction.xyxy if prediction.xyxy is not None else _around(prediction.points)
        labels = torch.zeros(len(boxes), dtype=torch.int64) if prediction.labels is None else prediction.labels
        identities = prediction.identities
        if identities is None:
            identities = self.identify(boxes, labels, seconds)
        sizes = (_around(prediction.points)[:, 2:] - _around(prediction.points)[:, :2]).norm(dim=1).tolist()
        points = prediction.points.clone()
        for row, key in enumerate(identities.tolist()):
            self.states[key] = step(self.settings, self._state(key, seconds), points[row], seconds, sizes[row])
            points[row] = self.states[key].points
        return dataclasses.replace(prediction, points=points, identities=identities)

    def _state(self, key: int, seconds: float) -> OneEuroState | None:
        """None of who was out of sight for long: the place of before says nothing about the one of now."""
        state = self.states.get(key)
        return None if state is None or seconds - state.seconds > MAX_GAP else state


def _around(points: Float[Tensor, "N P 2"]) -> Float[Tensor, "N 4"]:
    return torch.cat([points.amin(1), points.amax(1)], 1)
