"""Datasets of others: images and targets of every kind, splits, and what is refused."""

import numpy as np
import pytest
import torch
from PIL import Image

from zorki.data.annotations.torch_dataset import TorchDataset, image_of, is_torch_dataset
from zorki.errors import DataError

RGB = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3) * 10


class Fixed(torch.utils.data.Dataset):
    """The same sample over and over."""

    def __init__(self, target, image=RGB, count=40):
        self.sample, self.count = (image, target), count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return self.sample


@pytest.mark.parametrize("image", [
    RGB, Image.fromarray(RGB), torch.from_numpy(RGB).permute(2, 0, 1), torch.from_numpy(RGB).permute(2, 0, 1) / 255,
    RGB / 255, np.concatenate([RGB, np.full((2, 3, 1), 255, np.uint8)], 2),
])  # fmt: skip
def test_one_image_in_every_form(image):
    assert torch.equal(image_of(image, "x"), torch.from_numpy(RGB).permute(2, 0, 1))


def test_gray_becomes_rgb():
    for image in (RGB[..., 0], torch.from_numpy(RGB[..., 0])[None], Image.fromarray(RGB[..., 0].copy())):
        assert torch.equal(image_of(image, "x"), torch.from_numpy(RGB[..., :1]).permute(2, 0, 1).expand(3, -1, -1))


@pytest.mark.parametrize(("image", "message"), [
    (torch.zeros(2, 3, 3) - 1, r"expected an image tensor \(3, H, W\) or \(1, H, W\), and got Tensor \(2, 3, 3\)"),
    (torch.zeros(3, 2, 3) - 1, "floats run from -1 to -1; .* leave Normalize out"),
    (RGB * 1.5, "floats run from 0 to"),
    (np.full((2, 3, 3), np.nan), "floats run from nan"),
    (RGB.transpose(2, 0, 1)[:, :, :2], r"expected an image array \(H, W\)"),
    (RGB.astype(np.int64), "expected an image of uint8"),
    ("a.png", "expected an image of PIL"),
])  # fmt: skip
def test_what_is_no_image(image, message):
    with pytest.raises(DataError, match=message):
        image_of(image, "x")


def test_labels_and_splits():
    data = TorchDataset(Fixed(1, count=200), "labels", ["cat", "dog"])
    assert (data[3].target.index, data.target(5).index, data.class_names) == (1, 1, ["cat", "dog"])
    assert set(data.splits) == {"train", "val", "test"}
    assert sorted(index for own in data.splits.values() for index in own) == list(range(200))
    assert TorchDataset(Fixed(1, count=200), "labels", ["a", "b"]).splits == data.splits  # by nothing but the numbers
    data = TorchDataset(
        {"train": Fixed(torch.tensor(0), count=3), "valid": Fixed("dog", count=2)}, "labels", ["cat", "dog"]
    )
    assert data.splits == {"train": [0, 1, 2], "val": [3, 4]}
    assert [data.target(index).index for index in range(5)] == [0, 0, 0, 1, 1]
    with pytest.raises(DataError, match=r"'trian' means no split; .* Did you mean train\?"):
        TorchDataset({"trian": Fixed(0)}, "labels", ["cat"])


def test_floats_are_converted_aloud():
    (note,) = TorchDataset(Fixed(0, RGB / 255), "labels", ["cat"]).defects
    assert note.note
    assert "rounded to 8 bits" in note.reason


def test_objects_count_from_zero_or_behind_the_background():
    target = {"boxes": torch.tensor([[0.0, 0, 2, 1]]), "labels": torch.tensor([1]), "iscrowd": torch.tensor([1])}
    data = TorchDataset(Fixed(target), "boxes", ["background", "cat"])
    assert (data.class_names, data.target(0).labels.tolist(), data.target(0).crowd.tolist()) == (["cat"], [0], [True])
    data = TorchDataset(Fixed(target), "boxes", ["cat", "dog"])
    assert data.target(0).labels.tolist() == [1]
    with pytest.raises(DataError, match="label 1, and there are 1 class_names; torchvision counts from 1"):
        TorchDataset(Fixed(target), "boxes", ["cat"])
    masks = {**target, "masks": torch.ones(1, 2, 3, dtype=torch.uint8)}
    data = TorchDataset(Fixed(masks), "instances", ["background", "cat"])
    assert data.target(0).masks.sum() == 6
    empty = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0), "masks": torch.zeros(0, 2, 3)}
    assert TorchDataset(Fixed(empty), "instances", ["cat"])[0].target.masks.shape == (0, 2, 3)


def test_masks_of_classes():
    mask = torch.tensor([[0, 1, 255], [1, 1, 0]])
    for target in (mask, mask.numpy(), mask[None], Image.fromarray(mask.numpy().astype(np.uint8))):
        assert TorchDataset(Fixed(target), "masks", ["road", "car"]).target(0).classes.tolist() == mask.tolist()


@pytest.mark.parametrize(("kind", "target", "message"), [
    ("labels", 2, "label 2, and there are 2 class_names"),
    ("labels", "cta", r"the class 'cta' is not among class_names\. Did you mean cat\?"),
    ("labels", 0.5, "expected the number of a class"),
    ("labels", torch.tensor([0, 1]), "expected the number of a class"),
    ("boxes", 1, "expected a dict with boxes, labels"),
    ("boxes", {"boxes": [[5, 5, 2, 2]], "labels": [0]}, "xywh, or empty"),
    ("boxes", {"boxes": [[0, 0, 2, 2]], "labels": [0, 1]}, "1 boxes and 2 labels"),
    ("instances", {"boxes": [[0, 0, 2, 2]], "labels": [0], "masks": np.ones((1, 9, 9))}, r"expected masks \(1, 2, 3\)"),
    ("masks", np.full((2, 3), 7), "the mask has 7"),
    ("masks", np.zeros((5, 5), int), "the mask is 5 x 5 pixels, and its image 3 x 2"),
    ("masks", np.zeros((2, 3)), "of whole numbers"),
])  # fmt: skip
def test_what_is_no_target(kind, target, message):
    with pytest.raises(DataError, match=message):
        TorchDataset(Fixed(target), kind, ["cat", "dog"])


def test_what_is_a_dataset():
    assert is_torch_dataset(Fixed(0))
    assert is_torch_dataset({"train": Fixed(0)})
    for other in ("folder", {}, {"train": 3}, None, 3):
        assert not is_torch_dataset(other)
    with pytest.raises(DataError, match="no attribute `classes`"):
        TorchDataset(Fixed(0), "labels")
