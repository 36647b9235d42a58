"""The shape that networks have which predict by pixel, and group the pixels into objects afterwards."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int32, Num, UInt8
from torch import Tensor, nn
from torch.nn import functional

from zorki.contracts import Model, Preprocess, TrainingDefaults
from zorki.contracts.capabilities import Decoding, ExportGraph, Focus, PixelStatistics, Selection
from zorki.data.preprocess.letterbox import Letterbox
from zorki.errors import RecipeError
from zorki.nn.backbones.backbone import Backbone
from zorki.nn.backbones.named import backbone as backbone_named
from zorki.nn.layers.initialize import initialize_output
from zorki.nn.layers.normalize import Normalize
from zorki.nn.necks.unet import halving, unet_maps
from zorki.nn.necks.unet_decoder import WIDTHS, UNetDecoder
from zorki.nn.view import view_of
from zorki.tasks.detection.networks.box_focus import choose_box
from zorki.tasks.instance_segmentation.networks.mask_stitcher import MaskStitcher
from zorki.tasks.instance_segmentation.networks.numbering import Numbered, number_objects, objects_of
from zorki.tasks.semantic_segmentation.networks.backbone_settings import settings_on
from zorki.tasks.semantic_segmentation.networks.segmenter import SEGMENTER_DEFAULTS, enlarge, restore_maps
from zorki.tiles import Tiles
from zorki.types import Boxes, Instances, Placement
from zorki.weights.weight_map import WeightMap


@dataclass
class GroupingMaps:
    """What a network says of every pixel of the input: `main` to group them by, `classes` of their objects.

    `classes` are logits, K channels; none where there is a single class.
    """

    main: Float[Tensor, "B C H W"]
    classes: Float[Tensor, "B K H W"]


torch.export.register_dataclass(GroupingMaps)


@dataclass(frozen=True)
class UNetOn:
    """A backbone by name, and the decoder over it; see `zorki.nn.backbones.named`, `UNetDecoder` and `Letterbox`."""

    backbone: str
    size: int = 256
    widths: tuple[int, ...] = WIDTHS
    upsampling: str = "nearest"
    finest: int = 1
    autocontrast: bool = False
    dark_ground: bool = False


@dataclass(frozen=True)
class Limits:
    """Which objects are predicted: those of `min_area` pixels of the original, and of them the best `max_objects`.

    Those of them, that is, that score `min_score` and are of one of the `labels`.
    """

    min_area: int = 16
    max_objects: int = 500
    min_score: float = 0.0
    labels: tuple[int, ...] | None = None  # None: all

    def __post_init__(self) -> None:
        for name in ("min_area", "max_objects"):
            if getattr(self, name) < 1:
                raise RecipeError(f"{name} is {getattr(self, name)}; expected at least 1")

    def with_selection(self, selection: Selection) -> Limits:
        """These limits, with those of the selection in their place."""
        return Limits(
            self.min_area,
            self.max_objects if selection.max_count is None else selection.max_count,
            self.min_score if selection.min_score is None else selection.min_score,
            self.labels if selection.labels is None else selection.labels,
        )


class PixelGrouper(Model[GroupingMaps, Instances, Instances]):
    """A U-Net on a backbone; with several classes, beside the method's own channels, one for each.

    A method gives its loss as `own_loss`, and `group`, which cuts maps into objects. Maps are brought to the original
    image's size before, so that masks are as fine as it.

    Args:
        network: the backbone and its decoder.
        channels: of the method's own maps.
        num_classes: K.
        limits: of the prediction.
        defaults: training settings that suit the method.
    """

    normalize: Normalize
    margin = 0

    def __init__(
        self,
        network: UNetOn,
        channels: int,
        *,
        num_classes: int,
        limits: Limits,
        defaults: TrainingDefaults = TrainingDefaults(),
    ) -> None:
        super().__init__()
        backbone: Backbone = backbone_named(network.backbone)
        settings = settings_on(
            network.backbone,
            backbone,
            Letterbox(network.size, max(32, backbone.strides[-1]), network.autocontrast, network.dark_ground),
            defaults=defaults,
        )
        self.num_classes, self.own_channels, self.limits = num_classes, channels, limits
        self.preprocess: Preprocess = settings["preprocess"]
        self.normalize = Normalize(3, settings["mean"], settings["std"])
        self.weight_map: WeightMap = settings["weight_map"]
        self.defaults = SEGMENTER_DEFAULTS | settings["defaults"]
        self.backbone = halving(backbone)
        self.decoder = UNetDecoder(backbone, network.widths, upsampling=network.upsampling, finest=network.finest)
        self.output = nn.Conv2d(self.decoder.channels, channels + (num_classes if num_classes > 1 else 0), 3, padding=1)
        initialize_output(self.output)

    def forward(self, inputs: Num[Tensor, "B C H W"]) -> GroupingMaps:
        """Maps for uint8 images (or floats of 0..255), at the input's size."""
        maps = unet_maps(self.normalize(inputs), self.backbone, self.decoder, self.output)
        own, classes = maps[:, : self.own_channels], maps[:, self.own_channels :]
        size = inputs.shape[-2:]
        return GroupingMaps(enlarge(self.refine(own), size), enlarge(classes, size))

    def refine(self, own: Float[Tensor, "B C h w"]) -> Float[Tensor, "B D h w"]:
        """What a method makes of its own channels, before they are brought to the input's size; here nothing."""
        return own

    def loss(self, outputs: GroupingMaps, targets: Sequence[Instances]) -> dict[str, Tensor]:
        """The method's own terms, and the cross-entropy of the classes over the pixels of objects."""
        objects = number_objects(targets)
        losses = self.own_loss(outputs.main.float(), objects)
        if outputs.classes.shape[1]:
            target_labels = objects.classes().to(outputs.main.device)
            entropy = functional.cross_entropy(outputs.classes.float(), target_labels, ignore_index=-1, reduction="sum")
            losses["classes"] = entropy / (target_labels >= 0).sum().clamp_min(1)
        return losses

    @abstractmethod
    def own_loss(self, main: Float[Tensor, "B D H W"], objects: Numbered) -> dict[str, Tensor]:
        """Weighted scalars; `objects` are on the CPU."""

    @abstractmethod
    def group(
        self, main: Float[Tensor, "D height width"], scale: float
    ) -> tuple[Int32[Tensor, "height width"], Float[Tensor, "height width"]]:
        """Of every pixel of the original image the number of its object, 0 for none, and how likely it is of one.

        Args:
            main: the maps, over the original image, on the CPU.
            scale: pixels of the network for one of the original.
        """

    @torch.no_grad()
    def decode(self, outputs: GroupingMaps, placements: Sequence[Placement]) -> list[Instances]:
        """Objects in the pixels of the original images, best first, on the CPU."""
        predictions = []
        for main, classes, placement in zip(outputs.main, outputs.classes, placements, strict=True):
            numbers, sure = self.group(restore_maps(main, placement).cpu(), placement.scale)
            shares = (
                restore_maps(classes, placement).softmax(0).cpu()
                if len(classes)
                else classes.new_zeros((0, *numbers.shape), device="cpu")
            )
            predictions.append(objects_of(numbers, sure, shares, **dataclasses.asdict(self.limits)))
        return predictions

    @abstractmethod
    def grouping(self) -> Decoding:
        """What `group` is called in exported files, and its numbers."""

    def export_graph(self, height: int, width: int) -> ExportGraph:
        """From pixels to "main" (B, D, H, W), and with several classes their logits "classes" (B, K, H, W)."""
        images = torch.zeros((2, 3, height, width), dtype=torch.uint8)
        outputs = ("main", "classes") if self.num_classes > 1 else ("main",)
        own, limits = self.grouping(), dataclasses.asdict(self.limits)
        decoding = dataclasses.replace(own, numbers={**limits, **own.numbers}, thresholds=limits)
        return ExportGraph(ExportedGrouper(self), {"images": images}, outputs, decoding)

    focus_unit = "mean logit"

    def complete_focus(self, outputs: GroupingMaps, focus: Focus, placement: Placement) -> Focus:
        """With the pixels of the most certain object, or of the one nearest to where the focus says."""
        found = self.decode(outputs, [placement])[0]
        placed = found.place(placement)
        chosen = choose_box(Boxes(placed.xyxy, placed.labels, placed.scores), focus)
        same = (placed.xyxy == placed.xyxy.new_tensor(chosen.box)).all(1) & (placed.labels == chosen.label)
        return dataclasses.replace(chosen, pixels=placed.masks[same][0].to(outputs.main.device))

    def focus_scores(self, outputs: GroupingMaps, focus: Focus) -> Float[Tensor, " B"]:
        """The mean over the object's pixels of its class's logit; of one class, of being of an object at all."""
        assert focus.label is not None
        assert focus.pixels is not None
        several = outputs.classes.shape[1] > 0
        logits = outputs.classes[:, focus.label] if several else self.object_logits(outputs.main)
        return logits[:, focus.pixels].float().mean(1)

    def object_logits(self, main: Float[Tensor, "B D H W"]) -> Float[Tensor, "B H W"]:
        """How likely each pixel is of an object, as a logit, of maps whose first channel is the background's."""
        return main[:, 1:].logsumexp(1) - main[:, 0]

    has_nms = False  # objects of a map do not overlap

    def with_selection(self, selection: Selection) -> PixelGrouper:
        """The network that predicts fewer or more objects, with the same weights."""
        view = view_of(self)
        view.limits = self.limits.with_selection(selection)
        return view

    def stitcher(self, tiles: Tiles) -> MaskStitcher[GroupingMaps]:
        return MaskStitcher(self.decode, tiles)

    def backbone_stages(self) -> list[nn.Module]:
        return self.backbone.stages()

    def measure_pixels(self, images: Tensor, kind: PixelStatistics) -> None:
        self.normalize.measure(images, kind)


class ExportedGrouper(nn.Module):
    """From uint8 pixels to maps over the input: what comes behind them hangs on the original image."""

    def __init__(self, model: PixelGrouper) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: UInt8[Tensor, "B 3 H W"]) -> tuple[Tensor, ...]:
        outputs = self.model(images)
        maps = (outputs.main, outputs.classes) if self.model.num_classes > 1 else (outputs.main,)
        return tuple(one.float() for one in maps)
