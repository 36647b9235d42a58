"""X3D: an image network expanded step by step in time, space, width and depth (Feichtenhofer, 2020).

XS is the smallest: 4 frames of 160 x 160, and 3.8 million weights. Parts are named as in PyTorchVideo.
"""

from __future__ import annotations

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from zorki.contracts import Model
from zorki.data.preprocess.clips import Clips
from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.nn.layers.initialize import initialize_he, initialize_output
from zorki.registry import Variant, model
from zorki.tasks.video_classification.task import VideoClassification
from zorki.tasks.video_classification.volumes import VolumeClassifier
from zorki.weights.weight_map import WeightMap

# Table 1: channels and blocks of res2 to res5; depth is expanded by 2.2, and the bottleneck by 2.25.
_STEM, _CHANNELS, _BLOCKS = 24, (24, 48, 96, 192), (3, 5, 11, 7)
_BOTTLENECK, _HEAD = 2.25, 2048
_MEAN, _STD = (0.45, 0.45, 0.45), (0.225, 0.225, 0.225)


class SqueezeExcitation3d(nn.Module):
    """Channels weighed by what the whole clip shows (Hu et al., 2018), over a sixteenth as many."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = _rounded(channels / 16)
        self.block = nn.Sequential(
            nn.Conv3d(channels, squeezed, 1), nn.ReLU(), nn.Conv3d(squeezed, channels, 1), nn.Sigmoid()
        )

    def forward(self, x: Float[Tensor, "M C T H W"]) -> Float[Tensor, "M C T H W"]:
        return x * self.block(x.mean((2, 3, 4), keepdim=True))  # type: ignore[no-any-return]


class X3dBlock(nn.Module):
    """1x1x1, channel-wise 3x3x3 and 1x1x1 convolutions beside a shortcut; every other block weighs its channels."""

    def __init__(self, channels: int, out: int, *, stride: int, excited: bool) -> None:
        super().__init__()
        inner = int(out * _BOTTLENECK)
        self.conv_a, self.norm_a = nn.Conv3d(channels, inner, 1, bias=False), nn.BatchNorm3d(inner)
        self.conv_b = nn.Conv3d(inner, inner, 3, (1, stride, stride), 1, groups=inner, bias=False)
        self.norm_b = nn.Sequential(nn.BatchNorm3d(inner), SqueezeExcitation3d(inner) if excited else nn.Identity())
        self.conv_c, self.norm_c = nn.Conv3d(inner, out, 1, bias=False), nn.BatchNorm3d(out)
        self.shortcut = nn.Sequential()
        if stride > 1 or channels != out:
            self.shortcut = nn.Sequential(nn.Conv3d(channels, out, 1, (1, stride, stride), bias=False))
            if channels != out:  # as the authors' network has it
                self.shortcut.append(nn.BatchNorm3d(out))

    def forward(self, x: Float[Tensor, "M C T H W"]) -> Float[Tensor, "M C2 T H2 W2"]:
        y = self.norm_a(self.conv_a(x)).relu()
        y = nn.functional.silu(self.norm_b(self.conv_b(y)))
        return (self.shortcut(x) + self.norm_c(self.conv_c(y))).relu()  # type: ignore[no-any-return]


class X3dHead(nn.Module):
    """conv5, the mean over time and space, a hidden layer of 2048, dropout, and a linear layer."""

    def __init__(self, channels: int, num_classes: int, *, dropout: float) -> None:
        super().__init__()
        inner = int(channels * _BOTTLENECK)
        self.pre_conv, self.pre_norm = nn.Conv3d(channels, inner, 1, bias=False), nn.BatchNorm3d(inner)
        self.post_conv = nn.Conv3d(inner, _HEAD, 1, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.proj = nn.Linear(_HEAD, num_classes)

    def forward(self, x: Float[Tensor, "M C T H W"]) -> Float[Tensor, "M K"]:
        x = self.pre_norm(self.pre_conv(x)).relu().mean((2, 3, 4), keepdim=True)
        return self.proj(self.dropout(self.post_conv(x).relu().flatten(1)))  # type: ignore[no-any-return]


def _stem() -> nn.Sequential:
    """A convolution in space, and one in time for each channel."""
    return nn.Sequential(
        nn.Conv3d(3, _STEM, (1, 3, 3), (1, 2, 2), (0, 1, 1), bias=False),
        nn.Conv3d(_STEM, _STEM, (5, 1, 1), padding=(2, 0, 0), groups=_STEM, bias=False),
        nn.BatchNorm3d(_STEM),
        nn.ReLU(inplace=True),
    )


def _stage(channels: int, out: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(
        *(
            X3dBlock(channels if number == 0 else out, out, stride=2 if number == 0 else 1, excited=number % 2 == 0)
            for number in range(blocks)
        )
    )


def _rounded(width: float, divisor: int = 8) -> int:
    """The nearest multiple of 8, not more than a tenth below."""
    rounded = max(divisor, int(width + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * width else rounded


PUBLISHED = WeightMap(
    {
        ".res_blocks.": ".", ".branch2.": ".", ".branch1_conv.": ".shortcut.0.", ".branch1_norm.": ".shortcut.1.",
        "blocks.0.conv.conv_t.": "trunk.0.0.", "blocks.0.conv.conv_xy.": "trunk.0.1.", "blocks.0.norm.": "trunk.0.2.",
        "blocks.5.pool.": "head.", "blocks.5.proj.": "head.proj.", "blocks.": "trunk.",
    }
)  # fmt: skip
"""From PyTorchVideo's names, whose stem calls its convolution in space conv_t."""

_ZOO = "https://dl.fbaipublicfiles.com/pytorchvideo/model_zoo/kinetics/{}.pyth"


@model(
    VideoClassification,
    variants=[
        Variant(
            "x3d_xs",
            "X3D-XS (Feichtenhofer, 2020): 4 frames of 160 x 160, for processors.",
            {},
            weights={"kinetics": _ZOO.format("X3D_XS")},
        ),
        Variant(
            "x3d_s",
            "X3D-S (Feichtenhofer, 2020): 13 frames of 160 x 160.",
            {},
            defaults={"frames": 13, "stride": 6},
            weights={"kinetics": _ZOO.format("X3D_S")},
        ),
    ],
)
def x3d(
    num_classes: int, *, image_size: int = 160, frames: int = 4, stride: int = 12, dropout: float = 0.5
) -> Model[Any, Any, Any]:
    """X3D (Feichtenhofer, 2020).

    Args:
        image_size: side of the network's input, in pixels.
        frames: of a clip.
        stride: every so many-th frame of a film is taken.
        dropout: probability, of the hidden layer.
    """
    widths = zip((_STEM, *_CHANNELS), _CHANNELS, _BLOCKS, strict=False)
    trunk = nn.Sequential(_stem(), *(_stage(*one) for one in widths))
    head = X3dHead(_CHANNELS[-1], num_classes, dropout=dropout)
    initialize_he(trunk)
    initialize_he(head)
    initialize_output(head.proj)
    for block in trunk.modules():
        if isinstance(block, X3dBlock):  # begins as its shortcut alone
            nn.init.zeros_(block.norm_c.weight)
    return VolumeClassifier(
        trunk,
        head,
        num_classes=num_classes,
        preprocess=Clips(frames, stride, ResizeCrop(image_size, 0.875 if image_size >= 112 else 1.0)),
        mean=_MEAN,
        std=_STD,
        weight_map=PUBLISHED,
    )
