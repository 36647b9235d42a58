"""The shape that every detector has: pixels, backbone, outputs, and candidates that NMS reduces to boxes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from zorki.contracts import Model, Preprocess, TrainingDefaults
from zorki.contracts.capabilities import Decoding, ExportGraph, Focus, PixelStatistics, Selection
from zorki.data.preprocess.letterbox import Letterbox
from zorki.data.preprocess.shortest_edge import ShortestEdge
from zorki.nn.backbones.backbone import Backbone
from zorki.nn.backbones.named import backbone_published, backbone_statistics
from zorki.nn.layers.normalize import IMAGENET_MEAN, IMAGENET_STD, Normalize
from zorki.nn.view import view_of
from zorki.ops.boxes import nms
from zorki.ops.fixed_nms import FixedBoxes, fixed_nms
from zorki.tasks.detection.networks.box_focus import box_scores, choose_box
from zorki.tasks.detection.networks.box_stitcher import BoxStitcher
from zorki.tasks.detection.networks.coco_category_ids import predicts_coco_ids
from zorki.tiles import Tiles
from zorki.types import Boxes, Padded, Placement
from zorki.weights.weight_map import WeightMap

BOX_OUTPUTS = ("xyxy", "scores", "labels", "count")
"""Of exported files: boxes (B, M, 4), scores (B, M), labels (B, M) and how many of them are there (B)."""

O = TypeVar("O")  # raw outputs of a network  # noqa: E741

DETECTOR_DEFAULTS = TrainingDefaults(
    optimizer="adamw", lr=5e-4, finetune_lr=5e-4, weight_decay=1e-4, clip_grad=10.0, batch_size=8, random_crop=1.0
)
"""What suits most detectors where the user said nothing."""


@dataclass
class NmsCandidates:
    """A fixed number N of boxes an image, in network pixels, before NMS; scores in 0..1."""

    xyxy: Float[Tensor, "B N 4"]
    scores: Float[Tensor, "B N"]
    labels: Int[Tensor, "B N"]


torch.export.register_dataclass(NmsCandidates)


def settings_on(
    backbone: str, preprocess: Preprocess, *, min_score: float | None = None, frozen_norms: bool = False
) -> dict[str, Any]:
    """What a `Detector` takes over from the backbone of that name, see `zorki.nn.backbones.named`.

    And, where they are given, its `min_score` and `frozen_norms`.
    """
    given = {"min_score": min_score, "frozen_norms": frozen_norms or None}
    mean, std = backbone_statistics(backbone)
    return {
        "preprocess": preprocess,
        "mean": mean,
        "std": std,
        "weight_map": WeightMap(backbone_published(backbone)),
        **{name: value for name, value in given.items() if value is not None},
    }


class Detector(Model[O, Boxes, Boxes]):
    """A backbone with whatever a method puts on it, predicting boxes.

    A method gives `forward`, `loss` and `candidates`, which is made of tensors of fixed sizes alone, so that it can
    be exported; `decode` thins the candidates out: cut off at the edges of the image, what scores above `min_score`,
    non-maximum suppression within each class at `max_iou`, the best `max_boxes`.

    Args:
        backbone: makes features; its parts are the `backbone_stages`.
        num_classes: K; labels run 0..K-1.
        preprocess: from images of any size to the batch.
        min_score: candidates must score above it.
        max_iou: of two boxes of a class that stay; None suppresses nothing.
        max_boxes: predictions an image.
        mean, std: of the input in units of 0..1, as the published weights want them.
        frozen_norms: batch norms of the backbone keep their statistics and scales, as batches of few images want it.
        weight_map: from published weights to ours.
        defaults: training settings that suit this network, beside
            `DETECTOR_DEFAULTS`.
    """

    margin = 0
    selected_labels: tuple[int, ...] | None = None  # labels; None: all
    takes_padded: ClassVar[bool] = False  # where the image lies on the canvas comes with it, see `Padded`
    normalize: Normalize

    def __init__(
        self,
        backbone: Backbone,
        *,
        num_classes: int,
        preprocess: Preprocess,
        min_score: float,
        max_iou: float | None,
        max_boxes: int,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        frozen_norms: bool = False,
        weight_map: WeightMap = WeightMap(),
        defaults: TrainingDefaults = TrainingDefaults(),
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.num_classes = num_classes
        self.preprocess = preprocess
        self.min_score, self.max_iou, self.max_boxes = min_score, max_iou, max_boxes
        self.normalize = Normalize(3, mean, std)
        self.frozen_norms = frozen_norms
        self.weight_map = weight_map
        self.defaults = DETECTOR_DEFAULTS | defaults
        if frozen_norms:
            for norm in self._norms():
                norm.requires_grad_(False)

    def candidates(self, outputs: O) -> NmsCandidates:
        """Boxes before thinning out, tensors alone: a fixed number for inputs of one size.

        Methods whose second stage thins out by itself have a `decode` of their own in its place.
        """
        raise NotImplementedError(f"{type(self).__name__} needs `candidates`, or a `decode` of its own")

    @torch.no_grad()
    def decode(self, outputs: O, placements: Sequence[Placement]) -> list[Boxes]:
        """The boxes of each image, best first, in original pixels, on the CPU.

        They are cut off at the edges of the image, not of the canvas that it lies on, before NMS:
        boxes on the canvas must not suppress boxes in the image. Boxes without an area there are left out.
        """
        found = self.candidates(outputs)
        frames = found.xyxy.new_tensor([placement.frame for placement in placements]).view(len(placements), 1, 4)
        inside = found.xyxy.maximum(frames[..., :2].repeat(1, 1, 2)).minimum(frames[..., 2:].repeat(1, 1, 2))
        seen = (found.scores > self.min_score) & (inside[..., 2:] > inside[..., :2]).all(-1)
        predictions = []
        for xyxy, scores, labels, keep, placement in zip(
            inside, found.scores, found.labels, seen, placements, strict=True
        ):
            boxes = Boxes(xyxy[keep].float(), labels[keep], scores[keep].float())
            predictions.append(self.nms(boxes).to("cpu").restore(placement))
        return predictions

    def nms(self, boxes: Boxes) -> Boxes:
        """Non-maximum suppression within each selected class, and the best `max_boxes`, best first."""
        if self.selected_labels is not None:
            boxes = boxes[torch.isin(boxes.labels, torch.tensor(self.selected_labels, device=boxes.labels.device))]
        assert boxes.scores is not None
        if self.max_iou is None:
            order = boxes.scores.argsort(descending=True, stable=True)
        else:
            order = nms(boxes.xyxy, boxes.scores, boxes.labels, self.max_iou)
        return boxes[order[: self.max_boxes]]

    @property
    def has_nms(self) -> bool:
        """Whether non-maximum suppression thins out the candidates."""
        return self.max_iou is not None

    def with_selection(self, selection: Selection) -> Detector[O]:
        """The detector with other thresholds, and the same weights."""
        view = view_of(self)
        view.min_score = self.min_score if selection.min_score is None else selection.min_score
        view.max_iou = self.max_iou if selection.max_iou is None else selection.max_iou
        view.max_boxes = self.max_boxes if selection.max_count is None else selection.max_count
        view.selected_labels = self.selected_labels if selection.labels is None else selection.labels
        return view

    def stitcher(self, tiles: Tiles) -> BoxStitcher[O]:
        return BoxStitcher(self.decode, tiles, self.max_iou)

    focus_unit = "score"

    def complete_focus(self, outputs: O, focus: Focus, placement: Placement) -> Focus:
        """With the most certain box, or the one nearest to where the focus says."""
        found = self.candidates(outputs)
        return choose_box(Boxes(found.xyxy[0].float(), found.labels[0], found.scores[0].float()), focus)

    def focus_scores(self, outputs: O, focus: Focus) -> Float[Tensor, " B"]:
        """The score of the candidate that is nearest to the box, times their overlap."""
        found = self.candidates(outputs)
        return box_scores(found.xyxy, found.scores, found.labels, focus)

    def backbone_stages(self) -> list[nn.Module]:
        return self.backbone.stages()

    def restore_preprocess(self, saved: Preprocess) -> None:
        """As of every model; runs of earlier versions saved one that did not tell where the canvas is."""
        if self.takes_padded:
            assert isinstance(saved, Letterbox | ShortestEdge)
            saved = dataclasses.replace(saved, padded=True)
        super().restore_preprocess(saved)

    def measure_pixels(self, images: Tensor, kind: PixelStatistics) -> None:
        self.normalize.measure(images, kind)

    def export_graph(self, height: int, width: int) -> ExportGraph:
        """From pixels and "frames" to M boxes an image, best first: see `BOX_OUTPUTS`.

        "frames" (B, 4) are the edges of each image on its canvas, xyxy in pixels of the input.
        """
        images = torch.zeros((2, 3, height, width), dtype=torch.uint8)
        frames = torch.tensor([[0.0, 0.0, width, height]] * 2)
        inputs = {"images": images, "frames": frames} | self.export_inputs(height, width)
        free = {name: {1: "regions"} for name in inputs if name not in ("images", "frames")}
        return ExportGraph(self.export_network(), inputs, BOX_OUTPUTS, self.decoding("boxes"), free=free)

    def export_network(self) -> nn.Module:
        """From the inputs of the graph to its outputs."""
        return ExportedDetector(self)

    def export_inputs(self, height: int, width: int) -> dict[str, Tensor]:
        """What the graph takes beside images and frames; here nothing."""
        return {}

    def network_inputs(self, images: Tensor, frames: Tensor, *others: Tensor) -> Any:
        """What `forward` takes, of the inputs of the graph."""
        return Padded(images, frames.round().long()) if self.takes_padded else images

    def decoding(self, kind: str) -> Decoding:
        """Of that kind, with the thresholds that the graph holds."""
        labels = None if self.selected_labels is None else list(self.selected_labels)
        thresholds = {"min_score": self.min_score, "max_iou": self.max_iou, "max_count": self.max_boxes}
        return Decoding(kind, thresholds=thresholds | ({"labels": labels} if labels else {}))

    def train(self, mode: bool = True) -> Detector[O]:
        super().train(mode)
        if self.frozen_norms:
            for norm in self._norms():
                norm.eval()
        return self

    def _norms(self) -> list[nn.BatchNorm2d]:
        return _batch_norms(self.backbone)


class ExportedDetector(nn.Module):
    """A detector from uint8 pixels to boxes, made of tensors alone: what `decode` returns, in network pixels.

    Images of one size: anchors become constants. As many rows come out for every image, at most the detector's
    `max_boxes`, best first, and how many of them are boxes.

    Args:
        model: in evaluation mode.
    """

    least = 0.0  # pixels of a side: what is narrower is no prediction

    def __init__(self, model: Detector[Any]) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, images: UInt8[Tensor, "B 3 H W"], frames: Float[Tensor, "B 4"], *others: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Boxes in pixels of the input, scores in 0..1, labels and counts: see `BOX_OUTPUTS`.

        Args:
            frames: the edges of each image on its canvas.
        """
        model = self.model
        found = model.candidates(model(model.network_inputs(images, frames, *others)))
        return fixed_boxes(model, found, frames, self.least).tensors()


def fixed_boxes(
    model: Detector[Any], found: NmsCandidates, frames: Float[Tensor, "B 4"], least: float = 0.0
) -> FixedBoxes:
    """What `decode` keeps of candidates, in network pixels.

    Args:
        frames: the edges of each image, at which boxes are cut off.
        least: pixels that both sides have more than.
    """
    edges = frames[:, None]
    xyxy = found.xyxy.float().maximum(edges[..., :2].repeat(1, 1, 2)).minimum(edges[..., 2:].repeat(1, 1, 2))
    there = (xyxy[..., 2:] - xyxy[..., :2] > least).all(-1)
    if model.selected_labels is not None:
        there &= (found.labels[..., None] == torch.tensor(model.selected_labels)).any(-1)
    scores = torch.where(there, found.scores.float(), -1.0)
    return fixed_nms(
        xyxy, scores, found.labels.long(), min_score=model.min_score, max_iou=model.max_iou, most=model.max_boxes
    )


def _batch_norms(backbone: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in backbone.modules() if isinstance(module, nn.BatchNorm2d)]


@dataclass(frozen=True)
class NormsWithoutEpsilon(WeightMap):
    """For published files whose batch norms add nothing to the variance, where ours add `eps`.

    Variances become less by our epsilon: the sum is then what was published. Such a file is known by its name or, where
    it was renamed, by what it holds: torchvision's names of a detector for COCO's 91 category ids, as
    which its first weights alone are published. Whoever trained torchvision's network on COCO's ids from scratch would
    have norms with an epsilon, and is taken for it.

    Args:
        file: prefix of the published file's name.
    """

    file: str = ""

    def adapt(self, tensors: Mapping[str, Tensor], file: str, model: nn.Module) -> Mapping[str, Tensor]:
        if not file.startswith(self.file) and not predicts_coco_ids(tensors):
            return tensors
        epsilon = next(norm.eps for norm in _batch_norms(model.get_submodule("backbone")))
        return {
            name: value - epsilon if name.startswith("backbone.") and name.endswith("running_var") else value
            for name, value in tensors.items()
        }


def learnable(target: Boxes, device: torch.device | None = None) -> Boxes:
    """The boxes that a network learns from: no crowds, and none without an area; in network pixels."""
    size = target.xyxy[:, 2:] - target.xyxy[:, :2]
    keep = (size > 0).all(1)
    if target.crowd is not None:
        keep &= ~target.crowd
    boxes = Boxes(target.xyxy[keep], target.labels[keep])
    return boxes if device is None else boxes.to(device)
