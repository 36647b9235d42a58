"""U-Net on any backbone: same padding, batch norms, and a published network as the contracting path.

After Ronneberger et al. (2015); with the structure that segmentation_models.pytorch made usual (Iakubovskii, 2019).
"""

from __future__ import annotations

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from zorki.data.preprocess.letterbox import Letterbox
from zorki.nn.backbones.backbone import Backbone
from zorki.nn.backbones.named import backbone as backbone_named
from zorki.nn.backbones.named import backbone_published, backbone_statistics
from zorki.nn.layers.initialize import initialize_output
from zorki.nn.necks.unet import halving, unet_maps
from zorki.nn.necks.unet_decoder import UNetDecoder
from zorki.registry import Variant, model
from zorki.tasks.semantic_segmentation.networks.segmenter import Segmenter
from zorki.tasks.semantic_segmentation.task import SemanticSegmentation
from zorki.weights.weight_map import WeightMap


class BackboneUNet(Segmenter):
    """A backbone, `UNetDecoder` over its maps, and a 3x3 convolution to classes.

    Inputs whose sides are no multiples of the deepest stride are continued by zeros, which after normalization is the
    mean color, and the output is cut back.

    Args:
        backbone: SqueezeNet's first convolution gets a padding, so that its maps lie on the image and halve exactly.
        decoder: options of `UNetDecoder`.
        settings: of `Segmenter`.
    """

    def __init__(
        self, backbone: Backbone, *, num_classes: int, decoder: dict[str, Any], settings: dict[str, Any]
    ) -> None:
        super().__init__(num_classes=num_classes, **settings)
        self.backbone = halving(backbone)
        self.decoder = UNetDecoder(backbone, **decoder)
        self.output = nn.Conv2d(self.decoder.channels, num_classes, 3, padding=1)
        initialize_output(self.output)

    def maps(self, pixels: Float[Tensor, "B C H W"]) -> tuple[Tensor, list[Tensor]]:
        return unet_maps(pixels, self.backbone, self.decoder, self.output), []

    def backbone_stages(self) -> list[nn.Module]:
        return self.backbone.stages()


@model(
    SemanticSegmentation,
    variants=[
        Variant("unet_resnet18", "U-Net (after Ronneberger et al., 2015) on ResNet-18.", {"backbone": "resnet18"}),
        Variant("unet_resnet34", "U-Net (after Ronneberger et al., 2015) on ResNet-34.", {"backbone": "resnet34"}),
        Variant(
            "unet_squeezenet", "U-Net (after Ronneberger et al., 2015) on SqueezeNet 1.0.", {"backbone": "squeezenet"}
        ),
        Variant(
            "unet_mobilenet_v3_large",
            "U-Net (after Ronneberger et al., 2015) on MobileNetV3 large.",
            {"backbone": "mobilenet_v3_large"},
        ),
    ],
    any_backbone="unet_{backbone}",
)
def unet_on_backbone(
    num_classes: int,
    *,
    backbone: str,
    image_size: int = 256,
    widths: tuple[int, ...] = (256, 128, 64, 32, 16),
    upsampling: str = "nearest",
    finest: int = 1,
) -> BackboneUNet:
    """U-Net (after Ronneberger et al., 2015) with same padding.

    Args:
        backbone: its name, see `zorki.nn.backbones.named`.
        image_size: of the longer side of the images, in pixels.
        widths: channels of the decoder's steps.
        upsampling: nearest, bilinear, transposed, transposed_bilinear, pixel_shuffle or unpool.
        finest: the stride at which the decoder ends; from 2 or 4 the output is enlarged bilinearly, which is faster.
    """
    mean, std = backbone_statistics(backbone)
    network = backbone_named(backbone)
    return BackboneUNet(
        network,
        num_classes=num_classes,
        decoder={"widths": widths, "upsampling": upsampling, "finest": finest},
        settings={
            "preprocess": Letterbox(image_size, stride=network.strides[-1]),
            "mean": mean,
            "std": std,
            "weight_map": WeightMap(backbone_published(backbone)),
        },
    )
