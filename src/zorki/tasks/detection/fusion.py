"""The boxes of several models made into one prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from zorki.ops.boxes import pairwise_iou
from zorki.types import Boxes

SAME_IOU = 0.55  # the paper's best
MIN_SCORE = 0.01  # below, boxes are many and move no score


@dataclass
class _Group:
    """Boxes that are taken for one object: their weighted mean so far, and what it is made of."""

    label: int
    weighted: torch.Tensor  # (4,): sum of score * xyxy
    score: float  # sum of scores
    members: int = 1

    def mean(self) -> torch.Tensor:
        return self.weighted / self.score


def fuse(predictions: Sequence[Boxes], same_iou: float = SAME_IOU) -> Boxes:
    """Weighted boxes fusion (Solovyev et al., 2021): boxes on one object become their mean, weighted by score.

    In falling score, a box joins the group of its class whose mean it overlaps most, where by more than `same_iou`,
    or founds one. A group's score is the mean of its members', times min(members, models) / models: what few models
    see counts less (equation 5 of the paper, without its factor for models of unequal worth).

    Returns:
        Boxes with scores, best first; boxes below a score of 0.01 are left out. No boxes for no predictions.

    Raises:
        ValueError: a prediction has no scores.
    """
    groups: list[_Group] = []
    means = torch.zeros((0, 4))
    for corners, score, label in _falling(predictions):
        near = _nearest(means, groups, corners, label, same_iou)
        if near is None:
            groups.append(_Group(label, score * corners, score))
            means = torch.cat([means, corners[None]])
        else:
            group = groups[near]
            group.weighted, group.score = group.weighted + score * corners, group.score + score
            group.members += 1
            means[near] = group.mean()
    scores = [g.score / g.members * min(g.members, len(predictions)) / max(1, len(predictions)) for g in groups]
    fused = Boxes(means, torch.tensor([g.label for g in groups], dtype=torch.int64), torch.tensor(scores))
    assert fused.scores is not None
    return fused[fused.scores.argsort(descending=True, stable=True)]


def _falling(predictions: Sequence[Boxes]) -> list[tuple[torch.Tensor, float, int]]:
    rows = []
    for boxes in predictions:
        if boxes.scores is None:
            raise ValueError("boxes to fuse need scores; these are ground truth")
        kept = boxes[boxes.scores >= MIN_SCORE]
        assert kept.scores is not None
        rows += list(zip(kept.xyxy.cpu(), kept.scores.tolist(), kept.labels.tolist(), strict=True))
    return sorted(rows, key=lambda row: -row[1])


def _nearest(
    means: torch.Tensor, groups: Sequence[_Group], corners: torch.Tensor, label: int, same_iou: float
) -> int | None:
    mine = [place for place, group in enumerate(groups) if group.label == label]
    if not mine:
        return None
    iou, best = pairwise_iou(corners[None], means[mine])[0].max(0)
    return mine[int(best)] if float(iou) > same_iou else None
