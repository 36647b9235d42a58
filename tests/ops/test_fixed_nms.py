"""Non-maximum suppression in fixed sizes, beside torchvision's of one image."""

import pytest
import torch
from torchvision.ops import batched_nms

from zorki.ops.fixed_nms import fixed_nms, nms_keep, nms_keep_portable


def crowd(seed, count=60):
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand((3, count, 2), generator=generator) * 40
    boxes = torch.cat([corners, corners + 3 + torch.rand((3, count, 2), generator=generator) * 20], 2)
    return boxes, torch.rand((3, count), generator=generator), torch.randint(0, 3, (3, count), generator=generator)


@pytest.mark.parametrize("seed", range(3))
def test_boxes_are_torchvisions_and_the_rest_is_none(seed):
    boxes, scores, labels = crowd(seed)
    found = fixed_nms(boxes, scores, labels, min_score=0.3, max_iou=0.3, most=25)
    for image in range(3):
        rows = (scores[image] > 0.3).nonzero()[:, 0]
        kept = rows[batched_nms(boxes[image, rows], scores[image, rows], labels[image, rows], 0.3)][:25]
        count = int(found.count[image])
        assert count == len(kept) > 3
        assert torch.equal(found.xyxy[image, :count], boxes[image, kept])
        assert torch.equal(found.labels[image, :count], labels[image, kept])
        assert not found.xyxy[image, count:].any()
        assert not found.scores[image, count:].any()
        assert (found.labels[image, count:] == -1).all()


@pytest.mark.parametrize("max_iou", [0.1, 0.5, 0.9])
def test_plain_operators_do_the_same(max_iou):
    boxes, scores, _ = crowd(4)
    expected = nms_keep(boxes, scores, max_iou, 0.2, 60)
    assert torch.equal(nms_keep_portable(boxes, scores, max_iou, 0.2, 60), expected)


def test_nothing_scores_enough():
    boxes, scores, labels = crowd(0)
    found = fixed_nms(boxes, scores, labels, min_score=1.5, max_iou=0.5, most=100)
    assert found.count.tolist() == [0, 0, 0]
    assert found.xyxy.shape == (3, 60, 4)
