"""A pretrained network as it is: its pooled features, the baseline of every table."""

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
    variants=on_named_backbones("features", "Pooled features of {title} as they are: the baseline."),
    any_backbone="features_{backbone}",
)
def features(
    num_classes: int, *, backbone: str, image_size: int = 224, pooling: Pooling = "average"
) -> Model[Any, Any, Any]:
    """Pooled features as they are, without a layer of their own; trained, by the supervised contrastive loss.

    Args:
        backbone: name of the backbone, see `zorki.nn.backbones.named`.
        image_size: side of the square to which the whole image is squeezed.
        pooling: of the last map: "average", "max" or "generalized_mean".
    """
    criterion = SupervisedContrastiveLoss()
    return embedder(backbone, criterion, "supervised_contrastive", image_size=image_size, dim=None, pooling=pooling)
