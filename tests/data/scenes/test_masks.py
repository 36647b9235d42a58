import pickle

import pytest
import torch

from zorki.data.scenes.dataset import CLASS_NAMES, scene
from zorki.data.scenes.masks import SceneSegmentation, parse
from zorki.data.scenes.objects import OBJECTS, POPULATION, RADIUS
from zorki.errors import DataError


def test_masks_are_those_of_the_scene():
    dataset = SceneSegmentation(20, size=(48, 64), seed=3)
    assert dataset.class_names == ["ground", *CLASS_NAMES]
    seen = set()
    for index in range(20):
        made = scene(3, index, size=(48, 64), objects=OBJECTS, radius=RADIUS, population=POPULATION)
        mask = dataset.target(index)
        assert mask.classes.dtype == torch.int64
        assert mask.classes.equal(made.mask.classes)
        assert dataset[index].image.equal(made.image)
        assert dataset[index].target.classes.equal(mask.classes)
        seen |= set(mask.classes.unique().tolist())
    assert seen == set(range(11))  # twenty images show every shape


def test_a_mask_is_painted_once_and_travels(monkeypatch):
    dataset = pickle.loads(pickle.dumps(SceneSegmentation(10, size=(32, 32))))
    wanted = dataset.target(4)
    monkeypatch.setattr(SceneSegmentation, "_painted", None)
    again = dataset.target(4)
    assert again.classes.equal(wanted.classes)
    again.classes.zero_()  # what is done to a sample does not reach the data
    assert dataset.target(4).classes.equal(wanted.classes)


def test_splits_paths_and_words():
    dataset = parse("scenes:20@32")
    assert isinstance(dataset, SceneSegmentation)
    assert (dataset.size, {split: len(indices) for split, indices in dataset.splits.items()}) == (
        (32, 32),
        {"train": 14, "val": 3, "test": 3},
    )
    assert dataset.path(15).as_posix() == "scenes/val/000015.png"
    assert parse("photos") is None
    assert len(parse("scenes")) == 2000
    with pytest.raises(DataError, match="expected scenes, scenes:COUNT or"):
        parse("scenes:many")
    with pytest.raises(DataError, match="10 images or more"):
        parse("scenes:9")
    with pytest.raises(IndexError, match="index 20 is outside the 20 images"):
        dataset.target(20)
