"""Deep watershed transform (Bai and Urtasun, 2017: Deep Watershed Transform for Instance Segmentation)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int32, Int64
from torch import Tensor, nn
from torch.nn import functional

from zorki.contracts.capabilities import Decoding
from zorki.errors import RecipeError
from zorki.losses.log_complement import log_complement
from zorki.nn.heads.map_heads import conv_norm_relu
from zorki.nn.layers.initialize import initialize_he, initialize_output
from zorki.nn.necks.unet_decoder import WIDTHS, UNetBlock
from zorki.ops.class_argmax import class_argmax
from zorki.ops.components import connected_components
from zorki.ops.region_growing import dilate, offsets_from_outside
from zorki.registry import Variant, model
from zorki.tasks.instance_segmentation.networks.numbering import Numbered
from zorki.tasks.instance_segmentation.networks.pixel_grouper import Limits, PixelGrouper, UNetOn
from zorki.tasks.instance_segmentation.task import InstanceSegmentation

BOUNDS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 22, 28, 36, 46)
"""The largest distance to the boundary, in pixels, of each of the 16 energy levels but the last.

Levels are finer near the boundary, as the paper has them (section 3.3); these bounds are ours.
"""
LEVEL_WEIGHTS = (3.0, 3.0, 3.0, 2.0, *[1.0] * (len(BOUNDS) - 3))
"""c_k of section 3.3, which makes low levels dear, where objects are told apart; as in the authors' published code."""
FOREGROUND, DIRECTION, LEVELS = slice(0, 2), slice(2, 4), slice(4, None)
"""Channels of the maps: background and objects; (down, right) away from the boundary; energy levels."""


class EnergyNetwork(nn.Module):
    """From directions to energy levels: the watershed transform network of section 3.3.

    Three times pooled by averages, as in the paper, where it is twice, and enlarged by the steps of a U-Net, where the
    paper adds a skip to bilinear enlarging. Far from boundaries the distance is read from how directions turn over
    many pixels: the third pool is for those.

    Args:
        levels: K.
        widths: channels at each resolution, finest first.
    """

    def __init__(self, levels: int, widths: Sequence[int] = (16, 32, 64, 64)) -> None:
        super().__init__()
        befores = [2, *widths]
        self.down = nn.ModuleList(
            nn.Sequential(*conv_norm_relu(before, width, 3), *conv_norm_relu(width, width, 3))
            for before, width in zip(befores, widths, strict=False)
        )
        self.pool = nn.AvgPool2d(2, ceil_mode=True)
        steps = list(zip(reversed(widths[1:]), reversed(widths[:-1]), strict=True))
        self.up = nn.ModuleList(UNetBlock(deep, skip, skip, upsampling="bilinear") for deep, skip in steps)
        self.output = nn.Conv2d(widths[0], levels, 3, padding=1)
        initialize_he(self.down)
        initialize_output(self.output)

    def forward(self, directions: Float[Tensor, "B 2 H W"]) -> Float[Tensor, "B K H W"]:
        """Logits of energy levels."""
        x, skips = directions, []
        for level, block in enumerate(self.down):
            x = block(self.pool(x) if level else x)
            skips.append(x)
        for block, skip in zip(self.up, reversed(skips[:-1]), strict=True):
            x = block(x, skip)
        return self.output(x)


class DeepWatershed(PixelGrouper):
    """Which way the boundary lies, from that how far it is, and objects as what is left above one energy level.

    The paper trains the direction network, then the energy network on true directions, then both together. Here both
    learn together from the start, each from its own loss. The paper's directions and energies are for the pixels that
    another network finds to be of an object; here that is a third prediction, learned beside them, which gates the
    directions in the same way.

    Pixels above the cut hang together as objects, and get back what the cut took: they grow by the width of the levels
    below it, over foreground alone, and never into one another. A piece of the foreground in which nothing is above the
    cut is an object itself, which the paper gives up.

    Args:
        cut: levels below it are cut off: 1 for small objects, 2 for large ones in the authors' published code.
        min_foreground: how likely a pixel must be of an object.
        direction_weight, energy_weight: of the losses, beside that of the foreground. By default all three begin alike.
    """

    level_weights: Tensor

    def __init__(
        self,
        network: UNetOn,
        *,
        num_classes: int,
        limits: Limits,
        cut: int = 2,
        min_foreground: float = 0.5,
        direction_weight: float = 0.3,
        energy_weight: float = 0.1,
    ) -> None:
        if not 1 <= cut <= len(BOUNDS):
            raise RecipeError(f"cut is {cut}; expected an energy level from 1 to {len(BOUNDS)}, such as 2")
        super().__init__(network, 4, num_classes=num_classes, limits=limits)
        self.cut, self.min_foreground = cut, min_foreground
        self.direction_weight, self.energy_weight = direction_weight, energy_weight
        self.energy = EnergyNetwork(len(BOUNDS) + 1)
        # Vectors that begin near 0 would have all slopes: an angle turns faster the shorter its vector is.
        nn.init.normal_(self.output.weight[DIRECTION], std=self.output.weight[0].numel() ** -0.5)
        self.register_buffer("level_weights", torch.tensor(LEVEL_WEIGHTS), persistent=False)

    def refine(self, own: Float[Tensor, "B C h w"]) -> Float[Tensor, "B D h w"]:
        """Unit directions for the vectors, and energies from the directions of the foreground."""
        directions = functional.normalize(own[:, DIRECTION], dim=1, eps=1e-3)
        gate = own[:, FOREGROUND].softmax(1)[:, 1:].detach()
        return torch.cat([own[:, FOREGROUND], directions, self.energy(directions * gate)], 1)

    def own_loss(self, main: Float[Tensor, "B D H W"], objects: Numbered) -> dict[str, Tensor]:
        """Cross-entropy of the foreground, angular loss of the directions, modified cross-entropy of the energies.

        Pixels weigh by 1 / sqrt(area of their object) in the last two (sections 3.2 and 3.3), and both are means under
        these weights, where the paper has sums.
        """
        device = main.device
        offsets = torch.stack([offsets_from_outside(numbers) for numbers in objects.numbers])
        weights = area_weights(objects.numbers).to(device)
        distances = offsets.norm(dim=1)
        directions = (offsets / distances[:, None].clamp_min(1)).to(device)
        there = torch.where(objects.valid, (objects.numbers > 0).long(), -1).to(device)
        entropy = functional.cross_entropy(main[:, FOREGROUND], there, ignore_index=-1, reduction="sum")
        total = weights.sum().clamp_min(1e-6)
        angles = angle_between(main[:, DIRECTION], directions)
        # Energies of the background weigh nothing: 16 levels of each pixel are worked out for objects alone.
        rows = weights.nonzero(as_tuple=True)
        levels = levels_of(distances).to(device)[rows]
        energies = modified_cross_entropy(main[:, LEVELS].movedim(1, -1)[rows], levels, self.level_weights)
        return {
            "foreground": entropy / (there >= 0).sum().clamp_min(1),
            "direction": self.direction_weight * (angles.square() * weights).sum() / total,
            "energy": self.energy_weight * (energies * weights[rows]).sum() / total,
        }

    def object_logits(self, main: Float[Tensor, "B D H W"]) -> Float[Tensor, "B H W"]:
        background, objects = main[:, FOREGROUND].unbind(1)
        return objects - background

    def grouping(self) -> Decoding:
        numbers = {"cut": self.cut, "min_foreground": self.min_foreground, "bounds": list(BOUNDS)}
        return Decoding("watershed", numbers)

    def group(
        self, main: Float[Tensor, "D height width"], scale: float
    ) -> tuple[Int32[Tensor, "height width"], Float[Tensor, "height width"]]:
        sure = main[FOREGROUND].softmax(0)[1]
        foreground = sure >= self.min_foreground
        above = foreground & (class_argmax(main[LEVELS]) >= self.cut)
        cores = connected_components(above.int())
        numbers = dilate(cores, math.ceil(BOUNDS[self.cut - 1] / scale)).where(foreground, 0)
        # Pieces that no core is in; rims that a core does not reach are nobody's.
        pieces = connected_components(foreground.int())
        owned = torch.zeros(int(pieces.max()) + 1, dtype=torch.bool)
        owned[pieces[above]] = True
        alone = torch.where(owned[pieces], 0, pieces)
        return torch.where(alone > 0, alone + int(cores.max()), numbers), sure


def levels_of(distances: Float[Tensor, "B H W"]) -> Int64[Tensor, "B H W"]:
    """The energy level of each distance to the boundary: level k from above `BOUNDS[k - 1]` up to `BOUNDS[k]`."""
    return torch.bucketize(distances, torch.tensor(BOUNDS, dtype=torch.float32) + 1e-4)


def area_weights(numbers: Int32[Tensor, "B H W"]) -> Float[Tensor, "B H W"]:
    """1 / sqrt(area) of each pixel's object, 0 where none is."""
    weights = torch.zeros(numbers.shape)
    for image, out in zip(numbers, weights, strict=True):
        areas = torch.bincount(image.flatten()).float()
        areas[0] = torch.inf
        out.copy_(areas.rsqrt()[image.long()])
    return weights


def angle_between(a: Float[Tensor, "B 2 H W"], b: Float[Tensor, "B 2 H W"]) -> Float[Tensor, "B H W"]:
    """The angle from one direction to the other, in -pi..pi.

    Its square is that of the arc cosine of their product (eq. 2), whose slope is infinite where they agree.
    """
    across = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    along = (a * b).sum(1)
    return torch.atan2(across, along.where((along != 0) | (across != 0), 1e-6))


def modified_cross_entropy(
    logits: Float[Tensor, "N K"], target_classes: Int64[Tensor, " N"], level_weights: Float[Tensor, " K"]
) -> Float[Tensor, " N"]:
    """- sum over k of c_k (t_k log y_k + (1 - t_k) log(1 - y_k)) at each pixel: section 3.3."""
    hot = functional.one_hot(target_classes, logits.shape[1]).bool()
    terms = torch.where(hot, logits.float().log_softmax(1), log_complement(logits, 1))
    return -(terms * level_weights).sum(1)


@model(
    InstanceSegmentation,
    variants=[
        Variant(
            "deep_watershed_squeezenet",
            "Deep watershed transform (Bai & Urtasun, 2017) on SqueezeNet 1.0.",
            {"backbone": "squeezenet"},
        ),
        Variant(
            "deep_watershed_resnet18",
            "Deep watershed transform (Bai & Urtasun, 2017) on ResNet-18.",
            {"backbone": "resnet18"},
        ),
    ],
    any_backbone="deep_watershed_{backbone}",
)
def deep_watershed_on(
    num_classes: int,
    *,
    backbone: str,
    image_size: int = 256,
    cut: int = 2,
    min_foreground: float = 0.5,
    min_area: int = 16,
    max_objects: int = 500,
    direction_weight: float = 0.3,
    energy_weight: float = 0.1,
    widths: Sequence[int] = WIDTHS,
    upsampling: str = "nearest",
    finest: int = 1,
    autocontrast: bool = False,
    dark_ground: bool = False,
) -> DeepWatershed:
    """Deep watershed transform (Bai & Urtasun, 2017): directions, energy levels, a cut.

    Args:
        backbone: its name, see `zorki.nn.backbones.named`.
        image_size: of the longer side of the images, in pixels; energy levels are in pixels at that size.
        cut: the lowest energy level that is kept, 1 to 15: more parts what touches, and loses what is small.
        min_foreground: how likely a pixel must be of an object.
        min_area: pixels of the original that an object has at least.
        max_objects: of an image; the best ones are kept.
        direction_weight, energy_weight: of the two losses beside that of the foreground.
        widths, upsampling, finest: of the decoder, see `UNetDecoder`.
        autocontrast: each image is stretched from black to white first, see `Letterbox`.
        dark_ground: images most of which is bright are turned to their negatives first, see `Letterbox`.
    """
    return DeepWatershed(
        UNetOn(backbone, image_size, tuple(widths), upsampling, finest, autocontrast, dark_ground),
        num_classes=num_classes,
        limits=Limits(min_area, max_objects),
        cut=cut,
        min_foreground=min_foreground,
        direction_weight=direction_weight,
        energy_weight=energy_weight,
    )
