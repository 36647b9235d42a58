"""The shape that every segmenter has: pixels, normalization, maps of classes, and the best class of every pixel."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float, Int64, Num, UInt8
from torch import Tensor, nn
from torch.nn import functional

from zorki.contracts import Model, Preprocess, TrainingDefaults
from zorki.contracts.capabilities import Decoding, ExportGraph, Focus, PixelStatistics
from zorki.errors import RecipeError
from zorki.losses.pixels import PixelLoss
from zorki.nn.layers.normalize import IMAGENET_MEAN, IMAGENET_STD, Normalize
from zorki.ops.class_argmax import class_argmax
from zorki.tasks.semantic_segmentation.networks.class_maps import ClassMaps
from zorki.tasks.semantic_segmentation.networks.class_stitcher import ClassStitcher
from zorki.tiles import Tiles
from zorki.types import Mask, Placement
from zorki.weights.weight_map import WeightMap

SEGMENTER_DEFAULTS = TrainingDefaults(optimizer="adamw", lr=1e-3, finetune_lr=1e-3, weight_decay=1e-4, batch_size=8)
"""What suits most segmenters where the user said nothing."""


class Segmenter(Model[ClassMaps, Mask, Mask]):
    """Maps of classes for pixels.

    A method gives `maps`, at whatever resolution it works, and `stages`; what is coarser than the input is brought to
    its size here, bilinearly.

    Args:
        num_classes: K.
        preprocess: from images of any size to the batch.
        mean, std: of the input in units of 0..1, as the published weights want them.
        auxiliary_weight: of the loss of each auxiliary map.
        weight_map: from published weights to ours.
        defaults: training settings that suit this network, beside `SEGMENTER_DEFAULTS`.
    """

    margin = 0
    normalize: Normalize

    def __init__(
        self,
        *,
        num_classes: int,
        preprocess: Preprocess,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        auxiliary_weight: float = 0.4,
        weight_map: WeightMap = WeightMap(),
        defaults: TrainingDefaults = TrainingDefaults(),
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.preprocess = preprocess
        self.normalize = Normalize(3, mean, std)
        self.auxiliary_weight = auxiliary_weight
        self.criterion: nn.Module = PixelLoss()
        self.weight_map = weight_map
        self.defaults = SEGMENTER_DEFAULTS | defaults

    @abstractmethod
    def maps(self, pixels: Float[Tensor, "B C H W"]) -> tuple[Tensor, list[Tensor]]:
        """Logits (B, K, h, w) of normalized pixels, and those of auxiliary heads, which only training reads.

        (h, w) may be the input's size or coarser.
        """

    def forward(self, inputs: Num[Tensor, "B C H W"]) -> ClassMaps:
        """Logits for uint8 images (or floats of 0..255), at the input's size."""
        size = inputs.shape[-2:]
        main, auxiliary = self.maps(self.normalize(inputs))
        sides = [enlarge(logits, size) for logits in auxiliary] if self.training else []
        return ClassMaps(enlarge(main, size), sides)

    def loss(self, outputs: ClassMaps, targets: Sequence[Mask]) -> dict[str, Tensor]:
        """The terms of `criterion` on the main map, and the weighted sum of the auxiliary ones."""
        device = outputs.main.device
        ignore = self.criterion.ignore if isinstance(self.criterion, PixelLoss) else 255
        expected = torch.stack([_marked(target, ignore) for target in targets]).to(device, non_blocking=True)
        weights = None
        if any(target.weights is not None for target in targets):
            weight_maps = [
                torch.ones(target.classes.shape) if target.weights is None else target.weights for target in targets
            ]
            weights = torch.stack(weight_maps).to(device, non_blocking=True)
        losses: dict[str, Tensor] = dict(self.criterion(outputs.main, expected, weights))
        if outputs.auxiliary:
            sides = [sum(self.criterion(logits, expected, weights).values()) for logits in outputs.auxiliary]
            losses["auxiliary"] = self.auxiliary_weight * torch.stack(sides).sum()  # type: ignore[arg-type]
        return losses

    @torch.no_grad()
    def probabilities(self, outputs: ClassMaps, placements: Sequence[Placement]) -> list[Float[Tensor, "K _ _"]]:
        """How likely each class is at every pixel of the original images; on the outputs' device."""
        return [
            restore_maps(maps, placement).softmax(0) for maps, placement in zip(outputs.main, placements, strict=True)
        ]

    @torch.no_grad()
    def decode(self, outputs: ClassMaps, placements: Sequence[Placement]) -> list[Mask]:
        """The best class of every pixel of the original images, on the CPU."""
        return [
            Mask(class_argmax(restore_maps(maps, placement)).to("cpu"))
            for maps, placement in zip(outputs.main, placements, strict=True)
        ]

    def stitcher(self, tiles: Tiles) -> ClassStitcher:
        return ClassStitcher(self.probabilities, self.num_classes, tiles)

    focus_unit = "mean logit"

    def complete_focus(self, outputs: ClassMaps, focus: Focus, placement: Placement) -> Focus:
        """With the pixels of the class; without one, of the class that most pixels of the region have.

        All pixels of the region where the class is nowhere predicted.
        """
        region = pixels_inside(outputs.main.shape[-2:], focus.box or placement.frame).to(outputs.main.device)
        predicted = outputs.main[0].argmax(0)
        if focus.label is None:
            counts = torch.bincount(predicted[region], minlength=self.num_classes)
            things = [label for label in range(self.num_classes) if label not in focus.background]
            kept = things if things and int(counts[things].max()) > 0 else list(range(self.num_classes))
            focus = dataclasses.replace(focus, label=max(kept, key=lambda label: int(counts[label])))
        pixels = region & (predicted == focus.label)
        return dataclasses.replace(focus, pixels=pixels if bool(pixels.any()) else region)

    def focus_scores(self, outputs: ClassMaps, focus: Focus) -> Float[Tensor, " B"]:
        """The mean logit of the class over the pixels: Seg-Grad-CAM's sum (Vinogradova et al., 2020) by their count."""
        assert focus.label is not None
        assert focus.pixels is not None
        return outputs.main[:, focus.label][:, focus.pixels].float().mean(1)

    @abstractmethod
    def backbone_stages(self) -> list[nn.Module]: ...

    def measure_pixels(self, images: Tensor, kind: PixelStatistics) -> None:
        self.normalize.measure(images, kind)

    def replace_criterion(self, change: Callable[[nn.Module], nn.Module]) -> None:
        self.criterion = change(self.criterion)

    def expected_loss(self) -> float | None:
        """The logarithm of K for the cross-entropy alone; None where the loss compares regions."""
        return self.criterion.expected_loss(self.num_classes) if isinstance(self.criterion, PixelLoss) else None

    def export_graph(self, height: int, width: int) -> ExportGraph:
        """From pixels to "logits" (B, K, H, W) of the classes at every pixel of the input."""
        images = torch.zeros((2, 3, height, width), dtype=torch.uint8)
        return ExportGraph(ExportedSegmenter(self), {"images": images}, ("logits",), Decoding("class_map"))


class ExportedSegmenter(nn.Module):
    """A segmenter from uint8 pixels to maps over the input, which `decode` brings to the size of the original image.

    Logits, since these are enlarged: the best class of enlarged probabilities is another one at edges.
    """

    def __init__(self, model: Segmenter) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: UInt8[Tensor, "B 3 H W"]) -> Float[Tensor, "B K H W"]:
        """The logit of each class at each pixel of the input."""
        return self.model(images).main.float()  # type: ignore[no-any-return]


def _marked(target: Mask, ignore: int) -> Int64[Tensor, "H W"]:
    """The classes with `ignore` where pixels are ignored, whatever the mask has there."""
    classes = target.classes.long()
    return classes if target.ignore == ignore else classes.where(classes != target.ignore, ignore)


def pixels_inside(size: Sequence[int], box: tuple[float, float, float, float]) -> Bool[Tensor, "H W"]:
    """The pixels, of `size` (height, width), whose centers lie in a box (left, top, right, bottom).

    Raises:
        RecipeError: there is none.
    """
    left, top, right, bottom = box
    rows, columns = (torch.arange(side) + 0.5 for side in size)
    inside = ((rows >= top) & (rows < bottom))[:, None] & ((columns >= left) & (columns < right))
    if not bool(inside.any()):
        raise RecipeError("the network sees no pixel of this region; name a larger one inside of the image")
    return inside


def enlarge(maps: Float[Tensor, "B K h w"], size: Sequence[int]) -> Float[Tensor, "B K H W"]:
    """Maps at another size (height, width), bilinear between the centers of pixels; themselves where it is theirs."""
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    if not maps.shape[1]:
        return maps.new_zeros((len(maps), 0, *size))
    return functional.interpolate(maps, tuple(size), mode="bilinear", align_corners=False)


def restore_maps(maps: Float[Tensor, "K H W"], placement: Placement) -> Float[Tensor, "K height width"]:
    """Maps over the network's input as maps over the original image, in float32; the inverse of `place`.

    Bilinear between the centers of pixels; the canvas around the image is left out, and what was cropped away takes
    what is nearest.
    """
    scale_x, scale_y = placement.scales
    height, width = placement.height, placement.width
    if (scale_x, scale_y, placement.left, placement.top) == (1.0, 1.0, 0.0, 0.0):
        return maps[:, :height, :width].float()
    device = maps.device
    left, top, right, bottom = placement.frame
    whole = (round(left), round(top), round(right), round(bottom))
    inside = whole[0] >= 0 and whole[1] >= 0 and whole[2] <= maps.shape[2] and whole[3] <= maps.shape[1]
    if inside and max(abs(a - b) for a, b in zip(whole, placement.frame, strict=True)) < 1e-6:
        cut = maps[:, whole[1] : whole[3], whole[0] : whole[2]].float()
        return enlarge(cut[None], (height, width))[0]
    rows = (torch.arange(height, device=device) + 0.5) * scale_y + top
    columns = (torch.arange(width, device=device) + 0.5) * scale_x + left
    grid = torch.empty((1, height, width, 2), device=device)
    grid[..., 0] = columns * (2 / maps.shape[2]) - 1
    grid[..., 1] = (rows * (2 / maps.shape[1]) - 1)[:, None]
    floats = maps[None].float()
    return functional.grid_sample(floats, grid, mode="bilinear", padding_mode="border", align_corners=False)[0]
