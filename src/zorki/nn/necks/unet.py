"""A U-Net on any backbone: from pixels to maps that lie on them."""

from __future__ import annotations

import math
from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from zorki.nn.backbones.backbone import Backbone
from zorki.nn.backbones.squeezenet import SqueezeNet
from zorki.nn.necks.unet_decoder import UNetDecoder


def halving(backbone: Backbone) -> Backbone:
    """The backbone itself, with maps that lie on the image and halve exactly: SqueezeNet's get a padding."""
    if isinstance(backbone, SqueezeNet):
        first = backbone.features[0]
        first.padding = (first.kernel_size[0] // 2, first.kernel_size[1] // 2)
    return backbone


def unet_maps(
    pixels: Float[Tensor, "B C H W"], backbone: Backbone, decoder: UNetDecoder, output: Callable[[Tensor], Tensor]
) -> Float[Tensor, "B K h w"]:
    """What `output` makes of the decoder's map: at the pixels' size, or coarser where the decoder ends earlier.

    Pixels whose sides are no multiples of the deepest stride are continued by zeros, which after normalization is the
    mean color, and the output is enlarged bilinearly and cut back to their size.
    """
    height, width = pixels.shape[2:]
    stride = backbone.strides[-1]
    whole = [math.ceil(side / stride) * stride for side in (height, width)]
    if whole == [height, width]:
        return output(decoder(backbone(pixels)))
    maps = output(decoder(backbone(functional.pad(pixels, (0, whole[1] - width, 0, whole[0] - height)))))
    if list(maps.shape[2:]) != whole:
        maps = functional.interpolate(maps, whole, mode="bilinear", align_corners=False)
    return maps[:, :, :height, :width]
