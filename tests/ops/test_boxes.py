import math

import pytest
import torch
from torchvision import ops as reference

from zorki.ops.boxes import (
    box_area,
    clip_boxes,
    cxcywh_to_xyxy,
    generalized_iou,
    intersection,
    is_large_enough,
    nms,
    paired_iou,
    pairwise_iou,
    xyxy_to_cxcywh,
)


def boxes(count, seed=0, size=100.0):
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * size
    return torch.cat([corner, corner + torch.rand(count, 2, generator=generator) * size / 2 + 0.5], 1)


def slow_iou(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = width * height if width > 0 and height > 0 else 0.0
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / union if union > 0 else 0.0


def test_areas_by_hand():
    assert box_area(torch.tensor([[0.0, 0, 4, 3], [1, 1, 1, 5], [5, 5, 2, 7], [5, 5, 2, 2]])).tolist() == [12, 0, 0, 0]
    assert box_area(torch.zeros(0, 4)).shape == (0,)
    assert box_area(torch.zeros(2, 3, 4)).shape == (2, 3)


def test_forms_by_hand_and_back():
    assert xyxy_to_cxcywh(torch.tensor([[1.0, 2, 5, 8]])).tolist() == [[3, 5, 4, 6]]
    assert cxcywh_to_xyxy(torch.tensor([[3.0, 5, 4, 6]])).tolist() == [[1, 2, 5, 8]]
    some = boxes(50)
    assert torch.allclose(cxcywh_to_xyxy(xyxy_to_cxcywh(some)), some, atol=1e-4)
    assert torch.allclose(xyxy_to_cxcywh(some), reference.box_convert(some, "xyxy", "cxcywh"), atol=1e-4)


def test_clipping_by_hand():
    clipped = clip_boxes(torch.tensor([[-3.0, -1, 5, 4], [8, 2, 30, 40], [50, 60, 70, 80]]), height=10, width=20)
    assert clipped.tolist() == [[0, 0, 5, 4], [8, 2, 20, 10], [20, 10, 20, 10]]
    assert torch.equal(clip_boxes(boxes(9), 60, 70), reference.clip_boxes_to_image(boxes(9), (60, 70)))


def test_overlaps_by_hand():
    a = torch.tensor([[0.0, 0, 2, 2]])
    b = torch.tensor([[1.0, 1, 3, 3], [2, 0, 4, 2], [0, 0, 2, 2], [0.5, 0.5, 1.5, 1.5], [9, 9, 9, 9]])
    assert pairwise_iou(a, b)[0].tolist() == pytest.approx([1 / 7, 0, 1, 1 / 4, 0])
    assert intersection(a, b).tolist() == [1, 0, 4, 1, 0]


def test_overlaps_against_slow_twin_and_torchvision():
    a, b = boxes(20), boxes(30, seed=1)
    slow = torch.tensor([[slow_iou(x, y) for y in b.tolist()] for x in a.tolist()])
    assert torch.allclose(pairwise_iou(a, b), slow, atol=1e-6)
    assert torch.allclose(pairwise_iou(a, b), reference.box_iou(a, b), atol=1e-6)
    assert torch.allclose(paired_iou(a, b[:20]), slow[:, :20].diagonal(), atol=1e-6)
    assert torch.allclose(generalized_iou(a[:, None], b), reference.generalized_box_iou(a, b), atol=1e-6)


def test_overlap_laws():
    a, b = boxes(20), boxes(20, seed=1)
    iou, giou = pairwise_iou(a, b), generalized_iou(a[:, None], b)
    assert torch.equal(iou, pairwise_iou(b, a).T)
    assert torch.allclose(pairwise_iou(a * 3 + 7, b * 3 + 7), iou, atol=1e-5)
    assert ((iou >= 0) & (iou <= 1)).all()
    assert ((giou > -1) & (giou <= iou + 1e-6)).all()
    assert torch.allclose(paired_iou(a, a), torch.ones(20))
    assert torch.allclose(generalized_iou(a, a), torch.ones(20))


def test_empty_boxes_overlap_nothing():
    point = torch.tensor([[3.0, 3, 3, 3]])
    assert pairwise_iou(point, point).tolist() == [[0]]
    assert paired_iou(point, point).tolist() == [0]
    assert generalized_iou(point, point).tolist() == [0]
    assert pairwise_iou(torch.zeros(0, 4), boxes(3)).shape == (0, 3)
    assert pairwise_iou(boxes(3), torch.zeros(0, 4)).shape == (3, 0)


def test_giou_by_hand():
    # Two unit squares with a gap of one: no overlap, the hull is 3 x 1, a third of it bare.
    apart = generalized_iou(torch.tensor([[0.0, 0, 1, 1]]), torch.tensor([[2.0, 0, 3, 1]]))
    assert apart.item() == pytest.approx(-1 / 3)


def test_giou_has_a_slope_where_boxes_do_not_touch():
    box = torch.tensor([[0.0, 0, 1, 1]], requires_grad=True)
    generalized_iou(box, torch.tensor([[5.0, 0, 6, 1]])).sum().backward()
    assert box.grad[0, 2] > 0, "wider towards the other box is better"


def test_large_enough_is_evaluated_on_both_sides():
    found = is_large_enough(torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 1.9], [0, 0, 1.9, 2], [2, 2, 0, 0]]), 2)
    assert found.tolist() == [True, False, False, False]


def slow_suppression(xyxy, scores, groups, most):
    left = sorted(range(len(scores)), key=lambda row: -scores[row])
    kept = []
    for row in left:
        if all(groups[row] != groups[k] or slow_iou(xyxy[row], xyxy[k]) <= most for k in kept):
            kept.append(row)
    return kept


@pytest.mark.parametrize("most", [0.1, 0.3, 0.5, 0.9])
def test_suppression_against_slow_twin(most):
    xyxy = boxes(80)
    generator = torch.Generator().manual_seed(2)
    scores, groups = torch.rand(80, generator=generator), torch.randint(0, 3, (80,), generator=generator)
    kept = nms(xyxy, scores, groups, most)
    assert kept.tolist() == slow_suppression(xyxy.tolist(), scores.tolist(), groups.tolist(), most)


def test_suppression_keeps_groups_apart_and_what_overlaps_just_as_much():
    same = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 4], [0, 0, 4, 2]])
    scores = torch.tensor([0.5, 0.9, 0.7])
    assert nms(same, scores, torch.tensor([0, 1, 2]), 0.1).tolist() == [1, 2, 0]
    assert nms(same, scores, torch.tensor([0, 0, 0]), 0.5).tolist() == [1, 2]
    assert nms(same, scores, torch.tensor([0, 0, 0]), 0.49).tolist() == [1]
    assert nms(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64), 0.5).shape == (0,)


def test_half_precision_boxes_are_suppressed_in_float32():
    kept = nms(boxes(10).bfloat16(), torch.rand(10).bfloat16(), torch.zeros(10, dtype=torch.int64), 0.5)
    assert 1 <= len(kept) <= 10
    assert math.isfinite(float(kept.sum()))
