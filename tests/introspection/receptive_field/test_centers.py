"""Grids: the pixel on which a position is centered is the middle of what its gradient reaches."""

import pytest
import torch
from torch import nn

from zorki.introspection.receptive_field import Grid, map_grids, receptive_field_by_gradient
from zorki.nn.backbones.alexnet import AlexNetTorchvision
from zorki.nn.backbones.dilated import dilate
from zorki.nn.backbones.mobilenet import MobileNetV3
from zorki.nn.backbones.named import backbone
from zorki.nn.backbones.resnet import ResNet
from zorki.nn.backbones.squeezenet import SqueezeNet
from zorki.nn.backbones.vgg import Vgg


class MapOf(nn.Module):
    """One map of a backbone."""

    def __init__(self, network, place):
        super().__init__()
        self.network, self.place = network, place

    def forward(self, x):
        return self.network(x)[self.place]


@pytest.mark.parametrize(
    ("network", "place"),
    [
        (SqueezeNet("1_0"), 2),
        (SqueezeNet("1_1"), 2),
        (ResNet(18), 3),
        (Vgg("A"), 3),
        (AlexNetTorchvision(), 2),
        (dilate(SqueezeNet("1_1"), 4), 2),
    ],
    ids=["squeezenet1_0", "squeezenet1_1", "resnet18", "vgg11", "alexnet", "dilated"],
)
def test_positions_are_centered_on_the_middle_of_what_they_see(network, place):
    grid = map_grids(network, network, network.strides)[place]
    assert grid.jump == network.strides[place]
    at = (int(144 / grid.jump), int(152 / grid.jump))
    seen = receptive_field_by_gradient(MapOf(network, place), (3, 288, 288), at)
    for (first, last), position in zip(seen, at, strict=True):
        assert 0 < first < last < 288, "inside the image, or the middle is not its own"
        assert (first + last) / 2 == grid.first + position * grid.jump


def test_known_grids():
    vgg = Vgg("D")
    assert map_grids(vgg, vgg, vgg.strides)[-1] == Grid(16.0, 32.0)
    resnet = ResNet(50)
    assert map_grids(resnet, resnet, resnet.strides)[-1] == Grid(0.5, 32.0)


def test_squeeze_and_excitation_hides_no_grid():
    network = MobileNetV3("small")
    assert [grid.first for grid in map_grids(network, network, network.strides)] == [0.5] * 5


def test_attention_has_no_middle():
    with torch.device("meta"):
        network = backbone("timm:swin_tiny_patch4_window7_224")
    assert map_grids(network, network, network.strides)[-1] == Grid(16.0, 32.0)


def test_the_network_is_left_as_it_was():
    network = ResNet(18)
    network.layer1.eval()
    map_grids(network, network, network.strides)
    assert network.training
    assert network.layer2.training
    assert not network.layer1.training
    assert not network.conv1.weight.is_meta
