"""Darknet's two networks by the numbers of their papers and of their authors' files."""

import pytest
import torch
from torch import nn

from zorki.errors import RecipeError
from zorki.nn.backbones.darknet import Darknet24, Darknet53
from zorki.nn.backbones.named import backbone
from zorki.nn.necks.yolo_neck import YoloNeck, fill_cells
from zorki.tasks.detection.models.yolo1.heads import ConnectedHead


def stored_values(network):
    """What Darknet writes to a file: weights, biases, and the statistics of norms."""
    statistics = sum(b.numel() for name, b in network.named_buffers() if "running" in name)
    return sum(p.numel() for p in network.parameters()) + statistics


def test_darknet53_has_as_many_values_as_its_authors_file():
    with torch.device("meta"):
        network = Darknet53()
    # darknet53.conv.74 has 162,482,580 bytes: a head of 20, then floats.
    assert stored_values(network) == (162_482_580 - 20) // 4
    assert sum(isinstance(layer, nn.Conv2d) for layer in network.modules()) == 52  # and the classifier's makes 53


def test_darknet53_predictions_five_maps():
    network = Darknet53().eval()
    with torch.no_grad():
        maps = network(torch.randn(1, 3, 64, 96))
    assert [tuple(x.shape) for x in maps] == [
        (1, channels, 64 // stride, 96 // stride)
        for channels, stride in zip(network.channels, network.strides, strict=True)
    ]


def test_yolo1s_convolutions_are_24_and_prediction_seven_cells():
    with torch.device("meta"):
        network = Darknet24()
        maps = network(torch.empty(1, 3, 448, 448))
    assert sum(isinstance(layer, nn.Conv2d) for layer in network.modules()) == 24
    assert [tuple(x.shape[1:]) for x in maps] == [
        (channels, 448 // stride, 448 // stride)
        for channels, stride in zip(network.channels, network.strides, strict=True)
    ]
    assert maps[-1].shape[-2:] == (7, 7)


@pytest.mark.parametrize("name", ["darknet24", "darknet53"])
def test_stages_hold_every_parameter(name):
    with torch.device("meta"):
        network = backbone(name)
    staged = [id(p) for stage in network.stages() for p in stage.parameters()]
    assert sorted(staged) == sorted(id(p) for p in network.parameters())


def test_a_map_is_filled_with_more_zeros_in_front_and_cut_behind():
    x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    assert fill_cells(x, 2, 3).tolist() == [[[[0, 1, 2], [0, 3, 4]]]]
    assert fill_cells(x, 5, 1)[0, 0].tolist() == [[0], [0], [1], [3], [0]]
    assert torch.equal(fill_cells(x, 2, 2), x)


def test_the_neck_predictions_whole_cells_on_a_backbone_without_padding():
    network = backbone("squeezenet")
    neck = YoloNeck(network, (8, 16, 32), (8, 16, 24), depth=3).eval()
    with torch.no_grad():
        maps = neck(network(torch.randn(1, 3, 96, 160)), 96, 160)
    assert [tuple(x.shape[1:]) for x in maps] == [(16, 12, 20), (32, 6, 10), (48, 3, 5)]


def test_the_neck_refuses_a_backbone_without_its_finest_map():
    with pytest.raises(RecipeError, match=r"map of stride 1\b.*\(2, 4, 8, 16, 32\)"), torch.device("meta"):
        YoloNeck(backbone("resnet18"), (1, 2), (8, 8))


def test_fully_connected_layers_refuse_other_sizes():
    head = ConnectedHead(4, 6, grid=1, hidden=3)
    assert head([torch.zeros(2, 4, 1, 1)], 64, 64).shape == (2, 6, 1, 1)
    with pytest.raises(RecipeError, match="squares of 64 pixels were given 128x64"):
        head([torch.zeros(2, 4, 2, 1)], 128, 64)
