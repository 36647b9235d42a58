"""The one shape that every classifier has: pixels, normalization, backbone, head, softmax."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float, Num, UInt8
from torch import Tensor, nn

from zorki.contracts import Model, Preprocess, TrainingDefaults
from zorki.contracts.capabilities import Decoding, ExportGraph, Focus, PixelStatistics
from zorki.losses.cross_entropy import CrossEntropy
from zorki.nn.backbones.backbone import Backbone
from zorki.nn.layers.normalize import IMAGENET_MEAN, IMAGENET_STD, Normalize
from zorki.types import Label, Placement
from zorki.weights.weight_map import WeightMap


@dataclass
class Logits:
    """The logits of a classifier; `auxiliary` is empty but in training, and for most networks."""

    main: Float[Tensor, "B K"]
    auxiliary: list[Tensor] = field(default_factory=list)  # each (B, K)


# Exported graphs take networks apart into tensors, and must know this type for one that holds some.
torch.export.register_dataclass(Logits)


class Classifier(Model[Logits, Label, Label]):
    """A backbone with a head, trained by cross-entropy.

    Args:
        backbone: makes features.
        head: turns `backbone.top` into (B, num_classes) logits.
        num_classes: K.
        preprocess: from images of any size to the batch.
        channels: of the backbone's input; RGB images turn gray where it is 1.
        mean, std: of the input in units of 0..1, as the published weights want them.
        auxiliary: turns the backbone's inner maps (`top_and_sides`) into a list of logits, while training only.
        auxiliary_weight: of each auxiliary loss.
        weight_map: from published weights to ours.
        defaults: training settings that suit this network.
    """

    normalize: Normalize

    def __init__(
        self,
        backbone: Backbone,
        head: nn.Module,
        *,
        num_classes: int,
        preprocess: Preprocess,
        channels: int = 3,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        auxiliary: nn.Module | None = None,
        auxiliary_weight: float = 0.3,
        weight_map: WeightMap = WeightMap(),
        defaults: TrainingDefaults = TrainingDefaults(),
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.preprocess = preprocess
        self.normalize = Normalize(channels, mean, std)
        self.backbone = backbone
        self.head = head
        self.auxiliary = auxiliary
        self.auxiliary_weight = auxiliary_weight
        self.criterion: nn.Module = CrossEntropy()
        self.weight_map = weight_map
        self.defaults = defaults

    def forward(self, inputs: Num[Tensor, "B C H W"]) -> Logits:
        """Logits of uint8 images (or floats of 0..255)."""
        x = self.normalize(inputs)
        if self.auxiliary is None or not self.training:
            return Logits(self.head(self.backbone.top(x)))
        top, sides = self.backbone.top_and_sides(x)
        return Logits(self.head(top), self.auxiliary(sides))

    def loss(self, outputs: Logits, targets: Sequence[Label]) -> dict[str, Tensor]:
        """The cross-entropy, and the weighted sum of the auxiliary classifiers' where there are any."""
        probabilities = _target_of(targets, self.num_classes, outputs.main.device)
        losses = {"cross_entropy": self.criterion(outputs.main, probabilities)}
        if outputs.auxiliary:
            sides = torch.stack([self.criterion(logits, probabilities) for logits in outputs.auxiliary])
            losses["auxiliary"] = self.auxiliary_weight * sides.sum()
        return losses

    @torch.no_grad()
    def decode(self, outputs: Logits, placements: Sequence[Placement]) -> list[Label]:
        """The best class of each image, with the probability of every class, on the CPU."""
        # One copy a batch: a copy an image would make a GPU wait B times.
        scores = outputs.main.float().softmax(1).cpu()
        best = scores.argmax(1).tolist()
        return [Label(index, row) for index, row in zip(best, scores.unbind(), strict=True)]

    def backbone_stages(self) -> list[nn.Module]:
        return self.backbone.stages()

    def measure_pixels(self, images: Tensor, kind: PixelStatistics) -> None:
        self.normalize.measure(images, kind)

    def replace_criterion(self, change: Callable[[nn.Module], nn.Module]) -> None:
        self.criterion = change(self.criterion)

    def expected_loss(self) -> float:
        return math.log(self.num_classes)

    focus_unit = "logit"

    def complete_focus(self, outputs: Logits, focus: Focus, placement: Placement) -> Focus:
        """With the best class, where none is named."""
        focus = focus.of_whole_image()
        return focus if focus.label is not None else replace(focus, label=int(outputs.main[0].argmax()))

    def focus_scores(self, outputs: Logits, focus: Focus) -> Float[Tensor, " B"]:
        """The logit of the class, before the softmax (Selvaraju et al., 2017, section 3)."""
        assert focus.label is not None
        return outputs.main[:, focus.label]

    def export_graph(self, height: int, width: int) -> ExportGraph:
        """From pixels to "scores" (B, K), which sum to 1."""
        images = torch.zeros((2, 3, height, width), dtype=torch.uint8)
        return ExportGraph(ExportedClassifier(self), {"images": images}, ("scores",), Decoding("label"))


class ExportedClassifier(nn.Module):
    """A classifier from uint8 pixels to probabilities: the scores of `decode`."""

    def __init__(self, model: Classifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: UInt8[Tensor, "B 3 H W"]) -> Float[Tensor, "B K"]:
        """The softmax of the logits."""
        return self.model(images).main.float().softmax(1)  # type: ignore[no-any-return]


def _target_of(targets: Sequence[Label], num_classes: int, device: torch.device) -> Tensor:
    """(B,) indices where every image has one class; (B, K) shares where any is mixed."""
    indices = torch.tensor([target.index for target in targets], dtype=torch.int64)
    if all(target.scores is None for target in targets):
        return indices.to(device, non_blocking=True)
    shares = torch.nn.functional.one_hot(indices, num_classes).float()
    for row, target in enumerate(targets):
        if target.scores is not None:
            shares[row] = target.scores
    return shares.to(device, non_blocking=True)
