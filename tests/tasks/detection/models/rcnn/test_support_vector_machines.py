import math

import pytest
import torch

from zorki.tasks.detection.models.rcnn.support_vector_machines import (
    SupportVectorMachines,
    decode_svm_regions,
    svm_regions,
)
from zorki.tasks.detection.networks.regions import sample_regions
from zorki.types import Boxes


def test_margins_are_of_features_of_length_20():
    machines = SupportVectorMachines(2, 1)
    with torch.no_grad():
        machines.planes.weight.copy_(torch.tensor([[1.0, 0.0]]))
        machines.planes.bias.zero_()
    features = torch.tensor([[3.0, 4.0], [0.0, 15.0]])  # of mean length 10
    assert machines.train()(features)[:, 0].tolist() == [6.0, 0.0]
    assert float(machines.length) == 10.0
    assert machines.eval()(features * 2)[:, 0].tolist() == [12.0, 0.0]
    assert float(machines.length) == 10.0, "measured in training alone"


def test_the_hinge_loss_by_hand():
    machines = SupportVectorMachines(1, 1).eval()
    machines.length.fill_(20.0)
    with torch.no_grad():
        machines.planes.weight.fill_(1.0)
        machines.planes.bias.zero_()
    margins = torch.tensor([[0.25], [2.0], [-3.0], [0.5], [9.0]])
    signs = torch.tensor([[1], [1], [-1], [-1], [0]])
    # 1 - 0.25 of the first, nothing of the second and the third, 1 + 0.5 of the fourth, the last does not count.
    # Divided by 2 positives and the 16 negatives that there may be.
    assert machines.loss(margins, signs).item() == pytest.approx((0.75 + 1.5) / 18)


def test_only_the_hardest_negatives_count():
    machines = SupportVectorMachines(1, 2).eval()
    machines.length.fill_(20.0)
    with torch.no_grad():
        machines.planes.weight.fill_(1.0)
        machines.planes.bias.zero_()
    margins = torch.cat([torch.zeros(40), torch.arange(1.0, 17.0)])[torch.randperm(56)][:, None]
    signs = torch.full((56, 2), -1)
    assert machines.loss(margins, signs).item() == pytest.approx(2 * sum(range(2, 18)) / 32)


def test_ground_truth_boxes_are_positive_and_what_overlaps_them_little_is_negative():
    ground_truth = Boxes(torch.tensor([[0.0, 0.0, 10.0, 10.0], [40.0, 40.0, 60.0, 60.0]]), torch.tensor([1, 0]))
    regions = torch.tensor(
        [
            [0.0, 0.0, 10.0, 9.0],  # IoU 0.9 with the first
            [0.0, 0.0, 10.0, 40.0],  # 0.25
            [0.0, 0.0, 10.0, 30.0],  # 0.33
            [80.0, 0.0, 90.0, 10.0],
        ]
    )
    other = Boxes(torch.zeros((0, 4)), torch.zeros(0, dtype=torch.int64))
    sampled = sample_regions(
        [regions, regions[:1]], [ground_truth, other], num_classes=3, add_ground_truth=False, count=99
    )
    joined, images, signs = svm_regions(sampled, [ground_truth, other], 3)
    rows = {
        (tuple(box), image): want
        for box, image, want in zip(joined.tolist(), images.tolist(), signs.tolist(), strict=True)
    }
    assert rows == {
        ((0.0, 0.0, 10.0, 9.0), 0): [-1, 0, -1],
        ((0.0, 0.0, 10.0, 40.0), 0): [-1, -1, -1],
        ((0.0, 0.0, 10.0, 30.0), 0): [-1, 0, -1],
        ((80.0, 0.0, 90.0, 10.0), 0): [-1, -1, -1],
        ((0.0, 0.0, 10.0, 9.0), 1): [-1, -1, -1],  # another image's boxes do not matter
        ((0.0, 0.0, 10.0, 10.0), 0): [-1, 1, -1],
        ((40.0, 40.0, 60.0, 60.0), 0): [1, -1, -1],
    }


def test_predictions_are_boxes_with_the_margins_logistic_function():
    regions = torch.tensor([[10.0, 20.0, 30.0, 60.0]])
    offsets = torch.zeros((1, 12))
    offsets[0, 4] = 5.0  # the first class: half a width to the right
    boxes, scores = decode_svm_regions(torch.tensor([[0.0, 2.0]]), offsets, regions)
    assert boxes[0].tolist() == [[20.0, 20.0, 40.0, 60.0], [10.0, 20.0, 30.0, 60.0]]
    assert scores[0].tolist() == pytest.approx([0.5, 1 / (1 + math.exp(-2))])


def test_classes_that_can_be_told_apart_are():
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 3, (300,), generator=generator)
    features = torch.randn((300, 8), generator=generator) + 3 * torch.nn.functional.one_hot(labels, 8)
    signs = torch.where(labels[:, None] == torch.arange(3), 1, -1)
    machines = SupportVectorMachines(8, 3).train()
    rule = torch.optim.Adam(machines.parameters(), lr=0.05)
    for _ in range(100):
        rule.zero_grad()
        machines.loss(features, signs).backward()
        rule.step()
    assert float(((machines(features) > 0) == (signs > 0)).float().mean()) > 0.9
