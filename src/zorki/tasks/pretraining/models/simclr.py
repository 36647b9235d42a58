"""SimCLR: which of all views of a batch is the other view of the same image? (Chen et al., 2020)"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from zorki.errors import RecipeError
from zorki.losses.self_supervised.info_nce import InfoNceLoss
from zorki.registry import Variant, model
from zorki.tasks.pretraining.on_backbone import backbone_parts, on_named_backbones
from zorki.tasks.pretraining.projection_head import ProjectionHead, hidden_width
from zorki.tasks.pretraining.task import Pretraining
from zorki.tasks.pretraining.view_network import BackboneParts, ViewNetwork, ViewOutputs
from zorki.types import Annotation


class SimClr(ViewNetwork):
    """A backbone, a projection head of some layers, and a softmax over all views of a batch (section 2.1).

    Args:
        head: stands on the features; its layers have batch norm, as the authors' code has it.
        criterion: of two batches of vectors.
        kept: how many layers of the head the features that are kept go through; version 2 keeps the first (Chen et
            al., 2020: Big Self-Supervised Models, section 2).
    """

    def __init__(self, parts: BackboneParts, head: ProjectionHead, criterion: InfoNceLoss, *, kept: int = 0) -> None:
        super().__init__(parts)
        self.head, self.criterion, self.kept = head, criterion, kept
        if kept:
            self.embedding_dim = int(head.blocks[kept - 1][0].out_features)  # type: ignore[index, union-attr, arg-type]

    def branches(self, features: Float[Tensor, "B V D"], images: Tensor) -> ViewOutputs:
        views = features.shape[:2]
        kept = self.head.run(features.flatten(0, 1), 0, self.kept)
        projections = self.head.run(kept, self.kept)
        return ViewOutputs(kept.unflatten(0, views), projections.unflatten(0, views))

    def compare(self, outputs: ViewOutputs) -> dict[str, Tensor]:
        return {"contrastive": self.criterion(*outputs.projections.unbind(1))}

    @torch.no_grad()
    def expected_losses(self, outputs: ViewOutputs, targets: Sequence[Annotation]) -> dict[str, float]:
        """The logarithm of the number of candidates: all views alike."""
        first, second = torch.ones_like(outputs.projections[:, -2:]).unbind(1)
        return {"contrastive": float(self.criterion(first, second))} if outputs.projections.shape[1] > 1 else {}


_VERSION_2 = {"layers": 3, "kept": 1}


@model(
    Pretraining,
    variants=[
        *on_named_backbones("simclr", "SimCLR (Chen et al., 2020), on {title}."),
        *on_named_backbones("simclr_v2", "SimCLR v2 (Chen et al., 2020), on {title}.", _VERSION_2),
    ],
    any_backbone=[
        Variant("simclr_{backbone}", "SimCLR (Chen et al., 2020)", {}),
        Variant("simclr_v2_{backbone}", "SimCLR v2 (Chen et al., 2020)", _VERSION_2),
    ],
)
def simclr(
    num_classes: int,
    *,
    backbone: str,
    image_size: int = 224,
    layers: int = 2,
    kept: int = 0,
    width: int = 0,
    dim: int = 128,
    temperature: float = 0.2,
    normalized: bool = True,
    hardest: int = 0,
) -> ViewNetwork:
    """SimCLR (Chen et al., 2020).

    Args:
        backbone: name of the backbone, see `zorki.nn.backbones.named`.
        image_size: side of a view, in pixels.
        layers: of the projection head; version 1 has 2, version 2 has 3.
        kept: layers of the head behind which features are kept; 0: before the head.
        width: of the head's hidden layers; 0: 2,048, but at most four times the features.
        dim: numbers of a projection.
        temperature: similarities are divided by it; the paper has .5 for CIFAR-10 and .1 for ImageNet.
        normalized: compare by cosine, else by inner product.
        hardest: how many negatives of each view count, the most similar; 0: all.
    """
    if not 0 <= kept < layers:
        raise RecipeError(f"kept is {kept}, of a head of {layers} layers; expected 0..{layers - 1}")
    parts = backbone_parts(backbone, image_size)
    features = parts.backbone.channels[-1]
    hidden = hidden_width(features, 2048, width)
    head = ProjectionHead([features, *[hidden] * (layers - 1), dim], output_norm="plain")
    criterion = InfoNceLoss(temperature, normalized=normalized, hardest=hardest)
    return SimClr(parts, head, criterion, kept=kept)
