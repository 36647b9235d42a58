"""U-Net with borders: where objects touch, their rims are a class of their own, and what is inside them are seeds.

The idea by which the Data Science Bowl 2018 was won (Caicedo et al., 2019: Nucleus segmentation across imaging
experiments; the winners' network predicts bodies and contacts), on the U-Net of Ronneberger et al. (2015). Without
borders it is the plain U-Net, whose objects are the connected components of the foreground.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, Int32, Int64
from torch import Tensor, nn
from torch.nn import functional

from zorki.contracts.capabilities import Decoding
from zorki.errors import RecipeError
from zorki.losses.pixels import PixelLoss
from zorki.nn.necks.unet_decoder import WIDTHS
from zorki.ops.border_weights import border_weights
from zorki.ops.components import connected_components
from zorki.ops.region_growing import flood, without_small
from zorki.registry import Variant, model
from zorki.tasks.instance_segmentation.networks.numbering import Numbered
from zorki.tasks.instance_segmentation.networks.pixel_grouper import GroupingMaps, Limits, PixelGrouper, UNetOn
from zorki.tasks.instance_segmentation.task import InstanceSegmentation
from zorki.types import Instances

IGNORE = 255


class BorderUNet(PixelGrouper):
    """Background, interior and border for every pixel; seeds from interiors, grown by a watershed.

    `border_classes` says what a border is. Of the prediction, pieces of the interior are seeds, and the foreground,
    interior and border together, goes to the seed that reaches it first (`flood`). A band of equal width was taken from
    both sides of a contact, so meeting halfway gives each side its own back. A piece of the foreground without a seed
    is an object itself: small ones are all border.

    The criterion can be any `PixelLoss`, and the gaps between objects can weigh more (Ronneberger et al., 2015, eq. 2).

    Args:
        border: in pixels of the network; 0: two classes, and no seeds.
        contour: the border is all along the contour, not only at contacts.
        border_share: weight of border pixels in the cross-entropy; None: 5 at contacts, where they are few, and 2 along
            contours.
        min_foreground, min_interior: how likely a pixel must be.
        min_seed: seeds of less pixels of the original are none.
    """

    def __init__(
        self,
        network: UNetOn,
        *,
        num_classes: int,
        limits: Limits,
        border: int = 2,
        contour: bool = False,
        border_share: float | None = None,
        min_foreground: float = 0.5,
        min_interior: float = 0.5,
        min_seed: int = 4,
    ) -> None:
        if border_share is None:
            border_share = 2.0 if contour else 5.0
        if border < 0 or border_share <= 0:
            raise RecipeError(f"border is {border}, its share {border_share}; expected 0 at least, and above 0")
        super().__init__(network, 3 if border else 2, num_classes=num_classes, limits=limits)
        self.border, self.contour = border, contour
        self.min_foreground, self.min_interior, self.min_seed = min_foreground, min_interior, min_seed
        shares = torch.tensor([1.0, 1.0, border_share]) if border else None
        self.criterion = PixelLoss({"ce": 1.0}, ignore=IGNORE, class_weights=shares)
        self.gap_weight = 0.0

    def replace_criterion(self, change: Callable[[nn.Module], nn.Module]) -> None:
        changed = change(self.criterion)
        assert isinstance(changed, PixelLoss)
        self.criterion = changed

    def weigh_borders(self, weight: float) -> None:
        if weight and not self.criterion.weighs_pixels:
            raise RecipeError(f"border_weight weighs pixels, but the loss {self.criterion} compares regions; add ce")
        self.gap_weight = weight

    def own_loss(self, main: Float[Tensor, "B D H W"], objects: Numbered) -> dict[str, Tensor]:
        """The criterion on the three classes, or two."""
        target_classes = border_classes(objects.numbers, self.border, contour=self.contour)
        target_classes = target_classes.masked_fill(~objects.valid, IGNORE)
        weights = None
        if self.gap_weight:
            every = [border_weights(numbers, weight=self.gap_weight) for numbers in objects.numbers]
            weights = torch.stack(every).to(main.device)
        losses: dict[str, Tensor] = self.criterion(main, target_classes.to(main.device), weights)
        return losses

    @torch.no_grad()
    def expected_losses(self, outputs: GroupingMaps, targets: Sequence[Instances]) -> dict[str, float]:
        """All losses where every class is equally likely at every pixel."""
        alike = replace(outputs, main=torch.zeros_like(outputs.main), classes=torch.zeros_like(outputs.classes))
        return {name: float(loss) for name, loss in self.loss(alike, targets).items()}

    def grouping(self) -> Decoding:
        if not self.border:
            return Decoding("components", {"min_foreground": self.min_foreground})
        names = ("min_foreground", "min_interior", "min_seed")
        values = (self.min_foreground, self.min_interior, self.min_seed)
        return Decoding("border", dict(zip(names, values, strict=True)))

    def group(
        self, main: Float[Tensor, "D height width"], scale: float
    ) -> tuple[Int32[Tensor, "height width"], Float[Tensor, "height width"]]:
        likely = main.softmax(0)
        sure = 1 - likely[0]
        foreground = sure >= self.min_foreground
        if not self.border:
            return connected_components(foreground.int()), sure
        inside = foreground & (likely[1] >= self.min_interior)
        seeds = without_small(connected_components(inside.int()), self.min_seed)
        numbers = flood(seeds, foreground)
        alone = connected_components((foreground & (numbers == 0)).int())
        return torch.where(alone > 0, alone + int(seeds.max()), numbers), sure


def border_classes(numbers: Int32[Tensor, "B H W"], border: int, *, contour: bool = False) -> Int64[Tensor, "B H W"]:
    """0 where no object is, 1 inside of objects, 2 on their borders.

    A pixel of an object is border where a pixel of another object is no more than `border` rows and no more than
    `border` columns away; a gap of background may lie between. With `contour`, also where background is that near. The
    edge of the image is no border.
    """
    classes = (numbers > 0).long()
    if not border:
        return classes
    # The largest and the smallest number around differ from a pixel's own where another object is near.
    window, levels = 2 * border + 1, numbers[:, None].float()
    most = functional.max_pool2d(levels, window, 1, border)
    far = levels.max() + 1
    least = -functional.max_pool2d(-(levels if contour else levels.where(levels > 0, far)), window, 1, border)
    near = ((most != levels) | (least != levels))[:, 0]
    return torch.where(near & (numbers > 0), 2, classes)


@model(
    InstanceSegmentation,
    variants=[
        Variant(
            "border_unet_squeezenet",
            "U-Net with borders between objects (after the Data Science Bowl 2018) on SqueezeNet 1.0.",
            {"backbone": "squeezenet"},
        ),
        Variant(
            "border_unet_resnet18",
            "U-Net with borders between objects (after the Data Science Bowl 2018) on ResNet-18.",
            {"backbone": "resnet18"},
        ),
    ],
    any_backbone="border_unet_{backbone}",
)
def border_unet_on(
    num_classes: int,
    *,
    backbone: str,
    image_size: int = 256,
    border: int = 2,
    contour: bool = False,
    border_share: float | None = None,
    min_foreground: float = 0.5,
    min_interior: float = 0.5,
    min_seed: int = 4,
    min_area: int = 16,
    max_objects: int = 500,
    widths: Sequence[int] = WIDTHS,
    upsampling: str = "nearest",
    finest: int = 1,
    autocontrast: bool = False,
    dark_ground: bool = False,
) -> BorderUNet:
    """U-Net with borders between objects (after the Data Science Bowl 2018), seeds and watershed.

    Args:
        backbone: its name, see `zorki.nn.backbones.named`.
        image_size: of the longer side of the images, in pixels.
        border: width of borders on either side of a contact, in pixels at that size.
        contour: borders along whole contours.
        border_share: weight of border pixels in the cross-entropy; None: 5, or 2 with `contour`.
        min_foreground, min_interior: how likely a pixel must be of an object, and of its inside.
        min_seed, min_area: pixels of the original that a seed and an object have at least.
        max_objects: of an image; the best ones are kept.
        widths, upsampling, finest: of the decoder, see `UNetDecoder`.
        autocontrast: each image is stretched from black to white first, see `Letterbox`.
        dark_ground: images most of which is bright are turned to their negatives first, see `Letterbox`.
    """
    return BorderUNet(
        UNetOn(backbone, image_size, tuple(widths), upsampling, finest, autocontrast, dark_ground),
        num_classes=num_classes,
        limits=Limits(min_area, max_objects),
        border=border,
        contour=contour,
        border_share=border_share,
        min_foreground=min_foreground,
        min_interior=min_interior,
        min_seed=min_seed,
    )


@model(
    InstanceSegmentation,
    variants=[
        Variant(
            "plain_unet_squeezenet",
            "U-Net (after Ronneberger et al., 2015) on SqueezeNet 1.0, cut into connected components: a baseline.",
            {"backbone": "squeezenet"},
        ),
        Variant(
            "plain_unet_resnet18",
            "U-Net (after Ronneberger et al., 2015) on ResNet-18, cut into connected components: a baseline.",
            {"backbone": "resnet18"},
        ),
    ],
    any_backbone="plain_unet_{backbone}",
)
def plain_unet_on(
    num_classes: int,
    *,
    backbone: str,
    image_size: int = 256,
    min_foreground: float = 0.5,
    min_area: int = 16,
    max_objects: int = 500,
    widths: Sequence[int] = WIDTHS,
    upsampling: str = "nearest",
    finest: int = 1,
    autocontrast: bool = False,
    dark_ground: bool = False,
) -> BorderUNet:
    """U-Net (after Ronneberger et al., 2015) of objects and background, cut into connected components: a baseline.

    Args:
        backbone: its name, see `zorki.nn.backbones.named`.
        image_size: of the longer side of the images, in pixels.
        min_foreground: how likely a pixel must be of an object.
        min_area: pixels of the original that an object has at least.
        max_objects: of an image; the best ones are kept.
        widths, upsampling, finest: of the decoder, see `UNetDecoder`.
        autocontrast: each image is stretched from black to white first, see `Letterbox`.
        dark_ground: images most of which is bright are turned to their negatives first, see `Letterbox`.
    """
    return BorderUNet(
        UNetOn(backbone, image_size, tuple(widths), upsampling, finest, autocontrast, dark_ground),
        num_classes=num_classes,
        limits=Limits(min_area, max_objects),
        border=0,
        min_foreground=min_foreground,
    )
