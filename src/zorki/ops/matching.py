"""Who learns what: boxes matched to anchors by overlap or by least cost, and the choice of whom to learn from."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

BACKGROUND = -1
IGNORED = -2


def match_by_iou(
    iou: Float[Tensor, "N M"], low: float, high: float, *, claim: bool = False, exact: bool = False
) -> Int[Tensor, " N"]:
    """For each of N anchors the box (of M) that it learns, BACKGROUND below `low`, IGNORED from `low` to `high`.

    Each anchor takes its best box, where that overlaps by at least `high` (Ren et al., 2015, section 3.1.2).

    Args:
        claim: every box also gets the anchors of its highest overlap, as long as they overlap at all and whatever
            the thresholds say; such an anchor keeps its own best box, as torchvision's "low quality matches" do.
        exact: with `claim`, the anchor that is a box's best learns that very box (Liu et al., 2016, section 2.2).
    """
    if iou.shape[1] == 0:
        return torch.full((iou.shape[0],), BACKGROUND, device=iou.device)
    best, owner = iou.max(1)
    matched = torch.where(best >= high, owner, torch.where(best < low, BACKGROUND, IGNORED))
    if not claim or iou.shape[0] == 0:
        return matched
    if exact:
        anchor = iou.argmax(0)
        claimed = iou.amax(0) > 0
        matched[anchor[claimed]] = torch.arange(iou.shape[1], device=iou.device)[claimed]
        return matched
    highest = iou.amax(0)
    claimed = ((iou == highest) & (highest > 0)).any(1)
    return torch.where(claimed, owner, matched)


def match_by_cost(cost: Float[Tensor, "N M"]) -> tuple[Int[Tensor, " K"], Int[Tensor, " K"]]:
    """The pairs (rows, columns) of the assignment of least total cost, K = min(N, M); rows rise.

    The Hungarian algorithm (Kuhn, 1955), by SciPy, on the CPU.

    Raises:
        ValueError: the cost has values that are not finite.
    """
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(cost.detach().float().cpu().numpy())
    return torch.from_numpy(rows).to(cost.device), torch.from_numpy(columns).to(cost.device)


def sample_balanced(
    is_positive: Bool[Tensor, " N"],
    is_negative: Bool[Tensor, " N"],
    count: int,
    positive_share: float,
) -> tuple[Int[Tensor, " P"], Int[Tensor, " Q"]]:
    """Random rows to learn from: at most `positive_share` of `count` positives, filled up with negatives.

    Girshick (2015), section 2.3. Chance comes from torch's global generator, which the engine seeds and keeps.
    """
    positive, negative = is_positive.nonzero()[:, 0], is_negative.nonzero()[:, 0]
    wanted = min(len(positive), int(count * positive_share))
    rest = min(len(negative), count - wanted)
    order_p = torch.randperm(len(positive), device=positive.device)[:wanted]
    order_n = torch.randperm(len(negative), device=negative.device)[:rest]
    return positive[order_p], negative[order_n]
