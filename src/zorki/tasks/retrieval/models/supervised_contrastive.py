"""Supervised contrastive learning: a softmax over the batch (Khosla et al., 2020)."""

from __future__ import annotations

from typing import Any

from zorki.contracts import Model
from zorki.losses.metric_learning.supervised_contrastive import SupervisedContrastiveLoss
from zorki.registry import model
from zorki.tasks.retrieval.embedder import Pooling
from zorki.tasks.retrieval.on_backbone import embedder, on_named_backbones
from zorki.tasks.retrieval.task import Retrieval


@model(
    Retrieval,
    variants=on_named_backbones("supcon", "Supervised contrastive (Khosla et al., 2020), on {title}."),
    any_backbone="supcon_{backbone}",
)
def supervised_contrastive(
    num_classes: int,
    *,
    backbone: str,
    image_size: int = 224,
    dim: int = 128,
    pooling: Pooling = "average",
    temperature: float = 0.1,
) -> Model[Any, Any, Any]:
    """Supervised contrastive (Khosla et al., 2020).

    Args:
        backbone: name of the backbone, see `zorki.nn.backbones.named`.
        image_size: side of the square to which the whole image is squeezed.
        dim: D, the length of an embedding.
        pooling: of the last map: "average", "max" or "generalized_mean".
        temperature: cosines are divided by it.
    """
    criterion = SupervisedContrastiveLoss(temperature)
    return embedder(backbone, criterion, "supervised_contrastive", image_size=image_size, dim=dim, pooling=pooling)
