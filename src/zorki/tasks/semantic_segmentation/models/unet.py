"""U-Net (Ronneberger, Fischer and Brox, 2015: U-Net: Convolutional Networks for Biomedical Image Segmentation)."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from zorki.contracts import TrainingDefaults
from zorki.data.preprocess.letterbox import Letterbox
from zorki.errors import RecipeError
from zorki.nn.layers.initialize import initialize_he, initialize_output
from zorki.nn.layers.mirror import mirror
from zorki.nn.layers.normalize import Normalize
from zorki.nn.layers.upsample import upsample
from zorki.registry import model
from zorki.tasks.semantic_segmentation.networks.segmenter import Segmenter
from zorki.tasks.semantic_segmentation.task import SemanticSegmentation


class ValidUNet(nn.Module):
    """The network of the paper's figure 1: convolutions without padding, so that each output saw real pixels alone.

    An input of 572 pixels gives an output of 388: `border` pixels are lost at each side, 92 with four poolings. The
    input's sides must be such that all poolings are exact, see `input_size`.

    Args:
        in_channels: of the images.
        out_channels: of the outputs.
        depth: how often is pooled.
        width: channels at full resolution; each pooling doubles them.
        dropout: behind the two deepest levels of the contracting path, where the authors' network has it.
        batch_norm: behind each 3x3 convolution; not in the paper.
        upsampling: see `zorki.nn.layers.upsample`; the paper's up-convolution is "transposed". No ReLU follows it.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        depth: int = 4,
        width: int = 64,
        dropout: float = 0.5,
        batch_norm: bool = False,
        upsampling: str = "transposed",
    ) -> None:
        super().__init__()
        self.depth = depth
        widths = [width * 2**level for level in range(depth + 1)]
        befores = [in_channels, *widths]
        self.down = nn.ModuleList(
            _two_convolutions(before, after, batch_norm) for before, after in zip(befores, widths, strict=False)
        )
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(dropout)
        self.up = nn.ModuleList(upsample(upsampling, 2 * wide, wide) for wide in reversed(widths[:-1]))
        self.merge = nn.ModuleList(_two_convolutions(2 * wide, wide, batch_norm) for wide in reversed(widths[:-1]))
        self.output = nn.Conv2d(width, out_channels, 1)
        initialize_he(self.down)
        initialize_he(self.merge)
        initialize_output(self.output)

    @property
    def border(self) -> int:
        """Pixels lost at each side of the input: 6 * 2^depth - 4.

        Two 3x3 convolutions lose 2 pixels of their own resolution at a side, on the way down and on the way up at
        each of the strides 1, 2, ..., and once at the deepest: 2 * (1 + 2 + ...) twice, and 2 * 2^depth.
        """
        return 6 * 2**self.depth - 4

    def input_size(self, output_size: int) -> int:
        """The side of the smallest exact input whose output is at least `wanted` pixels long.

        Backwards through the network: the deepest map must be a whole number of pixels, and more than four of them.
        """
        step = 2**self.depth
        blocks = max(0, -(-(output_size - 4) // step))  # outputs are 4, 4 + step, 4 + 2 * step, ... pixels long
        return blocks * step + 4 + 2 * self.border

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K _ _"]:
        """Logits of the input's middle, without `border` pixels at each side."""
        skips = []
        for level, block in enumerate(self.down):
            x = block(self.pool(x) if level else x)
            if level >= self.depth - 1:
                x = self.dropout(x)
            skips.append(x)
        for up, merge, skip in zip(self.up, self.merge, reversed(skips[:-1]), strict=True):
            x = up(x)
            x = merge(torch.cat([_middle(skip, x.shape[2], x.shape[3]), x], 1))
        return self.output(x)


class UNet(Segmenter):
    """U-Net for images of any size: they are mirrored at their edges, so that the output covers all of them.

    That is the paper's overlap-tile strategy (section 2, figure 2) for an image that is one tile. Above and on the
    left `border` pixels are added (`ValidUNet`), below and on the right what makes all poolings exact beside.

    `margin` is how many pixels of real surroundings tell an output all that it would read of a larger image, where
    tiles begin at multiples of the preprocessing's stride, 2^depth, in it: the paper's 92, up to the next such
    multiple, since where the poolings begin matters.

    Args:
        in_channels: of the network; 1 turns images gray.
        network: options of `ValidUNet`.
        settings: of `Segmenter`.
    """

    def __init__(
        self, *, num_classes: int, in_channels: int, network: dict[str, Any], settings: dict[str, Any]
    ) -> None:
        super().__init__(num_classes=num_classes, **settings)
        self.normalize = Normalize(in_channels, (0.5,) * 3, (0.25,) * 3)
        self.network = ValidUNet(in_channels, num_classes, **network)
        step = 2**self.network.depth
        self.margin = -(-self.network.border // step) * step

    def maps(self, pixels: Float[Tensor, "B C H W"]) -> tuple[Tensor, list[Tensor]]:
        height, width = pixels.shape[2:]
        border = self.network.border
        right, bottom = (self.network.input_size(side) - border - side for side in (width, height))
        logits = self.network(mirror(pixels, border, right, border, bottom))
        return logits[:, :, :height, :width], []

    def backbone_stages(self) -> list[nn.Module]:
        """The contracting path, level by level."""
        return list(self.network.down)


def _two_convolutions(before: int, after: int, batch_norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (before, after):
        layers.append(nn.Conv2d(channels, after, 3, bias=not batch_norm))
        layers += [nn.BatchNorm2d(after)] if batch_norm else []
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def _middle(x: Float[Tensor, "B C H W"], height: int, width: int) -> Float[Tensor, "B C _ _"]:
    top, left = (x.shape[2] - height) // 2, (x.shape[3] - width) // 2
    return x[:, :, top : top + height, left : left + width]


@model(SemanticSegmentation)
def unet(
    num_classes: int,
    *,
    image_size: int = 256,
    depth: int = 4,
    width: int = 64,
    dropout: float = 0.5,
    batch_norm: bool = False,
    upsampling: str = "transposed",
    in_channels: int = 3,
) -> UNet:
    """U-Net (Ronneberger et al., 2015) with valid convolutions and mirrored edges, as in the paper.

    Args:
        image_size: of the longer side of the images, in pixels.
        depth: how often is pooled.
        width: channels at full resolution; each pooling doubles them.
        dropout: share of the deepest maps that is dropped.
        batch_norm: behind each 3x3 convolution; not in the paper.
        upsampling: transposed (the paper's), transposed_bilinear, bilinear, nearest or pixel_shuffle.
        in_channels: 3, or 1 for gray images.
    """
    if depth < 1 or width < 1:
        raise RecipeError(f"unet has depth {depth} and width {width}; expected 1 at least, such as 4 and 64")
    if upsampling == "unpool":
        raise RecipeError(
            "unet cannot unpool: its skips are cropped, and the pools' maxima with them; expected another upsampling, "
            "or a U-Net with padding such as unet_resnet18"
        )
    return UNet(
        num_classes=num_classes,
        in_channels=in_channels,
        network={
            "depth": depth,
            "width": width,
            "dropout": dropout,
            "batch_norm": batch_norm,
            "upsampling": upsampling,
        },
        settings={
            "preprocess": Letterbox(image_size, stride=2**depth),
            # The paper takes one large tile at a time (section 3); without norms a small rate is needed.
            "defaults": TrainingDefaults(lr=1e-3 if batch_norm else 3e-4, batch_size=2),
        },
    )
