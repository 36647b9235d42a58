"""FCN on any backbone: what its last map scores, and finer ones (Long, Shelhamer, Darrell, 2015)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from zorki.data.preprocess.letterbox import Letterbox
from zorki.errors import RecipeError
from zorki.nn.backbones.named import backbone as backbone_named
from zorki.nn.layers.initialize import initialize_he
from zorki.registry import Variant, model
from zorki.tasks.semantic_segmentation.models.fcn import COARSEST, Fcn
from zorki.tasks.semantic_segmentation.networks.backbone_settings import settings_on
from zorki.tasks.semantic_segmentation.task import SemanticSegmentation


class Coarsening(nn.Module):
    """For backbones without hidden layers: down to a stride of 32, where they are finer, and dropout.

    A last map of stride 32 is scored as it is, as in the paper's FCN-GoogLeNet. A finer one is pooled by two, as
    often as it takes, and convolved, so that what 16s adds is more than what 32s has averaged.
    """

    def __init__(self, channels_in: int, stride: int, *, dropout: float = 0.5) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        while stride < COARSEST:
            layers += [nn.MaxPool2d(2, ceil_mode=True), nn.Conv2d(channels_in, channels_in, 3, padding=1), nn.ReLU()]
            stride *= 2
        self.coarsen = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        initialize_he(self)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C _ _"]:
        return self.dropout(self.coarsen(x))


@model(
    SemanticSegmentation,
    variants=[
        Variant(
            "fcn32s_squeezenet",
            "FCN-32s (Long et al., 2015) on SqueezeNet 1.0, pooled once more.",
            {"backbone": "squeezenet", "stride": 32},
        ),
        Variant(
            "fcn16s_squeezenet",
            "FCN-16s (Long et al., 2015) on SqueezeNet 1.0: the scores of its last map added.",
            {"backbone": "squeezenet", "stride": 16},
        ),
        Variant(
            "fcn8s_squeezenet",
            "FCN-8s (Long et al., 2015) on SqueezeNet 1.0: the scores of its maps of stride 16 and 8 added.",
            {"backbone": "squeezenet", "stride": 8},
        ),
    ],
    any_backbone=[
        Variant(f"fcn{stride}s_{{backbone}}", f"FCN-{stride}s (Long et al., 2015).", {"stride": stride})
        for stride in (32, 16, 8)
    ],
)
def fcn(
    num_classes: int,
    *,
    backbone: str,
    stride: int = 8,
    image_size: int = 256,
    dropout: float = 0.1,
    upsampling: str = "transposed_bilinear",
) -> Fcn:
    """FCN (Long et al., 2015), scores of the last map and finer ones.

    Args:
        backbone: see `zorki.nn.backbones.named`.
        stride: 32, 16 or 8: what the paper calls 32s, 16s, 8s.
        image_size: of the longer side of the images, in pixels.
        dropout: before the coarsest scores.
        upsampling: by 2, see `zorki.nn.layers.upsample`; not "unpool".
    """
    network = backbone_named(backbone)
    if network.strides[-1] > COARSEST:
        raise RecipeError(f"FCN starts at a stride of 32, but {backbone} ends at {network.strides[-1]}; choose another")
    return Fcn(
        network,
        Coarsening(network.channels[-1], network.strides[-1], dropout=dropout),
        head_channels=network.channels[-1],
        num_classes=num_classes,
        stride=stride,
        upsampling=upsampling,
        settings=settings_on(backbone, network, Letterbox(image_size, stride=COARSEST)),
    )
