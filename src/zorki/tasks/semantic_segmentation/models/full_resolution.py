"""Convolutions at full resolution: fully convolutional, and nothing is ever made smaller.

The first idea for a class at every pixel, and the dear one: every layer holds its maps at the size of the image, and
sees only two pixels further than the layer below. Growing dilation (Yu and Koltun, 2016: Multi-Scale Context
Aggregation by Dilated Convolutions) makes it see far for the same cost.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from zorki.data.preprocess.letterbox import Letterbox
from zorki.errors import RecipeError
from zorki.nn.layers.initialize import initialize_he, initialize_output
from zorki.registry import model
from zorki.tasks.semantic_segmentation.networks.segmenter import Segmenter
from zorki.tasks.semantic_segmentation.task import SemanticSegmentation


class FullResolution(Segmenter):
    """3x3 convolutions with batch norm and ReLU, one of 1x1 to classes; all at the image's size.

    A pixel sees `margin` pixels in each direction, the sum of the dilations.

    Args:
        dilations: of the convolutions, one after the other.
        width: channels of each.
    """

    def __init__(self, *, num_classes: int, size: int, dilations: tuple[int, ...], width: int) -> None:
        super().__init__(num_classes=num_classes, preprocess=Letterbox(size, stride=1))
        layers: list[nn.Module] = []
        channels = 3
        for dilation in dilations:
            convolution = nn.Conv2d(channels, width, 3, padding=dilation, dilation=dilation, bias=False)
            layers.append(nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True)))
            channels = width
        self.layers = nn.Sequential(*layers)
        self.output = nn.Conv2d(width, num_classes, 1)
        initialize_he(self.layers)
        initialize_output(self.output)
        self.margin = sum(dilations)

    def maps(self, pixels: Float[Tensor, "B C H W"]) -> tuple[Tensor, list[Tensor]]:
        return self.output(self.layers(pixels)), []

    def backbone_stages(self) -> list[nn.Module]:
        return list(self.layers)


def growing_dilations(depth: int) -> tuple[int, ...]:
    """1, 1, 2, 4, 8, ..., and 1 for the last: the context module's (Yu and Koltun, 2016, Table 1, whose depth is 7).

    >>> growing_dilations(7)
    (1, 1, 2, 4, 8, 16, 1)
    """
    return (1, *(2**place for place in range(depth - 2)), 1)


@model(SemanticSegmentation)
def full_resolution(num_classes: int, *, image_size: int = 256, depth: int = 7, width: int = 32) -> FullResolution:
    """3x3 convolutions at full resolution: the plain way to a class for every pixel.

    Args:
        image_size: of the longer side of the images, in pixels.
        depth: 3x3 convolutions, 1 at least; a pixel sees 2 * depth + 1 pixels.
        width: channels of each.
    """
    _check(depth, width, 1)
    return FullResolution(num_classes=num_classes, size=image_size, dilations=(1,) * depth, width=width)


@model(SemanticSegmentation)
def full_resolution_dilated(
    num_classes: int, *, image_size: int = 256, depth: int = 7, width: int = 32
) -> FullResolution:
    """3x3 convolutions of growing dilation at full resolution (Yu and Koltun, 2016).

    Like their context module, but on pixels in place of the maps of another network, with batch norms, and with He's
    weights in place of the identity, which serves inputs that are maps of classes already.

    Args:
        image_size: of the longer side of the images, in pixels.
        depth: 3x3 convolutions, 3 at least; a pixel sees 2^(depth - 1) + 3 pixels.
        width: channels of each.
    """
    _check(depth, width, 3)
    return FullResolution(num_classes=num_classes, size=image_size, dilations=growing_dilations(depth), width=width)


def _check(depth: int, width: int, least: int) -> None:
    if depth < least or width < 1:
        raise RecipeError(f"depth is {depth} and width {width}; expected a depth of {least} at least, and a width of 1")
