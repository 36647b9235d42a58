import torch

from zorki.tasks.instance_segmentation.networks.numbering import number_objects, objects_of
from zorki.types import Instances


def target(masks, labels, crowd=None):
    masks = torch.tensor(masks, dtype=torch.bool)
    return Instances(torch.zeros(len(masks), 4), torch.tensor(labels), masks, crowd=crowd)


def test_the_smallest_object_is_on_top_and_crowds_are_below():
    large, small, crowd = [[1, 1, 1, 0]], [[0, 0, 1, 0]], [[0, 1, 1, 1]]
    objects = number_objects([target([small, large, crowd], [0, 2, 1], torch.tensor([False, False, True]))])
    assert objects.numbers.tolist() == [[[2, 2, 1, 0]]]
    assert objects.valid.tolist() == [[[True, True, True, False]]]
    assert objects.classes().tolist() == [[[2, 2, 0, -1]]]


def test_images_without_objects_have_maps_of_nothing():
    empty = Instances(torch.zeros(0, 4), torch.zeros(0).long(), torch.zeros(0, 2, 3).bool())
    objects = number_objects([empty])
    assert objects.numbers.tolist() == [[[0, 0, 0], [0, 0, 0]]]
    assert bool(objects.valid.all())
    assert objects.classes().unique().tolist() == [-1]


NUMBERS = torch.tensor([[1, 1, 0, 3], [1, 0, 0, 3], [0, 0, 7, 3]], dtype=torch.int32)


def test_objects_have_tight_boxes_scores_and_the_best_first():
    sure = torch.where(NUMBERS == 3, 0.9, 0.5)
    found = objects_of(NUMBERS, sure, torch.zeros(0, 3, 4), min_area=1, max_objects=9)
    assert found.xyxy.tolist() == [[3, 0, 4, 3], [0, 0, 2, 2], [2, 2, 3, 3]]
    torch.testing.assert_close(found.scores, torch.tensor([0.9, 0.5, 0.5]))
    assert [mask.sum().item() for mask in found.masks] == [3, 3, 1]
    assert found.labels.tolist() == [0, 0, 0]


def test_small_objects_go_and_the_best_stay():
    sure = torch.where(NUMBERS == 3, 0.9, 0.5)
    assert len(objects_of(NUMBERS, sure, torch.zeros(0, 3, 4), min_area=2, max_objects=9)) == 2
    (one,) = objects_of(NUMBERS, sure, torch.zeros(0, 3, 4), min_area=1, max_objects=1).xyxy.tolist()
    assert one == [3, 0, 4, 3]


def test_classes_are_voted_for():
    first = torch.where(NUMBERS == 1, 0.75, 0.25)
    first[2, 3] = 0.9  # one pixel of three does not decide
    found = objects_of(NUMBERS, torch.ones(3, 4), torch.stack([first, 1 - first]), min_area=2, max_objects=9)
    assert found.xyxy[0].tolist() == [0, 0, 2, 2]
    assert found.labels.tolist() == [0, 1]
    torch.testing.assert_close(found.scores, torch.tensor([0.75, (0.75 + 0.75 + 0.1) / 3]))


def test_no_object_is_a_prediction_of_no_rows():
    found = objects_of(torch.zeros(3, 4).int(), torch.zeros(3, 4), torch.zeros(2, 3, 4), min_area=1, max_objects=9)
    assert len(found) == 0
    assert found.masks.shape == (0, 3, 4)
    assert found.xyxy.shape == (0, 4)
    assert found.scores.shape == (0,)
