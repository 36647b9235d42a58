"""The network of proposals: what it predictions, what learns, and what comes out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from zorki.ops.boxes import pairwise_iou
from zorki.tasks.detection.models.faster_rcnn.region_proposal_network import RegionProposalNetwork, RpnOutputs, _nms
from zorki.types import Boxes

SHAPES = (((16.0, 16.0), (24.0, 12.0)), ((32.0, 32.0), (48.0, 24.0)))


def _network(**options: object) -> RegionProposalNetwork:
    torch.manual_seed(0)
    network = RegionProposalNetwork(6, (8, 16), SHAPES, **options)  # type: ignore[arg-type]
    for layer in (network.conv, network.logits, network.offsets):
        nn.init.normal_(layer.weight, std=0.3)
    return network


def _maps() -> list[Tensor]:
    return [torch.randn(2, 6, 10, 12), torch.randn(2, 6, 5, 6)]


def test_predictions_stand_cell_by_cell_and_anchor_by_anchor() -> None:
    network, maps = _network(), _maps()
    outputs = network(maps, (80, 96))
    assert [logits.shape for logits in outputs.logits] == [(2, 240), (2, 60)]
    assert [anchors.shape for anchors in outputs.anchors] == [(240, 4), (60, 4)]
    raw = network.logits(torch.relu(network.conv(maps[0])))
    cell, anchor = (3, 7), 1
    row = (cell[0] * 12 + cell[1]) * 2 + anchor
    assert outputs.logits[0][1, row].item() == pytest.approx(raw[1, anchor, *cell].item(), abs=1e-5)
    left, top, right, bottom = outputs.anchors[0][row].tolist()
    assert ((left + right) / 2, (top + bottom) / 2) == (60, 28)  # the middle of the cell
    assert (right - left, bottom - top) == (24, 12)


def test_proposals_are_thinned_out_a_level_at_a_time_best_first() -> None:
    from torchvision.ops import batched_nms

    boxes = [torch.rand(50, 4) * 60 for _ in range(2)]
    boxes = [torch.cat([rows[:, :2], rows[:, :2] + rows[:, 2:] + 1], 1) for rows in boxes]
    scores = [torch.randn(50), torch.randn(50)]
    kept = _nms(boxes, scores, 0.5, 20)
    levels = torch.tensor([0, 1]).repeat_interleave(50)
    is_positive = batched_nms(torch.cat(boxes), torch.cat(scores), levels, 0.5)[:20]
    assert torch.equal(kept, torch.cat(boxes)[is_positive])


def test_proposals_have_an_area_inside_the_input_and_no_gradient() -> None:
    network = _network(before=(200, 100), after=(50, 30))
    for mode, most in ((True, 50), (False, 30)):
        for rows in network.train(mode)(_maps(), (80, 96)).proposals:
            assert 0 < len(rows) <= most
            assert not rows.requires_grad
            assert float(rows.min()) >= 0
            assert (rows[:, 2:] > rows[:, :2]).all()
            assert (rows.amax(0) <= torch.tensor([96.0, 80, 96, 80])).all()


def test_a_diverged_network_proposes_nothing() -> None:
    network = _network()
    nn.init.constant_(network.offsets.bias, float("nan"))  # type: ignore[arg-type]
    assert [len(rows) for rows in network(_maps(), (80, 96)).proposals] == [0, 0]


def test_sampled_anchors_learn_what_their_overlap_says() -> None:
    network = _network(count=10**6)
    outputs = network(_maps(), (80, 96))
    ground_truth = torch.tensor([[20.0, 20, 50, 50], [60, 10, 76, 26]])
    targets = [Boxes(ground_truth, torch.tensor([0, 1])), Boxes(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long))]
    losses = network.losses(outputs, targets)

    anchors = torch.cat(outputs.anchors)
    iou = pairwise_iou(anchors, ground_truth)
    total, count = 0.0, 0
    for image in range(2):
        logits = torch.cat(outputs.logits, 1)[image]
        for row in range(len(anchors)):
            overlaps = iou[row].tolist() if image == 0 else [0.0]
            claimed = image == 0 and any(iou[row, box] == iou[:, box].max() for box in range(2))
            if max(overlaps) >= 0.7 or claimed:
                total += float(nn.functional.softplus(-logits[row]).detach())
            elif max(overlaps) < 0.3:
                total += float(nn.functional.softplus(logits[row]).detach())
            else:
                continue
            count += 1
    assert losses["objectness"].item() == pytest.approx(total / count, rel=1e-4)
    assert losses["proposals"].item() > 0


def test_half_of_the_sampled_at_most_are_positive() -> None:
    network = _network(count=8)
    anchors = torch.cat(network(_maps(), (80, 96)).anchors)
    chosen = anchors[:20].clone()
    owner = torch.full((1, len(anchors)), -1)
    owner[0, : len(chosen)] = 0
    (images, positive), (_, negative) = network._sample(owner)
    assert len(positive) == len(negative) == 4
    assert images.tolist() == [0] * 4
    assert int(positive.max()) < 20 <= int(negative.min())


def test_offsets_that_hit_the_box_cost_nothing() -> None:
    network = _network()
    anchors = torch.tensor([[0.0, 0, 20, 20], [40, 40, 60, 60]])
    outputs = RpnOutputs([torch.tensor([[50.0, -50]])], [torch.zeros(1, 2, 4)], [anchors], [anchors])
    losses = network.losses(outputs, [Boxes(anchors[:1], torch.tensor([0]))])
    assert losses["objectness"].item() == pytest.approx(0, abs=1e-6)
    assert losses["proposals"].item() == 0


def test_each_map_needs_its_shapes() -> None:
    with pytest.raises(ValueError, match="2 maps needs as many anchor shapes"):
        RegionProposalNetwork(6, (8, 16), (SHAPES[0], ((1.0, 1.0),)))
