"""Class activation maps: boxes of a classifier that saw none.

Zhou et al., 2016, "Learning Deep Features for Discriminative Localization". What a regression of boxes is held against:
its classifier learns from classes alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Num, UInt8
from torch import Tensor, nn
from torch.nn import functional

from zorki.contracts import Model, TrainingDefaults
from zorki.contracts.capabilities import Decoding, ExportGraph, Focus, PixelStatistics
from zorki.data.preprocess.resize import Resize
from zorki.errors import RecipeError
from zorki.exported.decoding.cams import box_of_map
from zorki.losses.cross_entropy import CrossEntropy
from zorki.nn.backbones.named import backbone_weights
from zorki.nn.heads.class_heads import ClassHead
from zorki.nn.layers.normalize import Normalize
from zorki.registry import Variant, find, model
from zorki.tasks.classification.classifier import Classifier
from zorki.tasks.localization.on_classifier import on_classifier
from zorki.tasks.localization.task import Localization
from zorki.types import Boxes, Placement

GUESSES = 5
THRESHOLD = 0.2  # of the map's maximum (section 3.2)


@dataclass
class CamOutputs:
    """Logits, the map of each class at the network's own resolution, and the input's (height, width) in pixels."""

    logits: Float[Tensor, "B K"]
    maps: Float[Tensor, "B K h w"]
    size: tuple[int, int]


class CamLocalizer(Model[CamOutputs, Boxes, Boxes]):
    """A classifier whose class activation maps become boxes, one for each of the five most probable classes.

    Learns from the classes alone: images of one object.

    Args:
        classifier: a network that averages its last maps: its backbone, class head and map of weights are taken.
        threshold: share of a map's maximum from which on a position belongs to the object.
    """

    normalize: Normalize

    def __init__(self, classifier: Classifier, *, image_size: int, threshold: float = THRESHOLD) -> None:
        super().__init__()
        if not isinstance(classifier.head, ClassHead) or not classifier.head.has_class_maps:
            raise RecipeError(
                f"{type(classifier.backbone).__name__} has no class activation maps: these need a head that averages "
                "the last maps; choose squeezenet, resnet or googlenet"
            )
        self.num_classes, self.preprocess = classifier.num_classes, Resize(image_size)
        self.normalize, self.backbone, self.head = classifier.normalize, classifier.backbone, classifier.head
        self.threshold = threshold
        self.criterion: nn.Module = CrossEntropy()
        self.weight_map, self.defaults = classifier.weight_map, classifier.defaults | TrainingDefaults(random_crop=1.0)

    def forward(self, inputs: Num[Tensor, "B C H W"]) -> CamOutputs:
        """Logits and maps of uint8 images (or floats of 0..255)."""
        maps = self.backbone.top(self.normalize(inputs))
        height, width = inputs.shape[-2:]
        return CamOutputs(self.head(maps), self.head.class_maps(maps), (height, width))

    def loss(self, outputs: CamOutputs, targets: Sequence[Boxes]) -> dict[str, Tensor]:
        """The cross-entropy of the classes; boxes are not looked at.

        Raises:
            RecipeError: an image has several objects.
        """
        if any(len(target) != 1 for target in targets):
            raise RecipeError("class activation maps are for images of one object; parts need a box each to learn from")
        labels = torch.cat([target.labels for target in targets]).to(outputs.logits.device)
        return {"classes": self.criterion(outputs.logits, labels)}

    @torch.no_grad()
    def decode(self, outputs: CamOutputs, placements: Sequence[Placement]) -> list[Boxes]:
        """The most probable classes of each image, best first, each with the box of its map, in original pixels."""
        best = outputs.logits.float().softmax(1).topk(min(GUESSES, self.num_classes), 1)
        predictions = []
        for row, placement in enumerate(placements):
            maps = outputs.maps[row, best.indices[row]].float()
            boxes = torch.stack([cam_box(one, outputs.size, self.threshold) for one in maps.cpu()])
            found = Boxes(boxes, best.indices[row].cpu(), best.values[row].cpu())
            predictions.append(found.restore(placement))
        return predictions

    focus_unit = "logit"

    def complete_focus(self, outputs: CamOutputs, focus: Focus, placement: Placement) -> Focus:
        """With the best class, where none is named."""
        focus = focus.of_whole_image()
        return focus if focus.label is not None else replace(focus, label=int(outputs.logits[0].argmax()))

    def focus_scores(self, outputs: CamOutputs, focus: Focus) -> Float[Tensor, " B"]:
        """The logit of the class."""
        assert focus.label is not None
        return outputs.logits[:, focus.label]

    def export_graph(self, height: int, width: int) -> ExportGraph:
        """From pixels to "scores", "labels" (B, G) of the best classes and their "maps" (B, G, H, W), see `cam_box`."""
        images = torch.zeros((2, 3, height, width), dtype=torch.uint8)
        outputs = ("scores", "labels", "maps")
        return ExportGraph(
            ExportedCam(self), {"images": images}, outputs, Decoding("cam", {"threshold": self.threshold})
        )

    def backbone_stages(self) -> list[nn.Module]:
        return self.backbone.stages()

    def replace_criterion(self, change: Callable[[nn.Module], nn.Module]) -> None:
        self.criterion = change(self.criterion)

    def measure_pixels(self, images: Tensor, kind: PixelStatistics) -> None:
        self.normalize.measure(images, kind)


class ExportedCam(nn.Module):
    """From uint8 pixels to the most probable classes, best first, and the maps of each over the input."""

    def __init__(self, model: CamLocalizer) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: UInt8[Tensor, "B 3 H W"]) -> tuple[Tensor, Tensor, Tensor]:
        outputs = self.model(images)
        best = outputs.logits.float().softmax(1).topk(min(GUESSES, self.model.num_classes), 1)
        rows = best.indices[:, :, None, None].expand(-1, -1, *outputs.maps.shape[2:])
        maps = outputs.maps.gather(1, rows).float()
        return best.values, best.indices, functional.interpolate(maps, outputs.size, mode="bilinear")


def cam_box(activation: Float[Tensor, "h w"], size: tuple[int, int], threshold: float) -> Float[Tensor, " 4"]:
    """The box (xyxy) around the largest piece of a map, enlarged to `size`; see `box_of_map`."""
    large = functional.interpolate(activation[None, None], size, mode="bilinear", align_corners=False)[0, 0]
    return torch.tensor(box_of_map(large.numpy(), threshold))


@model(
    Localization,
    variants=[
        Variant(
            f"cam_{name}",
            f"Boxes of class activation maps (Zhou et al., 2016), {title}.",
            {"classifier": name},
            weights=backbone_weights(name),
        )
        for name, title in (
            ("squeezenet1_0", "SqueezeNet 1.0"),
            ("squeezenet1_1", "SqueezeNet 1.1"),
            ("resnet18", "ResNet-18"),
            ("resnet50", "ResNet-50"),
        )
    ],
)
def cam(num_classes: int, *, classifier: str, image_size: int = 224, threshold: float = THRESHOLD) -> CamLocalizer:
    """Boxes of class activation maps (Zhou et al., 2016).

    Args:
        classifier: name of the classification network.
        image_size: side of the square to which the whole image is squeezed.
        threshold: share of a map's maximum from which on a position belongs to the object.
    """
    network: Any = find(classifier).build(num_classes, image_size=image_size)
    return CamLocalizer(network, image_size=image_size, threshold=threshold)


on_classifier(cam, "cam_{backbone}", "Boxes of class activation maps (Zhou et al., 2016)")
