"""Fields behind dilation and upsampling are those of the gradient."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from zorki.introspection.receptive_field import Trace, receptive_field_by_gradient
from zorki.nn.backbones.dilated import dilate
from zorki.nn.backbones.resnet import ResNet
from zorki.nn.backbones.squeezenet import SqueezeNet
from zorki.nn.layers.upsample import upsample


class MapOf(nn.Module):
    """One map of a backbone."""

    def __init__(self, backbone, place):
        super().__init__()
        self.backbone, self.place = backbone, place

    def forward(self, x):
        return self.backbone(x)[self.place]


class Unpooled(nn.Module):
    """Four channels, whose maxima lie each at another place of every window."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3, 2, 1)

    def forward(self, x):
        x = self.convolution(x)
        height, width = x.shape[2:]
        rows, columns = torch.arange(height) * 2, torch.arange(width) * 2
        corner = rows[:, None] * (2 * width) + columns
        indices = torch.stack([corner, corner + 1, corner + 2 * width, corner + 2 * width + 1])
        return functional.max_unpool2d(x, indices.expand(len(x), -1, -1, -1), 2)


def field_of(network, size):
    with torch.inference_mode():
        source = torch.zeros(1, 3, *size)
        with Trace(source) as trace:
            outputs = network.eval()(source)
    return trace.of(outputs), outputs


@pytest.mark.parametrize(
    "network",
    [
        MapOf(dilate(ResNet(18), 4), 2),
        MapOf(dilate(SqueezeNet("1_1"), 4), 2),
        nn.Sequential(nn.Conv2d(3, 4, 3, padding=2, dilation=2), nn.Conv2d(4, 4, 3, 2, 1), nn.Conv2d(4, 4, 1)),
    ],
    ids=["resnet", "squeezenet", "convolutions"],
)
def test_behind_dilation_the_formula_is_the_gradient(network):
    size = (192, 160)
    field, outputs = field_of(network, size)
    at = (outputs.shape[2] // 2, outputs.shape[3] // 2)
    edges = [
        (int(field.low[k] + place * field.jump[k]), int(field.high[k] + place * field.jump[k]))
        for k, place in enumerate(at)
    ]
    assert all(0 < low < high < side for (low, high), side in zip(edges, size, strict=True)), "inside, or it tells less"
    assert receptive_field_by_gradient(network, (3, *size), at) == tuple(edges)


@pytest.mark.parametrize(
    "network",
    [
        nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ConvTranspose2d(4, 4, 2, 2)),
        nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ConvTranspose2d(4, 4, 4, 2, 1)),
        nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), upsample("transposed_bilinear", 4, 2, 4)),
        nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), upsample("transposed_bilinear", 4, 2, 3)),
        nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), upsample("bilinear", 4, 4, 2)),
        nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), upsample("bilinear", 4, 4, 3)),
        nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), upsample("nearest", 4, 4, 4)),
        nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.UpsamplingBilinear2d((25, 33))),
        Unpooled(),
    ],
    ids=["own_patch", "transposed", "fcn4", "fcn3", "bilinear2", "bilinear3", "nearest", "corners", "unpool"],
)
def test_behind_upsampling_the_formula_is_the_smallest_bound_of_the_gradients(network):
    """Positions there do not see alike: the field is the interval that moves along and holds what each one sees."""
    size = (24, 32)
    field, outputs = field_of(network, size)
    jump = field.jump[0]
    lows, highs = [], []
    for row in range(outputs.shape[2]):
        (first, last), _ = receptive_field_by_gradient(network, (3, *size), (row, outputs.shape[3] // 2))
        lows += [first - row * jump] if first > 0 else []
        highs += [last - row * jump] if last < size[0] else []
    assert field.low[0] == min(lows)
    assert field.high[0] == max(highs)
