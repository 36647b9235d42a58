"""Masks of regions: what they learn from and how they come into images, against torchvision and a pencil."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from zorki.tasks.detection.networks.regions import SampledRegions
from zorki.tasks.instance_segmentation.models.mask_rcnn.mask_head import (
    MaskHead,
    masks_in_regions,
    paste_masks,
    region_mask_loss,
)
from zorki.types import Instances
from zorki.weights import load_into
from zorki.weights.read import Weights


def _sampled(regions: Tensor, images: list[int], labels: list[int], owners: list[int]) -> SampledRegions:
    count = len(regions)
    return SampledRegions(
        regions,
        torch.tensor(images, dtype=torch.long),
        torch.tensor(labels, dtype=torch.long),
        torch.zeros(count, 4),
        torch.ones(count, dtype=torch.bool),
        torch.tensor(owners, dtype=torch.long),
    )


def test_pasted_masks_are_torchvisions() -> None:
    from torchvision.models.detection.roi_heads import paste_masks_in_image

    height, width = 60, 90
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(30, 2, generator=generator) * torch.tensor([80.0, 50])
    xyxy = torch.cat([corner, corner + torch.rand(30, 2, generator=generator) * 60], 1)
    xyxy = xyxy.minimum(torch.tensor([90.0, 60, 90, 60]))
    whole = [[0, 0, 90, 60], [0, 0, 0.5, 60], [89.5, 59.2, 90, 60], [10, 10, 10, 10], [-9, -20, 120, 70]]
    xyxy = torch.cat([xyxy, torch.tensor(whole)])
    shares = torch.rand(len(xyxy), 28, 28, generator=generator)
    wanted = paste_masks_in_image(shares[:, None], xyxy, (height, width))[:, 0] > 0.5
    found = paste_masks(shares, xyxy, height, width)
    assert torch.equal(found, wanted)
    assert found.any(2).any(1).sum() > 30


def test_a_pasted_mask_keeps_to_its_part_of_the_box() -> None:
    share = torch.zeros(1, 28, 28)
    share[:, :, :14] = 1
    mask = paste_masks(share, torch.tensor([[10.0, 4, 66, 32]]), 40, 80)[0]
    assert mask.shape == (40, 80)
    # The left half of 56 x 28 pixels; the rim takes no more than a pixel at each edge.
    assert bool(mask[5:31, 11:37].all())
    assert not mask[:, 40:].any()
    assert not mask[:, :9].any()
    assert not mask[:3].any()
    assert not mask[34:].any()


def test_images_without_boxes_have_no_masks() -> None:
    assert paste_masks(torch.zeros(0, 28, 28), torch.zeros(0, 4), 5, 7).shape == (0, 5, 7)
    none = masks_in_regions(torch.zeros(0, 5, 7).bool(), torch.zeros(0, 4), torch.zeros(0).long(), (28, 28))
    assert none.shape == (0, 28, 28)


def test_regions_see_their_part_of_their_owners_mask() -> None:
    masks = torch.zeros(2, 40, 60, dtype=torch.bool)
    masks[0, 10:20, 10:30] = True
    masks[1, :, 30:] = True
    regions = torch.tensor([[20.0, 0, 60, 40], [10, 10, 30, 20], [20, 0, 40, 40]])
    found = masks_in_regions(masks, regions, torch.tensor([1, 0, 0]), (4, 4))
    # RoIAlign takes the number of a pixel for its place, so it sees masks half a pixel early: of the first region's
    # columns, 10 pixels each, the first reads 9 times nothing, and between nothing and the mask once.
    assert torch.allclose(found[0], torch.tensor([0.05, 1, 1, 1]).expand(4, 4), atol=1e-6)
    assert found[1].mean() > 0.9
    assert found[2][1, :2].mean() > 0.9
    assert float(found[2][:, 3].max()) == 0


def test_regions_masks_are_torchvisions() -> None:
    from torchvision.models.detection.roi_heads import project_masks_on_boxes

    generator = torch.Generator().manual_seed(1)
    masks = torch.rand(5, 50, 70, generator=generator) > 0.6
    corner = torch.rand(20, 2, generator=generator) * torch.tensor([50.0, 30])
    regions = torch.cat([corner, corner + 3 + torch.rand(20, 2, generator=generator) * 40], 1)
    owners = torch.randint(0, 4, (20,), generator=generator)
    wanted = project_masks_on_boxes(masks, regions, owners, 28)
    assert torch.allclose(masks_in_regions(masks, regions, owners, (28, 28)), wanted, atol=1e-6)


def test_the_loss_is_of_the_true_classes_maps_alone() -> None:
    masks = torch.zeros(1, 32, 32, dtype=torch.bool)
    masks[0, :, :] = True
    target = Instances(torch.tensor([[0.0, 0, 32, 32]]), torch.tensor([1]), masks)
    positive = _sampled(torch.tensor([[4.0, 4, 28, 28]]), [0], [1], [0])
    logits = torch.zeros(1, 3, 28, 28)
    logits[:, 1] = 2.0
    logits[:, 2] = -50.0
    logits.requires_grad_()
    loss = region_mask_loss(logits, positive, [target])
    assert loss.item() == pytest.approx(math.log1p(math.exp(-2)), abs=1e-6)
    loss.backward()
    assert logits.grad is not None
    assert logits.grad[:, 1].abs().min() > 0
    assert logits.grad[:, [0, 2]].abs().max() == 0


def test_objects_without_a_pixel_teach_nothing() -> None:
    masks = torch.zeros(2, 32, 32, dtype=torch.bool)
    masks[0, 8:24, 8:24] = True
    target = Instances(torch.tensor([[8.0, 8, 24, 24], [2, 2, 9, 9]]), torch.tensor([0, 0]), masks)
    regions = torch.tensor([[8.0, 8, 24, 24], [2, 2, 9, 9]])
    logits = torch.randn(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    both = region_mask_loss(logits, _sampled(regions, [0, 0], [0, 0], [0, 1]), [target])
    first = region_mask_loss(logits[:1], _sampled(regions[:1], [0], [0], [0]), [target])
    assert float(both) == pytest.approx(float(first))
    assert float(region_mask_loss(logits[1:], _sampled(regions[1:], [0], [0], [1]), [target])) == 0


@pytest.mark.parametrize(("num_classes", "published"), [(3, 4), (80, 91), (90, 91), (3, 3)])
def test_a_map_for_nobody_is_left_behind(num_classes: int, published: int) -> None:
    head = MaskHead(8, num_classes, hidden=4)
    weight, bias = torch.randn(published, 4, 1, 1), torch.arange(float(published))
    match = load_into(head, Weights({"logits.weight": weight, "logits.bias": bias}, {}, None))  # type: ignore[arg-type]
    assert not match.mismatched
    first = published - num_classes if published < 91 else 1  # COCO's number 1 is its first class
    assert torch.equal(head.logits.weight[0], weight[first])
    assert head.logits.bias[-1] == published - 1
    assert len(head.logits.bias) == num_classes


def test_maps_are_twice_as_fine_as_the_features_and_start_at_a_half() -> None:
    torch.manual_seed(0)
    head = MaskHead(16, 5)
    logits = head(torch.randn(2, 16, 14, 14))
    assert logits.shape == (2, 5, 28, 28)
    assert logits.abs().max().item() < 0.2
    # Section 3: four 3x3 convolutions of 256, a transposed one, a 1x1 for each class.
    shapes = [tuple(layer.weight.shape) for layer in (*head.convolutions, head.upsample, head.logits)]
    assert shapes == [(256, 16, 3, 3), *[(256, 256, 3, 3)] * 3, (256, 256, 2, 2), (5, 256, 1, 1)]
