"""Deep coloring (Kulikov, Yurchenko and Lempitsky, 2018: Instance Segmentation by Deep Coloring)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int32, Int64
from torch import Tensor

from zorki.contracts.capabilities import Decoding
from zorki.errors import RecipeError
from zorki.losses.log_complement import log_complement
from zorki.nn.necks.unet_decoder import WIDTHS
from zorki.ops.components import connected_components
from zorki.registry import Variant, model
from zorki.tasks.instance_segmentation.networks.numbering import Numbered
from zorki.tasks.instance_segmentation.networks.pixel_grouper import Limits, PixelGrouper, UNetOn
from zorki.tasks.instance_segmentation.task import InstanceSegmentation


@dataclass(frozen=True)
class Regions:
    """The pixels of N objects of a batch and those of their halos, object by object.

    Args:
        inside_owner, halo_owner: of each pixel the object it is listed for; a halo's pixel may be in several.
        inside_place, halo_place: its place among all pixels of the batch.
        count: N.
    """

    inside_owner: Int64[Tensor, " P"]
    inside_place: Int64[Tensor, " P"]
    halo_owner: Int64[Tensor, " Q"]
    halo_place: Int64[Tensor, " Q"]
    count: int

    def to(self, device: torch.device) -> Regions:
        return Regions(
            self.inside_owner.to(device),
            self.inside_place.to(device),
            self.halo_owner.to(device),
            self.halo_place.to(device),
            self.count,
        )


class DeepColoring(PixelGrouper):
    """Colors for pixels; an object is a connected piece of one color.

    Which object has which color nobody says: at every step each takes the one that suits it best (`choose_colors`),
    and the network learns that. Neighbors part because a halo around each object must not have its color.

    Args:
        colors: C, the background, color 0, included.
        margin: m of the halo, in pixels of the network.
        halo_weight: mu.
    """

    def __init__(
        self,
        network: UNetOn,
        *,
        num_classes: int,
        limits: Limits,
        colors: int = 10,
        margin: int = 8,
        halo_weight: float = 1.0,
    ) -> None:
        if colors < 2 or margin < 1 or halo_weight < 0:
            raise RecipeError(
                f"{colors} colors, a margin of {margin} and a halo_weight of {halo_weight} were asked for; expected "
                "2, 1 and 0 at least, such as 10, 8 and 1"
            )
        super().__init__(network, colors, num_classes=num_classes, limits=limits)
        self.halo_margin, self.halo_weight = margin, halo_weight

    def own_loss(self, main: Float[Tensor, "B D H W"], objects: Numbered) -> dict[str, Tensor]:
        """See `coloring_loss`."""
        regions = regions_of(objects.numbers, objects.valid, self.halo_margin)
        ground = ((objects.numbers == 0) & objects.valid).to(main.device)
        return coloring_loss(main, regions.to(main.device), ground, self.halo_weight)

    def grouping(self) -> Decoding:
        return Decoding("coloring")

    def group(
        self, main: Float[Tensor, "D height width"], scale: float
    ) -> tuple[Int32[Tensor, "height width"], Float[Tensor, "height width"]]:
        likely, colors = main.softmax(0).max(0)
        return connected_components(colors, ignore=-1), likely


def regions_of(numbers: Int32[Tensor, "B H W"], valid: Bool[Tensor, "B H W"], margin: int) -> Regions:
    """Objects and halos: dilate(M, m) less M, by a square of 2m + 1 pixels, without what is ignored.

    Objects are cut out with their margins, so that one costs what it is large, not what the image is.
    """
    from scipy import ndimage

    batch, height, width = numbers.shape
    place = np.arange(batch * height * width).reshape(batch, height, width)
    inside: list[np.ndarray] = []
    halos: list[np.ndarray] = []
    for values, is_valid, places in zip(numbers.numpy(), valid.numpy(), place, strict=True):
        for number, box in enumerate(ndimage.find_objects(values), start=1):
            if box is None:
                continue
            window = tuple(slice(max(0, side.start - margin), side.stop + margin) for side in box)
            own = values[window] == number
            around = ndimage.maximum_filter(own.view(np.uint8), 2 * margin + 1, mode="constant") > 0
            inside.append(places[window][own])
            halos.append(places[window][around & ~own & is_valid[window]])
    return Regions(*_listed(inside), *_listed(halos), len(inside))


def _listed(parts: list[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Owners and places of the pixels of all objects."""
    if not parts:
        return torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64)
    owner = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    return torch.from_numpy(owner), torch.from_numpy(np.concatenate(parts))


def choose_colors(inside: Float[Tensor, "N C"], halo: Float[Tensor, "N C"], halo_weight: float) -> Int64[Tensor, " N"]:
    """c_k = argmax over c >= 1 of mean over M_k of log y_c + mu * mean over the halo of log(1 - y_c).

    Args:
        inside, halo: the two means.
        halo_weight: mu.
    """
    return (inside + halo_weight * halo)[:, 1:].argmax(1) + 1


def coloring_loss(
    logits: Float[Tensor, "B C H W"], regions: Regions, ground: Bool[Tensor, "B H W"], halo_weight: float
) -> dict[str, Tensor]:
    """The loss under the colors that suit the objects best now.

    `background`: the mean of -log y_0 over the background. `objects`: the mean over objects of the mean of -log y over
    its pixels, for its color, so that small objects count as large ones. `halo`: mu times the mean over objects of
    the mean of -log(1 - y) over its halo. The authors' published code uses the halo only to choose colors; here, as
    in the formula of the choice, it is also learned.
    """
    channels = logits.shape[1]
    rows = logits.float().movedim(1, -1).reshape(-1, channels)
    logs = rows.log_softmax(1)
    outside = ground.flatten()
    nothing = rows.sum() * 0
    losses = {"background": -logs[:, 0][outside].mean() if bool(outside.any()) else nothing}
    if not regions.count:
        return {**losses, "objects": nothing, "halo": nothing}
    own = logs[regions.inside_place]
    other = log_complement(rows[regions.halo_place], 1)
    with torch.no_grad():
        means = (
            _means(own, regions.inside_owner, regions.count),
            _means(other, regions.halo_owner, regions.count),
        )
        colors = choose_colors(*means, halo_weight)
    taken = own.gather(1, colors[regions.inside_owner][:, None])
    avoided = other.gather(1, colors[regions.halo_owner][:, None])
    losses["objects"] = -_means(taken, regions.inside_owner, regions.count).mean()
    losses["halo"] = -halo_weight * _means(avoided, regions.halo_owner, regions.count).mean()
    return losses


def _means(values: Float[Tensor, "P C"], owner: Int64[Tensor, " P"], count: int) -> Float[Tensor, "N C"]:
    """The mean over the pixels of each object; 0 where there are none."""
    sums = values.new_zeros((count, values.shape[1])).index_add(0, owner, values)
    return sums / torch.bincount(owner, minlength=count).clamp_min(1)[:, None]


@model(
    InstanceSegmentation,
    variants=[
        Variant(
            "deep_coloring_squeezenet",
            "Deep coloring (Kulikov et al., 2018) on SqueezeNet 1.0.",
            {"backbone": "squeezenet"},
        ),
        Variant(
            "deep_coloring_resnet18", "Deep coloring (Kulikov et al., 2018) on ResNet-18.", {"backbone": "resnet18"}
        ),
    ],
    any_backbone="deep_coloring_{backbone}",
)
def deep_coloring_on(
    num_classes: int,
    *,
    backbone: str,
    image_size: int = 256,
    colors: int = 10,
    margin: int = 8,
    halo_weight: float = 1.0,
    min_area: int = 16,
    max_objects: int = 500,
    widths: Sequence[int] = WIDTHS,
    upsampling: str = "nearest",
    finest: int = 1,
    autocontrast: bool = False,
    dark_ground: bool = False,
) -> DeepColoring:
    """Deep coloring (Kulikov et al., 2018): objects take colors of their own choice, and differ from neighbors.

    Args:
        backbone: its name, see `zorki.nn.backbones.named`.
        image_size: of the longer side of the images, in pixels.
        colors: with the background's.
        margin: how far, in pixels at that size, an object's color is kept from what is around it.
        halo_weight: mu, how much that counts.
        min_area: pixels of the original that an object has at least; smaller pieces of a color are dropped.
        max_objects: of an image; the best ones are kept.
        widths, upsampling, finest: of the decoder, see `UNetDecoder`.
        autocontrast: each image is stretched from black to white first, see `Letterbox`.
        dark_ground: images most of which is bright are turned to their negatives first, see `Letterbox`.
    """
    return DeepColoring(
        UNetOn(backbone, image_size, tuple(widths), upsampling, finest, autocontrast, dark_ground),
        num_classes=num_classes,
        limits=Limits(min_area, max_objects),
        colors=colors,
        margin=margin,
        halo_weight=halo_weight,
    )
