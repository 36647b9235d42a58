import pytest
import torch
from torchvision.models.detection._utils import Matcher

from zorki.ops.boxes import pairwise_iou
from zorki.ops.matching import BACKGROUND, IGNORED
from zorki.tasks.detection.networks import target_assignment as assign
from zorki.tasks.detection.networks.target_assignment import (
    GroundTruthBatch,
    match_anchors,
    match_each,
    match_points,
    stack_ground_truths,
)
from zorki.types import Boxes


def some_boxes(count, seed, least=4.0):
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * 100
    size = torch.rand(count, 2, generator=generator) * 50 + least
    return Boxes(torch.cat([corner, corner + size], 1), torch.randint(0, 3, (count,), generator=generator))


def test_ground_truths_are_stacked_without_crowds_and_empty_boxes():
    xyxy = torch.tensor([[0.0, 0, 4, 4], [1, 1, 1, 5], [2, 2, 6, 6]])
    crowd = torch.tensor([False, False, True])
    ground_truths = stack_ground_truths(
        [Boxes(xyxy, torch.tensor([2, 1, 0]), crowd=crowd), some_boxes(2, 0), some_boxes(0, 0)]
    )
    assert ground_truths.present.tolist() == [[True, False], [True, True], [False, False]]
    assert ground_truths.xyxy[0].tolist() == [[0, 0, 4, 4], [0, 0, 0, 0]]
    assert ground_truths.labels[0].tolist() == [2, 0]
    assert stack_ground_truths([some_boxes(0, 0)]).xyxy.shape == (1, 1, 4)


def test_rows_are_repeated_beside_each_other():
    ground_truths = stack_ground_truths([some_boxes(2, 0), some_boxes(1, 1)]).repeated(3)
    assert ground_truths.xyxy.shape == (2, 6, 4)
    assert ground_truths.present.tolist() == [[True] * 6, [True] * 3 + [False] * 3]
    assert torch.equal(ground_truths.xyxy[0, 0::3], some_boxes(2, 0).xyxy)
    assert torch.equal(ground_truths.labels[0, 2::3], some_boxes(2, 0).labels)


def test_labels_of_owners():
    ground_truths = GroundTruthBatch(torch.zeros(1, 2, 4), torch.tensor([[7, 5]]), torch.ones(1, 2, dtype=torch.bool))
    assert ground_truths.of(torch.tensor([[1, -1, 0, -2]])).tolist() == [[5, BACKGROUND, 7, BACKGROUND]]


@pytest.mark.parametrize("claim", [False, True])
@pytest.mark.parametrize("pairs", [1 << 24, 1])
def test_a_batch_is_matched_as_its_images_one_by_one(claim, pairs, monkeypatch):
    monkeypatch.setattr(assign, "_MAX_PAIRS", pairs)
    anchors = some_boxes(300, 9, least=10).xyxy
    targets = [some_boxes(count, count) for count in (5, 0, 1, 9)]
    owner = match_anchors(anchors, stack_ground_truths(targets), 0.4, 0.5, claim=claim)
    theirs = Matcher(0.5, 0.4, allow_low_quality_matches=claim)
    for row, target in zip(owner, targets, strict=True):
        nothing = torch.full((300,), BACKGROUND)
        wanted = theirs(pairwise_iou(target.xyxy, anchors)) if len(target) else nothing
        assert row.tolist() == wanted.tolist()


def test_thresholds_and_claims_by_pencil():
    # Of each anchor with a box of 10 x 10: its height is its overlap in tenths.
    anchors = torch.tensor(
        [[0.0, 0, 10, 8], [0, 0, 10, 4.5], [0, 0, 10, 1], [20, 0, 30, 3], [20, 0, 30, 3], [20, 0, 30, 2]]
    )
    target = Boxes(torch.tensor([[0.0, 0, 10, 10], [20, 0, 30, 10]]), torch.tensor([0, 0]))
    ground_truths = stack_ground_truths([target])
    assert match_anchors(anchors, ground_truths, 0.4, 0.5, claim=False).tolist() == [[0, IGNORED, -1, -1, -1, -1]]
    assert match_anchors(anchors, ground_truths, 0.4, 0.5).tolist() == [[0, IGNORED, -1, 1, 1, -1]], "ties share"
    assert match_each(anchors, ground_truths, 0.4).tolist() == [[0, 0, -1, 1, -1, -1]], "each claims one"


@pytest.mark.parametrize("pairs", [1 << 24, 1])
def test_each_box_is_learned_once_at_least(pairs, monkeypatch):
    monkeypatch.setattr(assign, "_MAX_PAIRS", pairs)
    anchors = some_boxes(300, 9, least=10).xyxy
    twice = some_boxes(1, 3)[torch.tensor([0, 0])]  # two boxes in one place have one best anchor
    targets = [some_boxes(5, 5), twice, some_boxes(0, 0)]
    owner = match_each(anchors, stack_ground_truths(targets), 0.5)
    for row, target in zip(owner.tolist(), targets, strict=True):
        assert set(row) - {BACKGROUND} == set(range(len(target)))


def test_a_box_beside_all_anchors_claims_none():
    far = Boxes(torch.tensor([[500.0, 500, 510, 510]]), torch.tensor([0]))
    assert (match_anchors(some_boxes(20, 0).xyxy, stack_ground_truths([far]), 0.4, 0.5) == BACKGROUND).all()


def slow_points(points, least, most, radius, target):
    owner = []
    for (x, y), a, b, r in zip(points.tolist(), least.tolist(), most.tolist(), radius.tolist(), strict=True):
        fitting = []
        for index, (left, top, right, bottom) in enumerate(target.xyxy.tolist()):
            sides = (x - left, y - top, right - x, bottom - y)
            center = (abs(x - (left + right) / 2), abs(y - (top + bottom) / 2))
            if min(sides) > 0 and a < max(sides) < b and max(center) < r:
                fitting.append(((right - left) * (bottom - top), index))
        owner.append(min(fitting)[1] if fitting else BACKGROUND)
    return owner


@pytest.mark.parametrize("pairs", [1 << 24, 1])
def test_points_against_slow_twin(pairs, monkeypatch):
    monkeypatch.setattr(assign, "_MAX_PAIRS", pairs)
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(400, 2, generator=generator) * 150
    least = torch.tensor([0.0, 15]).repeat_interleave(200)
    most = torch.tensor([20.0, torch.inf]).repeat_interleave(200)
    radius = torch.tensor([8.0, 16]).repeat_interleave(200)
    targets = [some_boxes(count, count) for count in (12, 0, 1, 30)]
    owner = match_points(points, least, most, radius, stack_ground_truths(targets))
    for row, target in zip(owner, targets, strict=True):
        assert row.tolist() == slow_points(points, least, most, radius, target)
    assert (owner >= 0).sum() > 50


def test_of_two_boxes_around_a_point_the_smaller_is_learned():
    target = Boxes(torch.tensor([[0.0, 0, 100, 100], [40, 40, 60, 60]]), torch.tensor([0, 1]))
    place = torch.tensor([[50.0, 50], [50, 70], [5, 5]])
    owner = match_points(
        place, torch.zeros(3), torch.full((3,), torch.inf), torch.full((3,), 24.0), stack_ground_truths([target])
    )
    assert owner.tolist() == [[1, 0, BACKGROUND]]
