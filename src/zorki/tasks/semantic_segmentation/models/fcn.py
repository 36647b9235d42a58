"""FCN: a classifier whose layers are all convolutions, read at 32, 16 or 8 pixels (Long, Shelhamer, Darrell, 2015)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from zorki.contracts import TrainingDefaults
from zorki.data.preprocess.letterbox import Letterbox
from zorki.errors import RecipeError
from zorki.introspection.receptive_field import map_grids
from zorki.nn.backbones.alexnet import AlexNetTorchvision
from zorki.nn.backbones.backbone import Backbone, last_maps
from zorki.nn.backbones.named import backbone_weights
from zorki.nn.backbones.vgg import Vgg
from zorki.nn.layers.initialize import initialize_he
from zorki.registry import Variant, model
from zorki.tasks.semantic_segmentation.networks.alignment import AlignedUpsample
from zorki.tasks.semantic_segmentation.networks.backbone_settings import settings_on
from zorki.tasks.semantic_segmentation.networks.segmenter import Segmenter
from zorki.tasks.semantic_segmentation.task import SemanticSegmentation
from zorki.weights.weight_map import WeightMap

COARSEST = 32  # pixels: the stride of the first prediction, in every version
_GENTLE = TrainingDefaults(lr=3e-4, finetune_lr=1e-4)  # sixteen layers and more without a norm

ALEXNET = {"imagenet": "torchvision:AlexNet_Weights.IMAGENET1K_V1"}


class Fcn(Segmenter):
    """Scores at a stride of 32, upsampled and added to the scores of finer maps (section 4, figure 3).

    A layer that scores the backbone's map of stride 16 is added at "16s", and one at stride 8 for "8s". All score
    layers start at 0 (section 4.3), so that a finer version starts as the coarser one, whose weights it takes. What
    upsamples the sums by 2 starts as bilinear interpolation and learns; the last upsampling stays bilinear, as in the
    paper, where a transposed convolution is fixed to it.

    The authors pad the image by 100 pixels, so that fc6, which keeps no edges, has something to read from on small
    images, and crop. Here fc6 pads its own map, and maps are brought to where they are centered, which gives the same
    inside, without the work on the frame. Their constants of 0.01 and 0.0001 on pools 4 and 3 (the version that is
    trained at once) balance the large values that pixels of 0..255 make; ours are normalized, and need none.

    Args:
        backbone: its last map goes to `head`.
        head: what stands between the last map and the scores, with `head_channels` channels, at a stride of 32.
        stride: of the last scores, 32, 16 or 8.
        upsampling: by 2, see `zorki.nn.layers.upsample`.

    Raises:
        RecipeError: the backbone lacks a map, or the upsampling is not known.
    """

    def __init__(
        self,
        backbone: Backbone,
        head: nn.Module,
        *,
        head_channels: int,
        num_classes: int,
        stride: int,
        upsampling: str = "transposed_bilinear",
        settings: dict[str, Any],
    ) -> None:
        super().__init__(num_classes=num_classes, **settings)
        if stride not in (8, 16, COARSEST):
            raise RecipeError(f"FCN predicts at strides of 32, 16 and 8; {stride} is none of them")
        self.backbone = backbone
        self.head = head
        self.score = _score(head_channels, num_classes)
        finer = [one for one in (16, 8) if one >= stride]
        self.taps = [_tap(backbone, one) for one in finer]
        self.skips = nn.ModuleList(_score(backbone.channels[tap], num_classes) for tap in self.taps)
        grids = map_grids(self, self._scores, [COARSEST, *finer])
        self.up = nn.ModuleList(
            AlignedUpsample(upsampling, num_classes, coarse, fine) for coarse, fine in pairwise(grids)
        )
        self.last = AlignedUpsample("bilinear", num_classes, grids[-1])

    def maps(self, pixels: Float[Tensor, "B C H W"]) -> tuple[Tensor, list[Tensor]]:
        scores, *skips = self._scores(pixels)
        for up, skip in zip(self.up, skips, strict=True):
            scores = up(scores, skip.shape[-2:]) + skip
        return self.last(scores, pixels.shape[-2:]), []

    def _scores(self, pixels: Float[Tensor, "B C H W"]) -> list[Tensor]:
        """Those of stride 32, and of the finer maps."""
        features = self.backbone(pixels)
        skips = [score(features[tap]) for score, tap in zip(self.skips, self.taps, strict=True)]
        return [self.score(self.head(features[-1])), *skips]

    def backbone_stages(self) -> list[nn.Module]:
        return self.backbone.stages()


class HiddenLayersAsConvolutions(WeightMap):
    """A classifier's hidden layers as kernels: each row of weights reads a grid of features, channel by channel."""

    def adapt(self, tensors: Mapping[str, Tensor], file: str, model: nn.Module) -> Mapping[str, Tensor]:
        own = dict(model.named_parameters())

        def fitted(name: str, value: Tensor) -> Tensor:
            kernel = own.get(self.rename(name, model))
            if kernel is None or kernel.dim() != 4 or value.dim() != 2 or kernel.numel() != value.numel():
                return value
            return value.reshape(kernel.shape)

        return {name: fitted(name, value) for name, value in tensors.items()}


class HiddenConvolutions(nn.Module):
    """The two hidden layers of AlexNet and VGG, fc6 and fc7, as convolutions: at every place of the map.

    Args:
        channels_in: of the last map.
        kernel: the grid that fc6 reads: 7 in VGG, 6 in AlexNet. Its map is padded by half of it.
        hidden: width of both layers.
        dropout: probability.
        dropout_first: drops what the layers read (torchvision's AlexNet), not their outputs (the papers).
    """

    def __init__(
        self, channels_in: int, kernel: int, hidden: int = 4096, *, dropout: float = 0.5, dropout_first: bool = False
    ) -> None:
        super().__init__()
        self.fc6 = nn.Conv2d(channels_in, hidden, kernel, padding=kernel // 2)
        self.fc7 = nn.Conv2d(hidden, hidden, 1)
        self.dropout = nn.Dropout(dropout)
        self.dropout_first = dropout_first
        initialize_he(self)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D _ _"]:
        for layer in (self.fc6, self.fc7):
            x = functional.relu(layer(self.dropout(x) if self.dropout_first else x))
            x = x if self.dropout_first else self.dropout(x)
        return x


def _score(channels: int, num_classes: int) -> nn.Conv2d:
    layer = nn.Conv2d(channels, num_classes, 1)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer


def _tap(backbone: Backbone, stride: int) -> int:
    """The place of the deepest map of that stride."""
    places = last_maps(backbone)
    if stride not in places:
        strides = ", ".join(map(str, sorted(set(backbone.strides))))
        raise RecipeError(
            f"FCN adds the scores of a map of stride {stride}, but the backbone's strides are {strides}; choose another"
        )
    return places[stride]


_PAPER = "(Long et al., 2015)"


@model(
    SemanticSegmentation,
    variants=[
        Variant(
            f"fcn{stride}s_vgg16",
            f"FCN-{stride}s on VGG-16 {_PAPER}: {reason}.",
            {"stride": stride},
            weights=backbone_weights("vgg16"),
        )
        for stride, reason in (
            (32, "the classifier's hidden layers as convolutions, one coarse prediction"),
            (16, "the scores of pool 4 added"),
            (8, "the scores of pools 4 and 3 added; 134 million parameters"),
        )
    ],
)
def fcn_vgg16(
    num_classes: int,
    *,
    stride: int,
    image_size: int = 512,
    hidden: int = 4096,
    dropout: float = 0.5,
    upsampling: str = "transposed_bilinear",
) -> Fcn:
    """FCN on VGG-16 (Long et al., 2015)."""
    network = Vgg("D", pooled=True)
    settings = settings_on("vgg16", network, Letterbox(image_size, stride=COARSEST), defaults=_GENTLE)
    return Fcn(
        network,
        HiddenConvolutions(network.channels[-1], 7, hidden, dropout=dropout),
        head_channels=hidden,
        num_classes=num_classes,
        stride=stride,
        upsampling=upsampling,
        settings={**settings, "weight_map": HiddenLayersAsConvolutions(_hidden_published(0, 3))},
    )


@model(
    SemanticSegmentation,
    variants=[
        Variant(
            "fcn32s_alexnet",
            "FCN-AlexNet (Long et al., 2015), on torchvision's AlexNet: one prediction at a stride of 32.",
            {"stride": 32},
            weights=ALEXNET,
        ),
        Variant(
            "fcn16s_alexnet",
            "FCN-16s on AlexNet, which the paper has not: the scores of its last convolution added.",
            {"stride": 16},
            weights=ALEXNET,
        ),
    ],
)
def fcn_alexnet(
    num_classes: int,
    *,
    stride: int,
    image_size: int = 512,
    hidden: int = 4096,
    dropout: float = 0.5,
    upsampling: str = "transposed_bilinear",
) -> Fcn:
    """FCN on AlexNet (Long et al., 2015)."""
    network = AlexNetTorchvision()
    # Its pools leave nothing of 32 pixels.
    settings = settings_on("alexnet", network, Letterbox(image_size, stride=2 * COARSEST), defaults=_GENTLE)
    return Fcn(
        network,
        HiddenConvolutions(network.channels[-1], 6, hidden, dropout=dropout, dropout_first=True),
        head_channels=hidden,
        num_classes=num_classes,
        stride=stride,
        upsampling=upsampling,
        settings={**settings, "weight_map": HiddenLayersAsConvolutions(_hidden_published(1, 4))},
    )


def _hidden_published(fc6: int, fc7: int) -> dict[str, str]:
    """Where torchvision's hidden layers stand in an `Fcn`, and those of the classifiers that zorki trains."""
    places = {fc6: "head.fc6.", fc7: "head.fc7."}
    return {f"{before}classifier.{place}.": ours for place, ours in places.items() for before in ("", "head.")}
