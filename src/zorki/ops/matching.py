"""Who learns what: anchors claimed by boxes, pairs of least cost, and the choice of whom to learn from."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

BACKGROUND = -1
IGNORED = -2


@torch.no_grad()
def claim_anchors(iou: Float[Tensor, "B M N"]) -> Int[Tensor, "B N"]:
    """Each of M boxes claims one of N anchors for itself: for each anchor the box that claims it, or BACKGROUND.

    The pair of highest overlap in each image goes first, then that of highest overlap among the boxes and anchors
    that are left, and so on, as in the code of SSD's authors; of equals the first box, and the first anchor. A box that
    overlaps none of the anchors that are left claims none.
    """
    claimed = torch.full_like(iou[:, 0], BACKGROUND, dtype=torch.int64)
    if iou.shape[2] == 0:
        return claimed
    own, best_match = iou.max(2)
    waiting = own > 0
    boxes = torch.arange(iou.shape[1], device=iou.device)
    # A round settles all pairs that are each other's best; in most batches the first round settles all.
    while bool(waiting.any()):
        rivals = iou.gather(2, best_match[:, None].expand(-1, len(boxes), -1)).masked_fill(~waiting[:, :, None], -1)
        settled = waiting & (rivals.argmax(1) == boxes)
        image, box = settled.nonzero(as_tuple=True)
        claimed[image, best_match[image, box]] = box
        waiting = waiting & ~settled
        image, box = (waiting & (claimed.gather(1, best_match) >= 0)).nonzero(as_tuple=True)
        left = iou[image, box].masked_fill(claimed[image] >= 0, -1)
        own[image, box], best_match[image, box] = left.max(1)
        waiting &= own > 0
    return claimed


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
    best_match = min(len(positive), int(count * positive_share))
    rest = min(len(negative), count - best_match)
    order_p = torch.randperm(len(positive), device=positive.device)[:best_match]
    order_n = torch.randperm(len(negative), device=negative.device)[:rest]
    return positive[order_p], negative[order_n]
