"""Triplet networks: nearer to one's own class than to any other (FaceNet; Schroff et al., 2015)."""

from __future__ import annotations

from typing import Any

from zorki.contracts import Model
from zorki.losses.metric_learning.triplet import Mining, TripletLoss
from zorki.registry import model
from zorki.tasks.retrieval.embedder import Pooling
from zorki.tasks.retrieval.on_backbone import embedder, on_named_backbones
from zorki.tasks.retrieval.task import Retrieval


@model(
    Retrieval,
    variants=on_named_backbones("triplet", "Triplet network (Schroff et al., 2015): {title}."),
    any_backbone="triplet_{backbone}",
)
def triplet(
    num_classes: int,
    *,
    backbone: str,
    image_size: int = 224,
    dim: int = 128,
    pooling: Pooling = "average",
    margin: float = 0.2,
    mining: Mining = "semi_hard",
    squared: bool = False,
) -> Model[Any, Any, Any]:
    """Triplet network (Schroff et al., 2015; Hermans et al., 2017).

    Args:
        backbone: name of the backbone, see `zorki.nn.backbones.named`.
        image_size: side of the square to which the whole image is squeezed.
        dim: D, the length of an embedding.
        pooling: of the last map: "average", "max" or "generalized_mean".
        margin: by which another class has to be farther away.
        mining: which triplets of a batch: "all", "random", "semi_hard" or "hardest".
        squared: squared distances, as FaceNet.
    """
    criterion = TripletLoss(margin, mining, squared=squared)
    return embedder(backbone, criterion, "triplet", image_size=image_size, dim=dim, pooling=pooling)
