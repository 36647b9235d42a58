"""A torch dataset is trained on, evaluated and resumed by passing it again."""

import pytest
import torch

import zorki
from zorki.errors import RecipeError


class Halves(torch.utils.data.Dataset):
    """Images that are bright on the left (0) or on the right (1), with the bright half as a box."""

    def __init__(self, count, boxes=False):
        self.count, self.boxes = count, boxes

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        image = torch.zeros(3, 32, 32, dtype=torch.uint8)
        label = index % 2
        image[:, :, 16 * label : 16 * label + 16] = 200 + index
        if not self.boxes:
            return image, label
        box = torch.tensor([[16.0 * label, 0, 16 * label + 16, 32]])
        return image.float() / 255, {"boxes": box, "labels": torch.tensor([label + 1])}


def test_labels_by_split(tmp_path):
    data = {"train": Halves(16), "val": Halves(6)}
    words = {"epochs": 2, "batch_size": 8, "out": str(tmp_path), "device": "cpu", "quiet": True}
    run = zorki.train("lenet5", data, class_names=["left", "right"], workers=1, **words)
    assert run.class_names == ["left", "right"]
    assert run.about["data"] == "Halves in Python"
    (result,) = zorki.evaluate(run.folder, data, split="val", workers=0)
    assert result.count == 6
    saved = run.results["val"]["metrics"]["top1"]
    assert result.metrics.scalars()["top1"] == saved
    with pytest.raises(RecipeError, match="trained on Halves in Python, which no file holds: pass it again"):
        zorki.evaluate(run.folder)
    with pytest.raises(RecipeError, match="pass it again"):
        zorki.resume(run.folder)
    assert zorki.resume(run.folder, data=data, quiet=True).results["val"]["metrics"]["top1"] == saved
    with pytest.raises(RecipeError, match="class_map and only_classes: for files"):
        zorki.train("lenet5", data, class_names=["left", "right"], class_map="left=-", **words)


def test_boxes_that_count_from_one(tmp_path):
    names = ["background", "left", "right"]
    words = {"epochs": 1, "batch_size": 4, "out": str(tmp_path), "device": "cpu", "workers": 0, "quiet": True}
    data = Halves(30, boxes=True)
    run = zorki.train("fcos_squeezenet", data, class_names=names, limit=4, **words)
    assert run.class_names == ["left", "right"]
    (result,) = zorki.evaluate(run.folder, data, split="val", workers=0)
    assert result.metrics.scalars()["ap"] == run.results["val"]["metrics"]["ap"]
