"""Filters, strongest maps, and the patches of images that excite a channel."""

from pathlib import Path

import pytest
import torch
from torch import nn

from zorki.data.preprocess.resize import Resize
from zorki.engine.explanation.layers import Unit, UnitWatch, first_filters, strongest_maps, watch
from zorki.errors import RecipeError
from zorki.nn.backbones.backbone import Backbone
from zorki.tasks.classification.classifier import Classifier


class TwoConvolutions(Backbone):
    channels, strides = (4,), (2,)

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.second = nn.Conv2d(4, 4, 3, stride=2, padding=1, bias=False)

    def forward(self, x):
        return [self.second(self.first(x))]

    def stages(self):
        return [self.first, self.second]


class Head(nn.Module):
    def forward(self, maps):
        return maps.mean((2, 3))


@pytest.fixture
def model():
    built = Classifier(TwoConvolutions(), Head(), num_classes=4, preprocess=Resize(32), mean=(0.0,) * 3, std=(1.0,) * 3)
    built.backbone.first.weight.data.fill_(1.0)
    built.backbone.second.weight.data.fill_(1.0)
    return built.eval()


def bright(row, column, level, side=32):
    image = torch.zeros((3, side, side), dtype=torch.uint8)
    image[:, row, column] = level
    return image


def test_the_most_exciting_patches_are_where_the_light_is(model):
    found = [UnitWatch(model, Unit.read(f"backbone.{layer}:2")) for layer in ("first", "second")]
    for number, level in enumerate((40, 250, 90)):
        watch(found, bright(8 + number, 20, level), Path(f"{number}.png"))
    first, second = (one.best() for one in found)
    assert [str(one.path) for one in first] == ["1.png", "2.png", "0.png"]
    left, top, right, bottom = first[0].box
    assert (right - left, bottom - top) == (3, 3)
    assert left <= 20 < right
    assert top <= 9 < bottom
    assert first[0].patch.max() == 250
    assert first[0].patch.shape == (3, 3, 3)
    left, top, right, bottom = second[0].box
    assert (right - left, bottom - top) == (5, 5)
    assert second[0].patch.max() == 250


def test_patches_are_cut_at_the_edges_and_lie_in_the_original(model):
    found = UnitWatch(model, Unit("backbone.second", 0))
    found.look(bright(0, 0, 200, side=64), Path("large.png"))
    (one,) = found.best()
    assert one.box[:2] == (0, 0)
    assert one.box[2] <= 8
    assert one.patch.shape[1:] == (one.box[3], one.box[2])


def test_nine_are_kept(model):
    found = UnitWatch(model, Unit("backbone.first", 0))
    for number in range(12):
        found.look(bright(9, 9, 10 * number + 5), Path(f"{number}.png"))
    assert [int(one.path.stem) for one in found.best()] == list(range(11, 2, -1))


@pytest.mark.parametrize(
    ("words", "message"),
    [("backbone.first", "expected LAYER:CHANNEL"), ("backbone.frist:1", "backbone.first"),
     ("backbone.first:4", "4 channels"), ("head:0", "no map over the image")],
)  # fmt: skip
def test_units_that_are_none_are_told(model, words, message):
    with pytest.raises(RecipeError, match=message):
        UnitWatch(model, Unit.read(words)).look(bright(1, 1, 9), Path("a.png"))


def test_filters_reach_from_black_to_white(model):
    model.backbone.first.weight.data[1, 0, 0, 0] = -3.0
    name, shades = first_filters(model)
    assert name == "backbone.first"
    assert shades.shape == (4, 3, 3, 3)
    assert (shades[1].min(), shades[1].max()) == (0, 255)
    assert first_filters(nn.Linear(2, 2)) is None


def test_the_strongest_maps_come_first():
    maps = torch.zeros(5, 2, 2)
    maps[3, 0, 0], maps[1, 1, 1] = 7, 9
    assert [channel for channel, _ in strongest_maps(maps, 2)] == [1, 3]
