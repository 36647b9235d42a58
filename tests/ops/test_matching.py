import itertools

import pytest
import torch
from torchvision.models.detection._utils import Matcher

from zorki.ops.matching import BACKGROUND, IGNORED, match_by_cost, match_by_iou, sample_balanced

IOU = torch.tensor(
    [
        [0.8, 0.1, 0.0],
        [0.45, 0.2, 0.0],
        [0.1, 0.3, 0.0],
        [0.0, 0.6, 0.7],
        [0.0, 0.2, 0.1],
        [0.3, 0.3, 0.0],
    ]
)


def overlaps(anchors, boxes, seed=0):
    return torch.rand(anchors, boxes, generator=torch.Generator().manual_seed(seed))


def test_thresholds_by_hand():
    matched = match_by_iou(IOU, 0.4, 0.5)
    assert matched.tolist() == [0, IGNORED, BACKGROUND, 2, BACKGROUND, BACKGROUND]


def test_claims_by_hand():
    # The second box is overlapped most by anchor 3, which itself overlaps the third box more.
    assert match_by_iou(IOU, 0.4, 0.5, claim=True).tolist() == [0, IGNORED, BACKGROUND, 2, BACKGROUND, BACKGROUND]
    weak = torch.tensor([[0.3, 0.0], [0.3, 0.0], [0.2, 0.0]])
    assert match_by_iou(weak, 0.4, 0.5, claim=True).tolist() == [0, 0, BACKGROUND], "ties share, nothing claims nothing"
    assert match_by_iou(weak, 0.4, 0.5, claim=True, exact=True).tolist() == [0, BACKGROUND, BACKGROUND]


def test_exact_claims_give_a_box_its_own_best_anchor():
    assert match_by_iou(IOU[:, :2], 0.5, 0.5, claim=True, exact=True)[3] == 1
    shared = torch.tensor([[0.9, 0.8], [0.1, 0.2]])
    assert match_by_iou(shared, 0.5, 0.5, claim=True, exact=True).tolist() == [1, BACKGROUND]


@pytest.mark.parametrize("claim", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_matches_are_torchvisions(claim, seed):
    iou = overlaps(60, 7, seed) ** 3
    theirs = Matcher(0.5, 0.4, allow_low_quality_matches=claim)(iou.T.clone())
    assert match_by_iou(iou, 0.4, 0.5, claim=claim).tolist() == theirs.tolist()


def test_without_boxes_or_anchors():
    assert match_by_iou(torch.zeros(3, 0), 0.4, 0.5, claim=True).tolist() == [BACKGROUND] * 3
    assert match_by_iou(torch.zeros(0, 3), 0.4, 0.5, claim=True).shape == (0,)


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
