import pytest
import torch
from torchvision.ops import generalized_box_iou_loss

from zorki.losses.giou import giou_loss


def test_by_hand():
    boxes = torch.tensor([[0.0, 0, 1, 1], [0, 0, 2, 2]])
    target = torch.tensor([[2.0, 0, 3, 1], [0, 0, 2, 2]])
    assert giou_loss(boxes, target).tolist() == pytest.approx([4 / 3, 0], abs=1e-6)


def test_torchvisions_values_and_slopes():
    generator = torch.Generator().manual_seed(0)
    low, size = torch.rand(2, 40, 2, generator=generator) * 50, torch.rand(2, 40, 2, generator=generator) * 40 + 1
    a, b = torch.cat([low, low + size], 2)
    ours, theirs = a.clone().requires_grad_(), a.clone().requires_grad_()
    loss, reference = giou_loss(ours, b), generalized_box_iou_loss(theirs, b)
    torch.testing.assert_close(loss, reference)
    loss.sum().backward()
    reference.sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-5, rtol=1e-3)


def test_empty_boxes_have_finite_slopes():
    point = torch.tensor([[3.0, 3, 3, 3], [3, 3, 3, 3]], requires_grad=True)
    loss = giou_loss(point, torch.tensor([[3.0, 3, 3, 3], [0, 0, 8, 8]]))
    loss.sum().backward()
    assert torch.isfinite(loss).all()
    assert torch.isfinite(point.grad).all()


def test_half_precision_is_evaluated_in_float32():
    boxes = torch.tensor([[0.0, 0, 100, 100]]).bfloat16()
    assert giou_loss(boxes, boxes).dtype == torch.float32
