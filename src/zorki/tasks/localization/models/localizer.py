"""A classification network with a box head beside its class head.

As OverFeat (Sermanet et al., 2013, section 4), VGG (Simonyan and Zisserman, 2014, appendix A) and DeepPose (Toshev and
Szegedy, 2014) regress: four numbers an object, or four for each class. No anchors, no matching, no NMS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from jaxtyping import Float, Int, Num, UInt8
from torch import Tensor, nn
from torch.nn import functional

from zorki.contracts import Model, TrainingDefaults
from zorki.contracts.capabilities import Decoding, ExportGraph, Focus, PixelStatistics, Selection
from zorki.data.preprocess.resize import Resize
from zorki.errors import RecipeError
from zorki.losses.cross_entropy import CrossEntropy
from zorki.losses.giou import giou_loss
from zorki.nn.backbones.named import backbone_weights
from zorki.nn.heads.class_heads import ClassHead
from zorki.nn.layers.initialize import initialize_he, initialize_output
from zorki.nn.layers.normalize import Normalize
from zorki.nn.view import view_of
from zorki.ops.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh
from zorki.ops.fixed_nms import fixed_nms
from zorki.registry import Variant, find, model
from zorki.tasks.classification.classifier import Classifier
from zorki.tasks.localization.mean_boxes import mean_boxes
from zorki.tasks.localization.on_classifier import on_classifier
from zorki.tasks.localization.task import Localization
from zorki.types import Boxes, Placement

Place = Literal["last_conv", "fc"]
BoxLoss = Literal["l2", "smooth_l1", "giou", "smooth_l1_giou"]

GUESSES = 5  # of one object: the most probable classes, each with its box
# Of a part that may be seen or hidden alike. SqueezeNet's class head ends in a ReLU, so its logits are never below 0:
# with a sigmoid around 0 no part could be called hidden.
EVEN_LOGIT = 3.0
MIN_SHARE = 1e-3  # of the image's side: boxes start inside of the sigmoid's range

LOCALIZER_DEFAULTS = TrainingDefaults(
    optimizer="adamw", lr=5e-4, finetune_lr=3e-4, weight_decay=1e-4, clip_grad=10.0, batch_size=16, random_crop=0.5
)


@dataclass
class LocalizerOutputs:
    """What both heads say.

    `boxes` are cxcywh in shares of the input, each 0..1: R is 1 where all classes have one box, else K. `sides` are
    the input's (width, height, width, height), in pixels.
    """

    logits: Float[Tensor, "B K"]
    boxes: Float[Tensor, "B R 4"]
    sides: Float[Tensor, " 4"]


torch.export.register_dataclass(LocalizerOutputs)


@dataclass(frozen=True)
class BoxCriterion:
    """The loss of boxes in shares of the image; distances are sums over the four numbers of cxcywh.

    "l2" is the squared distance of the lectures; "smooth_l1" has its corner at 0.1; "giou" is 1 - GIoU (Rezatofighi et
    al., 2019). Weights are DETR's, 5 for distances and 2 for overlaps (Carion et al., 2020, section A.4), and 10 for
    squares, which are small.
    """

    kind: BoxLoss = "smooth_l1_giou"

    def __call__(self, cxcywh: Float[Tensor, "N 4"], target: Float[Tensor, "N 4"]) -> dict[str, Tensor]:
        """The terms by name, means over the boxes; 0 without any."""
        count = max(1, len(target))
        terms: dict[str, Tensor] = {}
        if self.kind == "l2":
            terms["l2"] = 10 * (cxcywh - target).square().sum() / count
        if "smooth_l1" in self.kind:
            terms["smooth_l1"] = 5 * functional.smooth_l1_loss(cxcywh, target, beta=0.1, reduction="sum") / count
        if "giou" in self.kind:
            terms["giou"] = 2 * giou_loss(cxcywh_to_xyxy(cxcywh), cxcywh_to_xyxy(target)).sum() / count
        return terms


class ConvBoxHead(nn.Module):
    """Boxes from the last feature map, which knows where things are: reduced, pooled to a grid, one hidden layer.

    The map is normalized first: how large its values are is each network's own affair, and those of some trained ones
    reach a thousand, with which the sigmoid of the boxes is saturated before the first step.
    """

    def __init__(self, channels: int, count: int, *, reduced: int = 128, grid: int = 7, hidden: int = 512) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, channels)
        self.reduce = nn.Conv2d(channels, reduced, 1)
        self.pool = nn.AdaptiveAvgPool2d(grid)
        self.hidden = nn.Linear(reduced * grid**2, hidden)
        self.boxes = nn.Linear(hidden, 4 * count)
        initialize_he(self)
        initialize_output(self.boxes)

    def forward(self, maps: Float[Tensor, "B C H W"]) -> Float[Tensor, "B N"]:
        pooled = self.pool(functional.relu(self.reduce(self.norm(maps)))).flatten(1)
        return self.boxes(functional.relu(self.hidden(pooled)))


class VectorBoxHead(nn.Module):
    """Boxes from the vector of which the class head makes its logits, normalized as well: one hidden layer."""

    def __init__(self, width: int, count: int, *, hidden: int = 512) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.hidden = nn.Linear(width, hidden)
        self.boxes = nn.Linear(hidden, 4 * count)
        initialize_he(self)
        initialize_output(self.boxes)

    def forward(self, vector: Float[Tensor, "B D"]) -> Float[Tensor, "B N"]:
        return self.boxes(functional.relu(self.hidden(self.norm(vector))))


class Localizer(Model[LocalizerOutputs, Boxes, Boxes]):
    """A classifier's network with boxes: of the one object, or of K named parts.

    Which of both, the training targets say, see `fit_to_data`. Of one object the logits are a softmax's, and the
    prediction are the five most probable classes, each with its box. Of parts each logit is a part's visibility, and
    the prediction are all K, since whether one counts is for its score to say.

    Args:
        classifier: whose backbone, class head, normalization and map of weights are taken.
        place: of the box head: behind the last convolution (OverFeat, VGG), or behind the fully connected layers
            (DeepPose, R-CNN): the vector before the classifier's last layer, an average over the image where the
            network has no such layers.
        per_class: K boxes, of which the class chooses one; else one box for all classes.
        box_loss: see `BoxCriterion`.
        box_head_alone: the classifier stays as its weights are, and the box head alone learns.
        comparison: name of the model that `Compared` tells.
    """

    selected: Selection = Selection()
    has_nms = False
    needs_fitting = True
    normalize: Normalize
    one_of_each: Tensor

    def __init__(
        self,
        classifier: Classifier,
        *,
        image_size: int,
        place: Place = "last_conv",
        per_class: bool = True,
        box_loss: BoxLoss = "smooth_l1_giou",
        box_head_alone: bool = False,
        comparison: str | None = None,
        defaults: TrainingDefaults = TrainingDefaults(),
    ) -> None:
        super().__init__()
        if not isinstance(classifier.head, ClassHead):
            raise RecipeError(f"a {type(classifier.head).__name__} has no vector for boxes; choose another network")
        self.num_classes, self.preprocess = classifier.num_classes, Resize(image_size)
        self.normalize, self.backbone, self.head = classifier.normalize, classifier.backbone, classifier.head
        self.place, self.per_class = place, per_class
        count = self.num_classes if per_class else 1
        self.box_head: nn.Module
        if place == "last_conv":
            self.box_head = ConvBoxHead(self._map_channels(), count)
        else:
            self.box_head = VectorBoxHead(classifier.head.width, count)
        self.criterion: nn.Module = CrossEntropy()
        self.box_criterion = BoxCriterion(box_loss)
        self.box_head_alone = box_head_alone
        self.comparison = comparison
        self.register_buffer("one_of_each", torch.tensor(False))
        self.weight_map, self.defaults = classifier.weight_map, LOCALIZER_DEFAULTS | defaults
        if box_head_alone:
            self.backbone.requires_grad_(False)
            self.head.requires_grad_(self.num_classes == 1)  # which nothing has to tell, so its weights do not matter

    @property
    def fixed_parts(self) -> Sequence[str]:
        """The class head, where the box head alone learns."""
        return ("head.",) if self.box_head_alone else ()

    def _map_channels(self) -> int:
        if not self.backbone.channels:
            name = type(self.backbone).__name__
            raise RecipeError(f"place is last_conv, but this {name} has no feature map; say place fc")
        return self.backbone.channels[-1]

    def forward(self, inputs: Num[Tensor, "B C H W"]) -> LocalizerOutputs:
        """Logits and boxes of uint8 images (or floats of 0..255)."""
        x = self.normalize(inputs)
        if self.place == "last_conv":
            top, maps = self.backbone.top_and_map(x)
            logits = self.head(top)
            numbers = self.box_head(maps)
        else:
            logits, vector = self.head.with_vector(self.backbone.top(x))
            numbers = self.box_head(vector)
        height, width = inputs.shape[-2:]
        sides = torch.tensor([width, height, width, height], dtype=torch.float32, device=inputs.device)
        return LocalizerOutputs(logits, numbers.float().sigmoid().unflatten(1, (-1, 4)), sides)

    def loss(self, outputs: LocalizerOutputs, targets: Sequence[Boxes]) -> dict[str, Tensor]:
        """Of the classes, and of the boxes of those objects that are there: hidden parts have none."""
        device = outputs.logits.device
        image = torch.tensor([row for row, target in enumerate(targets) for _ in range(len(target))], dtype=torch.int64)
        labels = torch.cat([target.labels for target in targets]).to(device)
        image = image.to(device)
        xyxy = torch.cat([target.xyxy for target in targets]).to(device)
        targets_cxcywh = xyxy_to_cxcywh(xyxy / outputs.sides)
        predicted = outputs.boxes[image, labels if self.per_class else torch.zeros_like(labels)]
        losses = {"classes": self._class_loss(outputs.logits, image, labels)}
        return losses | self.box_criterion(predicted.float(), targets_cxcywh)

    def _class_loss(self, logits: Tensor, image: Tensor, labels: Tensor) -> Tensor:
        if not self.one_of_each:
            return self.criterion(logits[image], labels) if len(labels) else logits.float().sum() * 0
        visible = torch.zeros_like(logits)
        visible[image, labels] = 1.0
        return functional.binary_cross_entropy_with_logits(logits - EVEN_LOGIT, visible)

    @torch.no_grad()
    def decode(self, outputs: LocalizerOutputs, placements: Sequence[Placement]) -> list[Boxes]:
        """The guesses, or the parts, of each image, best first, in original pixels, on the CPU."""
        xyxy, scores, labels = self.ranked(outputs, bool(self.one_of_each))
        predictions = []
        for boxes, score, label, placement in zip(xyxy.cpu(), scores.cpu(), labels.cpu(), placements, strict=True):
            found = Boxes(boxes.float(), label, score.float())
            predictions.append(_selected(found, self.selected).restore(placement))
        return predictions

    def ranked(
        self, outputs: LocalizerOutputs, parts: bool
    ) -> tuple[Float[Tensor, "B N 4"], Float[Tensor, "B N"], Int[Tensor, "B N"]]:
        """Boxes (xyxy) in network pixels, scores and labels, best first: five guesses at most, or all parts."""
        logits = outputs.logits.float()
        scores = (logits - EVEN_LOGIT).sigmoid() if parts else logits.softmax(1)
        count = self.num_classes if parts else min(GUESSES, self.num_classes)
        best = scores.topk(count, 1)
        xyxy = cxcywh_to_xyxy(outputs.boxes.float()).clamp(0, 1) * outputs.sides
        rows = best.indices if self.per_class else torch.zeros_like(best.indices)
        return xyxy.gather(1, rows[..., None].expand(-1, -1, 4)), best.values, best.indices

    def fit_to_data(self, targets: Sequence[Boxes], sizes: Sequence[tuple[int, int]]) -> None:
        """Learns whether images have one object or parts, and starts with the mean training box of each class.

        Raises:
            RecipeError: of parts, each needs a box of its own.
        """
        parts = any(len(target) > 1 for target in targets)
        if parts and not self.per_class:
            raise RecipeError("per_class is false, but the images show several parts, which need a box each; leave it")
        self.one_of_each.fill_(parts)
        means, counts = mean_boxes(targets, sizes, self.num_classes)
        if not self.per_class:
            means = (means * counts[:, None]).sum(0, keepdim=True) / counts.sum().clamp_min(1)
        shares = xyxy_to_cxcywh(means).clamp(MIN_SHARE, 1 - MIN_SHARE)
        with torch.no_grad():
            last: Any = self.box_head.boxes
            last.bias.copy_(shares.logit().flatten())

    def with_selection(self, selection: Selection) -> Localizer:
        """The network with other thresholds, and the same weights."""
        view = view_of(self)
        view.selected = selection
        return view

    focus_unit = "logit"

    def complete_focus(self, outputs: LocalizerOutputs, focus: Focus, placement: Placement) -> Focus:
        """With the best class, where none is named."""
        focus = focus.of_whole_image()
        return focus if focus.label is not None else replace(focus, label=int(outputs.logits[0].argmax()))

    def focus_scores(self, outputs: LocalizerOutputs, focus: Focus) -> Float[Tensor, " B"]:
        """The logit of the class, or of the part."""
        assert focus.label is not None
        return outputs.logits[:, focus.label]

    def backbone_stages(self) -> list[nn.Module]:
        return self.backbone.stages()

    def replace_criterion(self, change: Callable[[nn.Module], nn.Module]) -> None:
        self.criterion = change(self.criterion)

    def measure_pixels(self, images: Tensor, kind: PixelStatistics) -> None:
        self.normalize.measure(images, kind)

    def comparison_model(self) -> str | None:
        """The classifier's CAM boxes, where it has class activation maps."""
        return None if self.one_of_each else self.comparison

    def export_graph(self, height: int, width: int) -> ExportGraph:
        """From pixels to M boxes an image in pixels of the input, best first: see `FixedBoxes`."""
        images = torch.zeros((2, 3, height, width), dtype=torch.uint8)
        decoding = Decoding("boxes", thresholds=thresholds_of(self.selected))
        return ExportGraph(ExportedLocalizer(self), {"images": images}, (*BOX_NAMES, "count"), decoding)

    def train(self, mode: bool = True) -> Localizer:
        super().train(mode)
        if self.box_head_alone:
            self.backbone.eval()
            self.head.eval()
        return self


class ExportedLocalizer(nn.Module):
    """A localizer from uint8 pixels to what `decode` gives: standard operators of fixed sizes, and no NMS."""

    def __init__(self, network: Localizer) -> None:
        super().__init__()
        self.network, self.parts = network, bool(network.one_of_each)

    def forward(self, images: UInt8[Tensor, "B 3 H W"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Boxes, scores, labels, and how many of them count: see `FixedBoxes`."""
        chosen = self.network.selected
        xyxy, scores, labels = self.network.ranked(self.network(images), self.parts)
        if chosen.labels is not None:
            selected = (labels[..., None] == torch.tensor(chosen.labels)).any(-1)
            scores = torch.where(selected, scores, -1.0)
        # From the threshold on, and not above it alone.
        least = -0.5 if chosen.min_score is None else chosen.min_score - 1e-7
        most = scores.shape[1] if chosen.max_count is None else chosen.max_count
        return fixed_nms(xyxy, scores, labels, min_score=least, max_iou=None, most=most).tensors()


BOX_NAMES = ("xyxy", "scores", "labels")


def thresholds_of(selection: Selection) -> dict[str, Any]:
    """Those that are set, by the names that exported files have for them."""
    values = {"min_score": selection.min_score, "max_count": selection.max_count, "labels": selection.labels}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items() if value}


def _selected(boxes: Boxes, selection: Selection) -> Boxes:
    assert boxes.scores is not None
    if selection.min_score is not None:
        boxes = boxes[boxes.scores >= selection.min_score]
    if selection.labels is not None:
        boxes = boxes[torch.isin(boxes.labels, torch.tensor(selection.labels))]
    return boxes[: selection.max_count]


@model(
    Localization,
    variants=[
        Variant(
            f"localizer_{name}",
            f"{title} with a box head beside its class head.",
            {"classifier": name},
            weights=backbone_weights(name),
        )
        for name, title in (
            ("squeezenet1_0", "SqueezeNet 1.0"),
            ("squeezenet1_1", "SqueezeNet 1.1"),
            ("mobilenet_v3_large", "MobileNetV3 large"),
            ("resnet18", "ResNet-18"),
            ("resnet50", "ResNet-50"),
            ("vgg16", "VGG-16 (Simonyan and Zisserman, 2014, appendix A)"),
        )
    ],
)
def localizer(
    num_classes: int,
    *,
    classifier: str,
    image_size: int = 224,
    place: str = "last_conv",
    per_class: bool = True,
    box_loss: str = "smooth_l1_giou",
    box_head_alone: bool = False,
) -> Localizer:
    """A classification network with a box head beside its class head.

    Args:
        classifier: name of the classification network.
        image_size: side of the square to which the whole image is squeezed.
        place: of the box head: last_conv, or fc.
        per_class: a box for each class; else one for all.
        box_loss: l2, smooth_l1, giou or smooth_l1_giou.
        box_head_alone: backbone and class head stay as their weights are.
    """
    _check("place", place, ("last_conv", "fc"))
    _check("box_loss", box_loss, ("l2", "smooth_l1", "giou", "smooth_l1_giou"))
    network: Any = find(classifier).build(num_classes, image_size=image_size)
    head = network.head
    return Localizer(
        network,
        image_size=image_size,
        place=place,  # type: ignore[arg-type]
        per_class=per_class,
        box_loss=box_loss,  # type: ignore[arg-type]
        box_head_alone=box_head_alone,
        comparison=f"cam_{classifier}" if isinstance(head, ClassHead) and head.has_class_maps else None,
    )


def _check(name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise RecipeError(f"{name} is {value!r}; expected one of {', '.join(allowed)}")


on_classifier(localizer, "localizer_{backbone}", "A box head beside the class head")
