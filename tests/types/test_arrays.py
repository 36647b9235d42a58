"""Annotations in numpy and in torch: one memory, one meaning."""

import numpy as np
import torch

from zorki.types import Boxes, Instances, Label, Mask, Sample
from zorki.types.arrays import array_of, is_tensor, tensor_of

BOXES = Boxes(torch.tensor([[1.0, 2, 3, 4], [5, 6, 9, 8]]), torch.tensor([0, 2]), crowd=torch.tensor([True, False]))


def test_values_stay_in_one_memory():
    values = torch.zeros(3)
    array_of(values)[1] = 5
    assert values.tolist() == [0, 5, 0]
    array = np.zeros(3, np.float32)
    tensor_of(array)[2] = 7
    assert array.tolist() == [0, 0, 7]
    assert array_of(array) is array
    assert tensor_of(values) is values
    assert is_tensor(values)
    assert not is_tensor(array)


def test_annotations_turn_into_arrays_and_back():
    arrays = BOXES.numpy()
    assert isinstance(arrays.xyxy, np.ndarray)
    assert arrays.scores is None
    assert arrays.to_json() == BOXES.to_json() == arrays.tensors().to_json()
    assert arrays.mark() == BOXES.mark()
    assert arrays.numpy() is arrays
    assert BOXES.tensors() is BOXES
    assert len(arrays) == 2
    assert arrays[np.array([False, True])].labels.tolist() == arrays[1].labels.tolist() == [2]
    label = Label(3)
    assert label.numpy() is label


def test_hashes_of_masks_are_those_of_tensors():
    mask = Mask(torch.tensor([[0, 1], [255, 2]]), ignore=9)
    assert mask.numpy().ignore == 9
    assert mask.numpy().mark() == mask.mark()
    things = Instances(BOXES.xyxy, BOXES.labels, torch.rand(2, 9, 11) > 0.5)
    assert things.numpy().mark() == things.mark()


def test_samples_turn_into_arrays_and_back(tmp_path):
    sample = Sample(torch.arange(24, dtype=torch.uint8).reshape(3, 2, 4), BOXES, tmp_path)
    again = sample.numpy().tensors()
    assert isinstance(sample.numpy().image, np.ndarray)
    assert torch.equal(again.image, sample.image)
    assert again.path == tmp_path
    assert torch.equal(again.target.xyxy, BOXES.xyxy)
