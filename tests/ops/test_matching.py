import itertools

import pytest
import torch

from zorki.ops.matching import BACKGROUND, claim_anchors, match_by_cost, sample_balanced


def overlaps(anchors, boxes, seed=0):
    return torch.rand(anchors, boxes, generator=torch.Generator().manual_seed(seed))


def test_claims_by_pencil():
    iou = torch.tensor(
        [
            [0.9, 0.5, 0.0, 0.0],  # the best pair of all
            [0.8, 0.6, 0.0, 0.0],  # loses its best to the first, and takes the second from the third
            [0.0, 0.55, 0.1, 0.0],
            [0.0, 0.0, 0.0, 0.0],  # overlaps nothing
        ]
    )
    nothing = torch.full((4, 4), -1.0)
    assert claim_anchors(torch.stack([iou, nothing])).tolist() == [[0, 1, 2, BACKGROUND], [BACKGROUND] * 4]


def test_equal_claims_go_to_the_first_and_what_is_left_to_the_others():
    assert claim_anchors(torch.full((1, 3, 2), 0.5)).tolist() == [[0, 1]]
    assert claim_anchors(torch.tensor([[[0.5, 0.0], [0.5, 0.0]]])).tolist() == [[0, BACKGROUND]], "none is left for one"


def slow_claims(iou):
    claimed = [BACKGROUND] * iou.shape[1]
    pairs = sorted((-float(iou[box, anchor]), box, anchor) for box in range(len(iou)) for anchor in range(len(claimed)))
    for overlap, box, anchor in pairs:
        if overlap < 0 and box not in claimed and claimed[anchor] == BACKGROUND:
            claimed[anchor] = box
    return claimed


@pytest.mark.parametrize(("boxes", "anchors"), [(5, 40), (12, 14), (9, 4)])
def test_claims_are_the_greedy_ones(boxes, anchors):
    iou = torch.stack([overlaps(boxes, anchors, seed) for seed in range(8)])
    iou[4:] = (iou[4:] * 4).floor() / 4  # with many ties, and many that do not overlap
    assert claim_anchors(iou).tolist() == [slow_claims(one) for one in iou]


def test_claims_without_boxes_or_anchors():
    assert claim_anchors(torch.full((2, 1, 3), -1.0)).tolist() == [[BACKGROUND] * 3] * 2
    assert claim_anchors(torch.zeros(2, 3, 0)).shape == (2, 0)


@pytest.mark.parametrize(("rows", "columns"), [(4, 4), (5, 3), (3, 5)])
def test_least_cost_against_all_permutations(rows, columns):
    cost = overlaps(rows, columns, seed=rows)
    row, column = match_by_cost(cost)
    assert len(row) == min(rows, columns)
    assert row.tolist() == sorted(row.tolist())
    if rows <= columns:
        ways = [list(enumerate(way)) for way in itertools.permutations(range(columns), rows)]
    else:
        ways = [[(r, c) for c, r in enumerate(way)] for way in itertools.permutations(range(rows), columns)]
    least = min(sum(float(cost[r, c]) for r, c in way) for way in ways)
    assert float(cost[row, column].sum()) == pytest.approx(least, rel=1e-5)


def test_cost_must_be_finite_and_may_be_empty():
    with pytest.raises(ValueError, match=r"invalid numeric|infeasible"):
        match_by_cost(torch.tensor([[float("nan"), 1.0]]))
    rows, columns = match_by_cost(torch.zeros(0, 3))
    assert len(rows) == len(columns) == 0


def test_samples_are_balanced_and_filled_up():
    torch.manual_seed(0)
    positive = torch.arange(100) < 40
    chosen, rest = sample_balanced(positive, ~positive, 32, 0.25)
    assert (len(chosen), len(rest)) == (8, 24)
    assert positive[chosen].all()
    assert not positive[rest].any()
    assert len(set(chosen.tolist())) == 8
    few, many = sample_balanced(torch.arange(100) < 3, torch.arange(100) >= 3, 32, 0.25)
    assert (len(few), len(many)) == (3, 29)
    none, all_left = sample_balanced(torch.zeros(10, dtype=torch.bool), torch.arange(10) < 6, 32, 0.25)
    assert (len(none), len(all_left)) == (0, 6)


def test_chance_comes_from_the_seed():
    positive = torch.arange(50) < 20
    torch.manual_seed(7)
    first = sample_balanced(positive, ~positive, 16, 0.5)
    torch.manual_seed(7)
    again = sample_balanced(positive, ~positive, 16, 0.5)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
