"""Siamese networks: two images through one network, and the contrastive loss (Hadsell et al., 2006)."""

from __future__ import annotations

from typing import Any

from zorki.contracts import Model
from zorki.losses.metric_learning.contrastive import ContrastiveLoss, Hinge
from zorki.registry import model
from zorki.tasks.retrieval.embedder import Pooling
from zorki.tasks.retrieval.on_backbone import embedder, on_named_backbones
from zorki.tasks.retrieval.task import Retrieval


@model(
    Retrieval,
    variants=on_named_backbones("siamese", "Siamese network (Hadsell et al., 2006), on {title}."),
    any_backbone="siamese_{backbone}",
)
def siamese(
    num_classes: int,
    *,
    backbone: str,
    image_size: int = 224,
    dim: int = 128,
    pooling: Pooling = "average",
    margin: float = 1.0,
    hinge: Hinge = "squared_distance",
) -> Model[Any, Any, Any]:
    """Siamese network (Hadsell, Chopra, LeCun, 2006).

    Args:
        backbone: name of the backbone, see `zorki.nn.backbones.named`.
        image_size: side of the square to which the whole image is squeezed.
        dim: D, the length of an embedding.
        pooling: of the last map: "average", "max" or "generalized_mean".
        margin: beyond which images of different classes are left alone; in squared distance, at most
            4 on the sphere.
        hinge: what the margin is compared with: "squared_distance", or "distance" (the original).
    """
    criterion = ContrastiveLoss(margin, hinge)
    return embedder(backbone, criterion, "contrastive", image_size=image_size, dim=dim, pooling=pooling)
