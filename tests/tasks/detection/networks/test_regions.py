"""Regions: which learn what, what that costs, and what they prediction; against loops and torchvision."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from zorki.ops.box_coder import decode_offsets
from zorki.ops.boxes import pairwise_iou
from zorki.tasks.detection.networks.region_heads import HiddenLayers, RegionHead
from zorki.tasks.detection.networks.regions import (
    OFFSET_WEIGHTS,
    SampledRegions,
    decode_regions,
    inside_image,
    region_candidates,
    region_losses,
    sample_regions,
    slots_of,
)
from zorki.types import Boxes, Placement

NUM_CLASSES = 3


def _regions(count: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    low = torch.rand(count, 2, generator=generator) * 80
    return torch.cat([low, low + 5 + torch.rand(count, 2, generator=generator) * 60], 1)


def _truth(rows: list[list[float]], labels: list[int], crowd: list[bool] | None = None) -> Boxes:
    return Boxes(
        torch.tensor(rows, dtype=torch.float32).reshape(-1, 4),
        torch.tensor(labels, dtype=torch.long),
        crowd=None if crowd is None else torch.tensor(crowd),
    )


def _some_targets() -> list[Boxes]:
    return [_truth([[10, 10, 60, 60], [50, 30, 120, 100]], [2, 0]), _truth([], [])]


def test_every_region_owns_the_box_that_it_overlaps_most() -> None:
    regions = [_regions(200), _regions(100, seed=1)]
    targets = _some_targets()
    sampled = sample_regions(regions, targets, num_classes=NUM_CLASSES, count=10**6)
    assert len(sampled) == 302  # the two boxes joined
    assert sampled.images.tolist() == [0] * 202 + [1] * 100
    for row, label, positive, owner in zip(
        sampled.regions[:202], sampled.labels, sampled.positive, sampled.owners, strict=False
    ):
        overlaps = pairwise_iou(row[None], targets[0].xyxy)[0].tolist()
        best = max(range(2), key=lambda index: overlaps[index])
        assert bool(positive) == (overlaps[best] >= 0.5)
        assert int(label) == ([2, 0][best] if overlaps[best] >= 0.5 else NUM_CLASSES)
        assert int(owner) == (best if overlaps[best] >= 0.5 else -1)
    assert not sampled.positive[202:].any()


def test_wanted_offsets_lead_back_to_the_box() -> None:
    targets = _some_targets()
    sampled = sample_regions([_regions(300), _regions(9)], targets, num_classes=NUM_CLASSES)
    rows = sampled.positive.nonzero()[:, 0]
    assert len(rows) > 5
    back = decode_offsets(sampled.regions[rows], sampled.offsets[rows], OFFSET_WEIGHTS)
    assert torch.allclose(back, targets[0].xyxy[sampled.owners[rows]], atol=1e-3)
    assert float(sampled.offsets[~sampled.positive].abs().max()) == 0


def test_counts_and_shares_are_kept() -> None:
    torch.manual_seed(0)
    near = torch.tensor([[10.0, 10, 60, 60]]) + torch.rand(100, 1)
    sampled = sample_regions(
        [torch.cat([near, _regions(400)])], _some_targets()[:1], num_classes=NUM_CLASSES, count=64, positive_share=0.25
    )
    assert len(sampled) == 64
    assert int(sampled.positive.sum()) == 16


def test_background_lies_between_two_overlaps_unless_there_is_no_box() -> None:
    ground_truth = _truth([[0, 0, 100, 100]], [1])
    shares = [0.05, 0.2, 0.45, 0.6]
    regions = torch.tensor([[0.0, 0, 100, 100 * share] for share in shares])
    sampled = sample_regions(
        [regions, regions],
        [ground_truth, _truth([], [])],
        num_classes=2,
        background_iou=(0.1, 0.4),
        add_ground_truth=False,
    )
    first = sampled.regions[sampled.images == 0]
    assert sorted(first[:, 3].tolist()) == pytest.approx([20, 60])
    assert int((sampled.images == 1).sum()) == 4


def test_crowds_and_empty_boxes_teach_nothing() -> None:
    crowd = _truth([[0, 0, 50, 50], [5, 5, 5, 9]], [1, 0], [True, False])
    sampled = sample_regions([torch.tensor([[0.0, 0, 50, 50]])], [crowd], num_classes=2)
    assert sampled.labels.tolist() == [2]


def test_no_region_costs_nothing_and_has_a_gradient() -> None:
    sampled = sample_regions([torch.zeros(0, 4)], [_truth([], [])], num_classes=2)
    logits, offsets = torch.zeros(0, 3, requires_grad=True), torch.zeros(0, 12, requires_grad=True)
    losses = region_losses(logits, offsets, sampled)
    torch.stack(list(losses.values())).sum().backward()
    assert [value.item() for value in losses.values()] == [0, 0]


def test_losses_are_those_of_the_formula_written_out() -> None:
    sampled = sample_regions([_regions(60), _regions(9)], _some_targets(), num_classes=NUM_CLASSES)
    logits, offsets = torch.randn(len(sampled), NUM_CLASSES + 1), torch.randn(len(sampled), 4 * (NUM_CLASSES + 1))
    losses = region_losses(logits, offsets, sampled)
    classes = boxes = 0.0
    for row in range(len(sampled)):
        label = int(sampled.labels[row])
        slot = 0 if label == NUM_CLASSES else label + 1
        exponents = [math.exp(value) for value in logits[row].tolist()]
        classes -= math.log(exponents[slot] / sum(exponents))
        if label < NUM_CLASSES:
            away = (offsets[row, 4 * slot : 4 * slot + 4] - sampled.offsets[row]).abs().tolist()
            boxes += sum(x * x * 9 / 2 if x < 1 / 9 else x - 1 / 18 for x in away)
    assert losses["classes"].item() == pytest.approx(classes / len(sampled), rel=1e-4)
    assert losses["boxes"].item() == pytest.approx(boxes / len(sampled), rel=1e-4)


def test_offsets_for_all_classes_together_learn_as_those_of_one() -> None:
    sampled = sample_regions([_regions(60), _regions(9)], _some_targets(), num_classes=NUM_CLASSES)
    logits, offsets = torch.randn(len(sampled), NUM_CLASSES + 1), torch.randn(len(sampled), 4)
    one, each = region_losses(logits, offsets, sampled), region_losses(logits, offsets.repeat(1, 4), sampled)
    assert one["boxes"].item() == pytest.approx(each["boxes"].item())
    for a, b in zip(
        decode_regions(logits, offsets, sampled.regions),
        decode_regions(logits, offsets.repeat(1, 4), sampled.regions),
        strict=True,
    ):
        assert torch.allclose(a, b)


def test_background_has_the_first_slot() -> None:
    assert slots_of(torch.tensor([0, 1, 2, 3]), 4).tolist() == [1, 2, 3, 0]
    xyxy, scores = decode_regions(torch.tensor([[9.0, 0, 0]]), torch.zeros(1, 12), torch.tensor([[1.0, 2, 3, 4]]))
    assert xyxy.tolist() == [[[1, 2, 3, 4]] * 2]
    assert float(scores.max()) < 0.01


def test_candidates_are_all_predictions_that_score() -> None:
    regions, images = _regions(40), torch.tensor([0, 2] * 20)
    logits, offsets = torch.randn(40, NUM_CLASSES + 1), torch.randn(40, 4 * (NUM_CLASSES + 1))
    found = region_candidates(logits, offsets, regions, images, num_images=3, height=100, width=90, min_score=0.3)
    assert len(found[1]) == 0
    xyxy, scores = decode_regions(logits, offsets, regions)
    wanted = [
        (*xyxy[row, k].clamp_min(0).minimum(torch.tensor([90, 100, 90, 100])).tolist(), k)
        for row in range(0, 40, 2)
        for k in range(NUM_CLASSES)
        if scores[row, k] > 0.3
    ]
    wanted = [row for row in wanted if row[2] - row[0] >= 0.01 and row[3] - row[1] >= 0.01]
    came = [(*box, label) for box, label in zip(found[0].xyxy.tolist(), found[0].labels.tolist(), strict=True)]
    assert len(came) == len(wanted) > 3
    for one, other in zip(sorted(came), sorted(wanted), strict=True):
        assert one == pytest.approx(other, abs=1e-3)


def test_predictions_in_the_border_are_cut_off_or_left_out() -> None:
    place = Placement(height=50, width=100, scale=2.0, left=0.0, top=30.0, input_height=160, input_width=200)
    boxes = Boxes(
        torch.tensor([[10.0, 10, 50, 60], [10, 0, 50, 20], [150, 100, 250, 140]]),
        torch.tensor([0, 1, 2]),
        torch.tensor([0.9, 0.8, 0.7]),
    )
    kept = inside_image(boxes, place)
    assert kept.labels.tolist() == [0, 2]
    assert kept.xyxy.tolist() == [[10, 30, 50, 60], [150, 100, 200, 130]]


def test_a_head_reads_cells_where_they_lie() -> None:
    # Four cells 16 pixels apart, centered in 80 pixels: the first lies at 16, and each holds where it is.
    places = 16.0 + 16 * torch.arange(4)
    ramp = places.expand(1, 1, 4, 4)
    region, image = torch.tensor([[20.0, 20, 52, 52]]), torch.tensor([0])
    centered = RegionHead(HiddenLayers(1, 2), 2, NUM_CLASSES, strides=(16,), size=(1, 1))
    corner = RegionHead(HiddenLayers(1, 2), 2, NUM_CLASSES, strides=(16,), size=(1, 1), grid="corner")
    assert centered.pool([ramp], region, image, (80, 80)).item() == pytest.approx(36)
    assert corner.pool([ramp], region, image, (80, 80)).item() == pytest.approx(52)
    logits, offsets = centered(centered.pool([ramp], region, image, (80, 80)))
    assert logits.shape == (1, NUM_CLASSES + 1)
    assert offsets.shape == (1, 4 * (NUM_CLASSES + 1))


def test_sampled_rows_are_counted() -> None:
    none = torch.zeros(0, dtype=torch.long)
    assert len(SampledRegions(torch.zeros(0, 4), none, none, torch.zeros(0, 4), none.bool(), none)) == 0
