"""FC-DenseNet (Jegou et al., 2017: The One Hundred Layers Tiramisu: Fully Convolutional DenseNets)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from zorki.contracts import TrainingDefaults
from zorki.data.preprocess.letterbox import Letterbox
from zorki.nn.layers.initialize import initialize_output
from zorki.nn.layers.upsample import Upsample, pool_with_indices, upsample
from zorki.registry import Variant, model
from zorki.tasks.semantic_segmentation.models.fc_densenet.dense_block import DenseBlock, NormConvolution
from zorki.tasks.semantic_segmentation.networks.segmenter import Segmenter
from zorki.tasks.semantic_segmentation.task import SemanticSegmentation

# Layers of each dense block, the contracting ones, the bottleneck and the expanding ones (Table 2 and section 4.1).
_LAYERS_56 = (4,) * 11
_LAYERS_67 = (5,) * 11
_LAYERS_103 = (4, 5, 7, 10, 12, 15, 12, 10, 7, 5, 4)


class TransitionDown(nn.Module):
    """A layer with a kernel of 1 that keeps the channels, and the maxima of 2x2 pixels (Table 1)."""

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.layer = NormConvolution(channels, channels, 1, dropout)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C _ _"]:
        return self.pool(self.layer(x))


class TransitionUp(Upsample):
    """A transposed convolution of 3x3 with stride 2 (Table 1), cut to the skip's size at the lower right.

    Pooling drops the last line of an odd number of lines, and this makes 2n + 1 of n: so every size fits.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels)
        self.convolution = nn.ConvTranspose2d(channels, channels, 3, stride=2)
        _initialize(self.convolution)

    def forward(
        self,
        x: Float[Tensor, "B C H W"],
        size: Sequence[int] | None = None,
        indices: Int[Tensor, "B D H W"] | None = None,
    ) -> Float[Tensor, "B C _ _"]:
        height, width = (2 * x.shape[2], 2 * x.shape[3]) if size is None else size
        return self.convolution(x)[:, :, :height, :width]


class FcDenseNet(Segmenter):
    """Dense blocks down and up, with the maps of each resolution joined on the way up (figure 1).

    Only what a dense block has added goes up: its input, which the skip brings back, does not (section 3.2). The
    channels are those of the authors' code (github.com/SimJeg/FC-DenseNet), whose README corrects Table 2: from the
    bottleneck on there are 16 more than it says, 896, 1088, 816, ... The authors evaluate with the statistics of the
    batch; here they are running averages, so that an output does not depend on the other images.

    Args:
        layers: of each dense block, 2 * pools + 1 numbers.
        growth: maps that a layer adds.
        first: channels of the first convolution.
        dropout: behind each convolution of the blocks and the transitions down.
        upsampling: "transposed" is the paper's transition up; see `zorki.nn.layers.upsample` for others.
        checkpointing: less memory for more time, see `DenseBlock`.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        layers: tuple[int, ...],
        growth: int,
        size: int,
        first: int = 48,
        dropout: float = 0.2,
        upsampling: str = "transposed",
        checkpointing: bool = False,
    ) -> None:
        pools = len(layers) // 2
        # Section 4.1: RMSprop, rate 1e-3 without momentum, of which momentum of 0.9 makes ten times as much; decay
        # 1e-4, and three crops of 224 pixels a step.
        defaults = TrainingDefaults(optimizer="rmsprop", lr=1e-4, finetune_lr=1e-5, weight_decay=1e-4, batch_size=3)
        super().__init__(num_classes=num_classes, preprocess=Letterbox(size, stride=2**pools), defaults=defaults)
        self.first = nn.Conv2d(3, first, 3, padding=1)
        self.pools = pools
        self.down, self.transitions_down = nn.ModuleList(), nn.ModuleList()
        channels, skips = first, []
        for count in layers[:pools]:
            self.down.append(DenseBlock(channels, count, growth, dropout=dropout, checkpointing=checkpointing))
            channels += count * growth
            skips.append(channels)
            self.transitions_down.append(TransitionDown(channels, dropout))
        self.bottleneck = DenseBlock(channels, layers[pools], growth, dropout=dropout, checkpointing=checkpointing)
        new = self.bottleneck.channels
        self.transitions_up, self.up = nn.ModuleList(), nn.ModuleList()
        for count, skip in zip(layers[pools + 1 :], reversed(skips), strict=True):
            wide = skip if upsampling == "unpool" else new
            way = TransitionUp(new) if upsampling == "transposed" else upsample(upsampling, new, wide)
            self.transitions_up.append(way)
            block = DenseBlock(wide + skip, count, growth, dropout=dropout, checkpointing=checkpointing)
            self.up.append(block)
            new = block.channels
            channels = wide + skip + new
        self.output = nn.Conv2d(channels, num_classes, 1)
        for part in (self.first, self.down, self.transitions_down, self.bottleneck, self.up):
            _initialize(part)
        initialize_output(self.output)

    def maps(self, pixels: Float[Tensor, "B C H W"]) -> tuple[Tensor, list[Tensor]]:
        x = self.first(pixels)
        skips: list[Tensor] = []
        places: list[Tensor | None] = []
        for block, transition in zip(self.down, self.transitions_down, strict=True):
            x = torch.cat([x, block(x)], 1)
            skips.append(x)
            if getattr(self.transitions_up[0], "needs_indices", False):
                x, where = pool_with_indices(transition.layer(x))  # type: ignore[operator]
                places.append(where)
            else:
                x = transition(x)
                places.append(None)
        new = self.bottleneck(x)
        for up, block, skip, indices in zip(
            self.transitions_up, self.up, reversed(skips), reversed(places), strict=True
        ):
            x = torch.cat([up(new, skip.shape[2:], indices), skip], 1)
            new = block(x)
        return self.output(torch.cat([x, new], 1)), []

    def backbone_stages(self) -> list[nn.Module]:
        """The first convolution, the contracting blocks with their transitions, and the bottleneck."""
        down = [nn.ModuleList(pair) for pair in zip(self.down, self.transitions_down, strict=True)]
        return [self.first, *down, self.bottleneck]


def _initialize(network: nn.Module) -> None:
    """HeUniform (section 4.1), biases 0."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)


@model(
    SemanticSegmentation,
    variants=[
        Variant(
            f"fc_densenet{depth}",
            f"FC-DenseNet{depth} (Jegou et al., 2017): blocks of {count} layers that add {growth} maps each.",
            {"layers": layers, "growth": growth},
            weights={},
        )
        for depth, count, layers, growth in (
            (56, "4", _LAYERS_56, 12),
            (67, "5", _LAYERS_67, 16),
            (103, "4 to 15", _LAYERS_103, 16),
        )
    ],
)
def fc_densenet(
    num_classes: int,
    *,
    layers: tuple[int, ...],
    growth: int,
    image_size: int = 256,
    dropout: float = 0.2,
    upsampling: str = "transposed",
    checkpointing: bool = False,
) -> FcDenseNet:
    """FC-DenseNet (Jegou et al., 2017).

    Args:
        layers: of each block.
        growth: maps that a layer adds.
        image_size: of the longer side of the images, in pixels.
        dropout: behind each convolution of the blocks.
        upsampling: transposed (the paper's), transposed_bilinear, bilinear, nearest, pixel_shuffle or unpool.
        checkpointing: about a third of the memory in training, for one more forward pass.
    """
    return FcDenseNet(
        num_classes=num_classes,
        layers=layers,
        growth=growth,
        size=image_size,
        dropout=dropout,
        upsampling=upsampling,
        checkpointing=checkpointing,
    )
