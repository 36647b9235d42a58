import math

import pytest
import torch

from zorki.tasks.detection.models.detr.set_loss import MatchedPairs
from zorki.tasks.detection.models.dfine.distributions import (
    BINS,
    bin_offsets,
    distillation_loss,
    edge_bins,
    fine_grained_loss,
    moved_edges,
)
from zorki.tasks.detection.models.dfine.fine_decoder import FineDecoder
from zorki.tasks.detection.models.dfine.fine_loss import union_of_pairs
from zorki.tasks.detection.models.rtdetr.decoder import Readable


def slow_offsets():
    """Equation 2 of Peng et al. (2024), a = 1/2 and c = 1/4 in units of a quarter of a side."""
    middle = [3 ** (2 * abs(n - 16) / 30) - 1 for n in range(1, 32)]
    return [-4.0, *(-value if n < 16 else value for n, value in enumerate(middle, 1)), 4.0]


def test_bins_are_fine_near_the_edge_and_coarse_far_off():
    offsets = bin_offsets()
    torch.testing.assert_close(offsets, torch.tensor(slow_offsets()))
    assert offsets[[0, 1, 16, 31, 32]].tolist() == pytest.approx([-4, -2, 0, 2, 4])
    assert len(offsets) == BINS + 1


def probabilities(logits):
    largest = max(logits)
    powers = [math.exp(value - largest) for value in logits]
    return [power / sum(powers) for power in powers]


def test_edges_move_by_what_is_expected_as_in_plain_loops():
    torch.manual_seed(0)
    box, logits = [0.5, 0.4, 0.2, 0.3], torch.randn(4, BINS + 1) * 3
    shift = [
        sum(p * w for p, w in zip(probabilities(edge), slow_offsets(), strict=True)) / 4 for edge in logits.tolist()
    ]
    left, top = 0.5 - 0.1 - shift[0] * 0.2, 0.4 - 0.15 - shift[1] * 0.3
    right, bottom = 0.5 + 0.1 + shift[2] * 0.2, 0.4 + 0.15 + shift[3] * 0.3
    expected = torch.tensor([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top])
    torch.testing.assert_close(moved_edges(torch.tensor(box), logits.flatten(), bin_offsets()), expected)


def test_what_lies_between_two_bins_is_moved_to_again():
    torch.manual_seed(0)
    boxes = torch.rand(20, 4) * 0.2 + 0.4
    right = torch.cat([boxes[:, :2] - boxes[:, 2:] * 0.4, boxes[:, :2] + boxes[:, 2:] * 0.7], 1)
    lower, share = edge_bins(boxes, right, bin_offsets())
    likely = torch.zeros(20, 4, BINS + 1)
    likely.scatter_(-1, lower[..., None], 1 - share[..., None]).scatter_add_(-1, lower[..., None] + 1, share[..., None])
    found = moved_edges(boxes, likely.log().clamp_min(-50).flatten(1), bin_offsets())
    torch.testing.assert_close(found[:, :2] - found[:, 2:] / 2, right[:, :2], atol=1e-5, rtol=0)
    torch.testing.assert_close(found[:, :2] + found[:, 2:] / 2, right[:, 2:], atol=1e-5, rtol=0)


def test_edges_out_of_reach_get_the_last_bin():
    lower, share = edge_bins(torch.tensor([[0.5, 0.5, 0.1, 0.1]]), torch.tensor([[0.0, 0.9, 1.0, 0.95]]), bin_offsets())
    assert (lower + share)[0].tolist() == [32, 0, 32, 32]


def test_fine_grained_loss_as_in_plain_loops():
    torch.manual_seed(0)
    logits, lower, share = torch.randn(3, 4, BINS + 1), torch.randint(0, BINS, (3, 4)), torch.rand(3, 4)
    quality = torch.tensor([0.2, 0.0, 0.9])
    for row, value in enumerate(fine_grained_loss(logits, lower, share, quality).tolist()):
        total = 0.0
        for edge in range(4):
            p, low, part = probabilities(logits[row, edge].tolist()), int(lower[row, edge]), float(share[row, edge])
            total -= (1 - part) * math.log(p[low]) + part * math.log(p[low + 1])
        assert value == pytest.approx(total * float(quality[row]), rel=1e-4)


def test_distillation_as_in_plain_loops():
    torch.manual_seed(0)
    logits, teacher = torch.randn(2, 3, 4, BINS + 1) * 5, torch.randn(2, 3, 4, BINS + 1) * 5
    weight = torch.rand(2, 3)
    matched = torch.tensor([[True, False, False], [False, True, False]])
    others = ~matched & torch.tensor([[True, True, True], [True, True, False]])
    sums, counts = [0.0, 0.0], [2, 3]
    for kind, chosen in enumerate((matched, others)):
        for image, query in chosen.nonzero().tolist():
            for edge in range(4):
                ours, right = (probabilities((v[image, query, edge] / 5).tolist()) for v in (logits, teacher))
                apart = sum(q * math.log(q / p) for p, q in zip(ours, right, strict=True))
                sums[kind] += 25 * apart * float(weight[image, query]) / 4
    parts = [math.sqrt(count) for count in counts]
    expected = sum(part * value / count for part, value, count in zip(parts, sums, counts, strict=True)) / sum(parts)
    assert float(distillation_loss(logits, teacher, weight, matched, others)) == pytest.approx(expected, rel=1e-4)


def test_distillation_of_nobody_is_nothing():
    logits, nobody = torch.randn(1, 2, 4, BINS + 1), torch.zeros(1, 2, dtype=torch.bool)
    assert float(distillation_loss(logits, -logits, torch.ones(1, 2), nobody, nobody)) == 0


def test_gradients_are_those_of_differences():
    torch.manual_seed(0)
    logits = torch.randn(1, 2, 4, BINS + 1, dtype=torch.float64, requires_grad=True)
    teacher, weight = torch.randn(1, 2, 4, BINS + 1).double(), torch.rand(1, 2).double()
    lower, share = torch.randint(0, BINS, (1, 2, 4)), torch.rand(1, 2, 4).double()
    matched = torch.tensor([[True, False]])
    assert torch.autograd.gradcheck(lambda x: fine_grained_loss(x, lower, share, weight).sum(), logits)
    assert torch.autograd.gradcheck(lambda x: distillation_loss(x, teacher, weight, matched, ~matched), logits)
    boxes = torch.rand(1, 2, 4).double()
    assert torch.autograd.gradcheck(lambda x: moved_edges(boxes, x.flatten(2), bin_offsets().double()), logits)


def test_the_union_takes_what_most_layers_say():
    """Query 1 of image 0 goes to object 1 (two layers of three), query 4 to its only one; image 1 has its own."""
    first = MatchedPairs(*map(torch.tensor, ([0, 0, 1], [0, 0, 0], [1, 4, 1], [0, 1, 1])))
    second = MatchedPairs(*map(torch.tensor, ([0, 0], [0, 1], [1, 1], [1, 0])))
    union = union_of_pairs([first, second], queries=5, most=2)
    assert union.image.tolist() == [0, 0, 1]
    assert union.query.tolist() == [1, 4, 1]
    assert union.row.tolist() == [1, 1, 0]
    assert union.layer.tolist() == [0, 0, 0]


def test_boxes_stay_where_the_first_layer_puts_them_before_edges_learn():
    torch.manual_seed(0)
    decoder = FineDecoder(2, 32, 4, 64, (2, 3), 3).eval()
    memory = Readable(torch.randn(1, 30, 32), ((4, 6), (2, 3)))
    boxes = torch.rand(1, 5, 4) * 0.5 + 0.25
    with torch.no_grad():
        decoded = decoder(torch.randn(1, 5, 32), boxes, memory)
    for layer in decoded.boxes:
        torch.testing.assert_close(layer, boxes, atol=1e-5, rtol=0)
    assert decoded.logits.shape == (3, 1, 5, 3)
    assert decoded.edges.shape == (2, 1, 5, 4 * (BINS + 1))
