"""The one shape that every embedding network has: pixels, normalization, backbone, pooling, a point on the sphere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float, Num, UInt8
from torch import Tensor, nn
from torch.nn import functional

from zorki.contracts import Model, Preprocess, TrainingDefaults
from zorki.contracts.capabilities import Decoding, ExportGraph, Focus, PixelStatistics
from zorki.errors import RecipeError
from zorki.losses.metric_learning.supervised_contrastive import SupervisedContrastiveLoss
from zorki.nn.backbones.backbone import Backbone
from zorki.nn.layers.initialize import initialize_output
from zorki.nn.layers.normalize import IMAGENET_MEAN, IMAGENET_STD, Normalize
from zorki.tasks.retrieval.pooling import GeneralizedMean
from zorki.types import Embedding, Label, Placement
from zorki.weights.weight_map import WeightMap

Pooling = Literal["average", "max", "generalized_mean"]


@dataclass
class Embeddings:
    """Vectors of length 1."""

    vectors: Float[Tensor, "B D"]


torch.export.register_dataclass(Embeddings)


class Embedder(Model[Embeddings, Label, Embedding]):
    """A backbone whose pooled last map becomes a point on the unit sphere.

    Args:
        backbone: makes features.
        criterion: of (vectors (B, D), labels (B,)): one number, or (loss, share of active triplets).
        loss_name: what it is called in logs.
        dim: D; None: the pooled features as they are, without a layer of their own.
        pooling: of the last map: "average", "max", or "generalized_mean" with a learned power.
        mean, std: of the input in units of 0..1, as the published weights want them.
    """

    normalize: Normalize

    def __init__(
        self,
        backbone: Backbone,
        criterion: nn.Module,
        *,
        loss_name: str,
        dim: int | None,
        preprocess: Preprocess,
        pooling: Pooling = "average",
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        weight_map: WeightMap = WeightMap(),
        defaults: TrainingDefaults = TrainingDefaults(),
    ) -> None:
        super().__init__()
        self.preprocess = preprocess
        self.normalize = Normalize(3, mean, std)
        self.backbone = backbone
        self.embedding_dim = backbone.channels[-1] if dim is None else dim
        self.pool = _pooling(pooling)
        self.projection = nn.Identity() if dim is None else nn.Linear(backbone.channels[-1], dim)
        if isinstance(self.projection, nn.Linear):
            initialize_output(self.projection)
        self.criterion = criterion
        self.loss_name = loss_name
        self.weight_map = weight_map
        self.defaults = defaults

    def forward(self, inputs: Num[Tensor, "B 3 H W"]) -> Embeddings:
        """Embeddings of uint8 images (or floats of 0..255)."""
        pooled = self.pool(self.backbone(self.normalize(inputs))[-1]).flatten(1)
        return Embeddings(functional.normalize(self.projection(pooled).float()))

    def loss(self, outputs: Embeddings, targets: Sequence[Label]) -> dict[str, Tensor]:
        found = self.criterion(outputs.vectors, _labels(targets, outputs))
        return {self.loss_name: found[0] if isinstance(found, tuple) else found}

    @torch.no_grad()
    def expected_losses(self, outputs: Embeddings, targets: Sequence[Label]) -> dict[str, float]:
        """Of a softmax over the batch, the logarithm of the number of candidates: all vectors alike.

        Of other criteria nothing: triplets and proxies cost what distances and scales make of chance.
        """
        if not isinstance(self.criterion, SupervisedContrastiveLoss):
            return {}
        alike = torch.ones_like(outputs.vectors)
        return {self.loss_name: float(self.criterion(alike, _labels(targets, outputs)))}

    def diagnostics(self, outputs: Embeddings, targets: Sequence[Label]) -> dict[str, Tensor]:
        """The share of active triplets, where there are triplets; the spread of the batch, 0 where it has collapsed."""
        vectors = outputs.vectors
        found = {"spread": (vectors - vectors.mean(0)).square().sum(1).mean().sqrt()}
        if isinstance(loss := self.criterion(vectors, _labels(targets, outputs)), tuple):
            found["active_triplets"] = loss[1]
        return found

    @torch.no_grad()
    def decode(self, outputs: Embeddings, placements: Sequence[Placement]) -> list[Embedding]:
        """The point of each image, on the CPU."""
        return [Embedding(vector) for vector in outputs.vectors.cpu().unbind()]

    focus_unit = "cosine similarity"

    def complete_focus(self, outputs: Embeddings, focus: Focus, placement: Placement) -> Focus:
        """As it is. Raises RecipeError where no image is named to compare with, or a box or a class is."""
        if focus.reference is None:
            raise RecipeError("an embedding has no score of its own; name the image to compare with: --reference IMAGE")
        return focus.of_whole_image(classes=False)

    def focus_scores(self, outputs: Embeddings, focus: Focus) -> Float[Tensor, " B"]:
        """The cosine similarity to the reference."""
        assert focus.reference is not None
        return outputs.vectors @ focus.reference.to(outputs.vectors)

    def backbone_stages(self) -> list[nn.Module]:
        return self.backbone.stages()

    def measure_pixels(self, images: Tensor, kind: PixelStatistics) -> None:
        self.normalize.measure(images, kind)

    def export_graph(self, height: int, width: int) -> ExportGraph:
        """From pixels to "embedding" (B, D), of length 1."""
        images = torch.zeros((2, 3, height, width), dtype=torch.uint8)
        return ExportGraph(ExportedEmbedder(self), {"images": images}, ("embedding",), Decoding("embedding"))


class ExportedEmbedder(nn.Module):
    """An embedding network from uint8 pixels to vectors."""

    def __init__(self, model: Embedder) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: UInt8[Tensor, "B 3 H W"]) -> Float[Tensor, "B D"]:
        """The vectors of length 1."""
        return self.model(images).vectors  # type: ignore[no-any-return]


def _pooling(name: Pooling) -> nn.Module:
    if name not in get_args(Pooling):
        raise RecipeError(f"pooling is one of {', '.join(get_args(Pooling))}; got {name!r}")
    if name == "generalized_mean":
        return GeneralizedMean()
    return nn.AdaptiveAvgPool2d(1) if name == "average" else nn.AdaptiveMaxPool2d(1)


def _labels(targets: Sequence[Label], outputs: Embeddings) -> Tensor:
    labels = torch.tensor([target.index for target in targets], dtype=torch.int64)
    return labels.to(outputs.vectors.device, non_blocking=True)
