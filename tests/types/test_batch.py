"""Batches in parts: whatever the inputs are made of, each sample keeps what is its own."""

import torch

from zorki.types import Batch, Boxes, Crops, ImagesWithProposals, Label, Padded, Placement


def batch_of(inputs, count):
    placements = [Placement(8, 8)] * count
    labels = [Label(number) for number in range(count)]
    return Batch(inputs, labels, labels, placements, list(range(count)))


def images(count):
    return torch.arange(count, dtype=torch.uint8)[:, None, None, None].expand(count, 3, 4, 4)


def test_tensors_and_values_that_go_with_them():
    first, second = batch_of(Padded(images(5), torch.arange(20).view(5, 4)), 5).split(2)
    assert first.inputs.images[:, 0, 0, 0].tolist() == [0, 1]
    assert second.inputs.valid[0].tolist() == [8, 9, 10, 11]
    assert [target.index for target in second.targets] == [2, 3, 4]
    assert second.indices == [2, 3, 4]
    (plain,) = batch_of(images(1), 1).split(2)
    assert plain.inputs.shape == (1, 3, 4, 4)


def test_lists_and_crops():
    regions = [torch.full((number + 1, 4), float(number)) for number in range(3)]
    parts = batch_of(ImagesWithProposals(images(3), regions), 3).split(3)
    assert [len(part.inputs.regions[0]) for part in parts] == [1, 2, 3]
    boxes = [Boxes(torch.zeros(count, 4), torch.zeros(count, dtype=torch.int64)) for count in (2, 0, 3)]
    crops = Crops(images(5), torch.arange(20.0).view(5, 4), boxes)
    one, two, three = batch_of(crops, 3).split(3)
    assert one.inputs.images[:, 0, 0, 0].tolist() == [0, 1]
    assert len(two.inputs.images) == 0
    assert three.inputs.xyxy[:, 0].tolist() == [8.0, 12.0, 16.0]
    assert len(three.inputs.regions) == 1
