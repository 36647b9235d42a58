"""The shape that all methods share: views through one backbone, pooled features, and a head that is thrown away."""

from __future__ import annotations

import dataclasses
import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int64, Num, UInt8
from torch import Tensor, nn
from torch.nn import functional

from zorki.contracts import Model, Preprocess, TrainingDefaults
from zorki.contracts.capabilities import Decoding, ExportGraph, Focus, PixelStatistics
from zorki.errors import RecipeError
from zorki.metrics.representation.geometry import alignment, effective_rank, participation_ratio, spread, uniformity
from zorki.nn.backbones.backbone import Backbone
from zorki.nn.layers.normalize import IMAGENET_MEAN, IMAGENET_STD, Normalize
from zorki.tasks.pretraining.representation import Representation
from zorki.types import Annotation, Embedding, PatchPairs, Placement
from zorki.weights.weight_map import WeightMap

COLLAPSED = 0.02  # spread of features, or of what the loss compares, below which nothing tells images apart
ONE_DIRECTION = 1.15  # directions that carry the variance, below which all but one have been lost
_REMEDY = "Lower --lr, raise --batch-size, or take a method that pushes images apart, such as simclr or barlow_twins"


@dataclass
class ViewOutputs:
    """What a method computes of views.

    Attributes:
        features: what is kept: of the backbone, pooled.
        projections: what the loss compares, of the network that learns.
        targets: what it is compared with; None: with one another.
        neighbors: which one a patch is of the other, see `PatchPairs`; None: of views.
    """

    features: Float[Tensor, "B V D"]
    projections: Float[Tensor, "B V E"]
    targets: Float[Tensor, "B V F"] | None = None
    neighbors: Int64[Tensor, " B"] | None = None


@dataclass(frozen=True)
class BackboneParts:
    """A backbone for images of one size, with all that belongs to it; see `zorki.tasks.pretraining.on_backbone`."""

    backbone: Backbone
    preprocess: Preprocess
    mean: Sequence[float] = IMAGENET_MEAN
    std: Sequence[float] = IMAGENET_STD
    weight_map: WeightMap = WeightMap()
    defaults: TrainingDefaults = TrainingDefaults()
    choices: tuple[tuple[str, Any, str], ...] = ()


class ViewNetwork(Model[ViewOutputs, Annotation, Embedding]):
    """A backbone, and what a method puts on top of it while it learns.

    Inputs are views (B, V, 3, H, W): two that are compared, behind the image as it is in evaluation, and in prediction
    that one alone. Of a single view there is no loss.
    """

    normalize: Normalize
    filled_weights = ("teacher.",)  # by `synchronize`, where there is a teacher

    def __init__(self, parts: BackboneParts) -> None:
        super().__init__()
        self.preprocess = parts.preprocess
        self.normalize = Normalize(3, parts.mean, parts.std)
        self.backbone = parts.backbone
        self.embedding_dim = parts.backbone.channels[-1]
        self.weight_map = parts.weight_map
        self.defaults = parts.defaults
        self._choices = parts.choices

    @abstractmethod
    def branches(self, features: Float[Tensor, "B V D"], images: Tensor) -> ViewOutputs:
        """Features with what the method makes of them.

        Args:
            images: the views (B V, 3, H, W), normalized, for a teacher to see.
        """

    @abstractmethod
    def compare(self, outputs: ViewOutputs) -> dict[str, Tensor]:
        """The losses of two views of each image."""

    def forward(self, inputs: PatchPairs | Num[Tensor, "B V 3 H W"]) -> ViewOutputs:
        """Outputs for views of uint8 images (or floats of 0..255), or for pairs of patches."""
        views = inputs.images if isinstance(inputs, PatchPairs) else inputs
        images = self.normalize(views.flatten(0, 1).contiguous(memory_format=torch.channels_last))
        outputs = self.branches(pooled(self.backbone, images).unflatten(0, views.shape[:2]), images)
        return replace(outputs, neighbors=inputs.neighbors) if isinstance(inputs, PatchPairs) else outputs

    def trace(self, images: Num[Tensor, "B 3 H W"]) -> ViewOutputs:
        """One view of each image, through all that learns; see `Traces`."""
        normalized = self.normalize(images)
        return self.branches(pooled(self.backbone, normalized)[:, None], normalized)

    def loss(self, outputs: ViewOutputs, targets: Sequence[Annotation]) -> dict[str, Tensor]:
        """Of the last two views; nothing where there is one. Targets tell nothing."""
        return self.compare(_last_two(outputs)) if outputs.features.shape[1] > 1 else {}

    @torch.no_grad()
    def decode(self, outputs: ViewOutputs, placements: Sequence[Placement]) -> list[Embedding]:
        """The features of the first view of each image, on the CPU."""
        features = outputs.features.float().cpu()
        lengths = features[:, 0].norm(dim=1).tolist()
        unit = functional.normalize(features, dim=2)
        pairs = unit[:, -2:] if unit.shape[1] > 2 else [None] * len(unit)
        rows = zip(unit[:, 0], lengths, pairs, strict=True)
        return [Representation(vector, length, pair) for vector, length, pair in rows]

    def diagnostics(self, outputs: ViewOutputs, targets: Sequence[Annotation]) -> dict[str, Tensor]:
        """How the views of a batch lie, before and behind the head."""
        features = outputs.features
        compared = outputs.projections if outputs.targets is None else outputs.targets
        found = {
            "spread": spread(features.flatten(0, 1)),
            "projection_spread": spread(compared.flatten(0, 1)),
            "projection_directions": participation_ratio(compared.flatten(0, 1)),
            "effective_rank": effective_rank(features.flatten(0, 1)),
        }
        if features.shape[1] > 1:
            found["alignment"] = alignment(features[:, 0], features[:, 1])
            found["uniformity"] = uniformity(features[:, 0])
        return found

    def failure(self, diagnostics: Mapping[str, float]) -> str | None:
        """Collapse: all images get nearly the same vector, or vectors on one line."""
        for name, what in (("spread", "features"), ("projection_spread", "projections")):
            if name in diagnostics and not diagnostics[name] >= COLLAPSED:  # NaN as well
                return (
                    f"the {what} have collapsed: all images get nearly the same vector (their spread is "
                    f"{diagnostics[name]:.4f}; 1 is all around). {_REMEDY}"
                )
        if diagnostics.get("projection_directions", math.inf) < ONE_DIRECTION:
            return (
                "the projections have collapsed onto one line: what the loss compares differs in one direction "
                f"({diagnostics['projection_directions']:.2f} carry the variance). {_REMEDY}"
            )
        return None

    def vary_views(self, fields: Mapping[str, Any]) -> None:
        """Views with other values of these fields of their preprocessing, as far as it has them."""
        known = {f.name for f in dataclasses.fields(self.preprocess)}  # type: ignore[arg-type]
        own = {name: value for name, value in fields.items() if name in known}
        self.preprocess = dataclasses.replace(self.preprocess, **own)  # type: ignore[type-var]

    def synchronize(self) -> None:
        """Teachers take over what their students begin with, before training; nothing where there is none."""

    def choices(self) -> Sequence[tuple[str, Any, str]]:
        return self._choices

    focus_unit = "cosine similarity"

    def complete_focus(self, outputs: ViewOutputs, focus: Focus, placement: Placement) -> Focus:
        """As it is. Raises RecipeError where no image is named to compare with, or a box or a class is."""
        if focus.reference is None:
            raise RecipeError("features have no score of their own; name the image to compare with: --reference IMAGE")
        return focus.of_whole_image(classes=False)

    def focus_scores(self, outputs: ViewOutputs, focus: Focus) -> Float[Tensor, " B"]:
        """The cosine similarity of the first view to the reference."""
        assert focus.reference is not None
        return (
            functional.normalize(outputs.features[:, 0].float(), dim=1) @ focus.reference.to(outputs.features).float()
        )

    def backbone_stages(self) -> list[nn.Module]:
        return self.backbone.stages()

    def measure_pixels(self, images: Tensor, kind: PixelStatistics) -> None:
        self.normalize.measure(images, kind)

    def export_graph(self, height: int, width: int) -> ExportGraph:
        """From pixels to "embedding" (B, D), of length 1, and "length" (B), which the features had."""
        images = torch.zeros((2, 3, height, width), dtype=torch.uint8)
        return ExportGraph(ExportedFeatures(self), {"images": images}, ("embedding", "length"), Decoding("embedding"))


class ExportedFeatures(nn.Module):
    """A pretrained network from uint8 pixels to its features."""

    def __init__(self, model: ViewNetwork) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: UInt8[Tensor, "B 3 H W"]) -> tuple[Float[Tensor, "B D"], Float[Tensor, " B"]]:
        """Features of length 1, and their length before."""
        pixels = self.model.normalize(images)
        features = pooled(self.model.backbone, pixels).float()
        return functional.normalize(features, dim=1), features.norm(dim=1)


def pooled(backbone: Backbone, images: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N D"]:
    """The mean of a backbone's last map."""
    return backbone(images)[-1].mean((2, 3))


def _last_two(outputs: ViewOutputs) -> ViewOutputs:
    parts = (outputs.features, outputs.projections, outputs.targets)
    features, projections, targets = (part if part is None else part[:, -2:] for part in parts)
    assert features is not None
    assert projections is not None
    return ViewOutputs(features, projections, targets, outputs.neighbors)
