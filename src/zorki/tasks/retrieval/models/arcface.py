"""ArcFace: a classifier over directions, with a margin of the angle (Deng et al., 2019)."""

from __future__ import annotations

from typing import Any

from zorki.contracts import Model
from zorki.losses.metric_learning.proxies import ArcFaceLoss
from zorki.registry import model
from zorki.tasks.retrieval.embedder import Pooling
from zorki.tasks.retrieval.on_backbone import embedder, on_named_backbones
from zorki.tasks.retrieval.task import Retrieval


@model(
    Retrieval,
    variants=on_named_backbones("arcface", "ArcFace (Deng et al., 2019): {title}."),
    any_backbone="arcface_{backbone}",
)
def arcface(
    num_classes: int,
    *,
    backbone: str,
    image_size: int = 224,
    dim: int = 128,
    pooling: Pooling = "average",
    margin: float = 0.5,
    scale: float = 32.0,
) -> Model[Any, Any, Any]:
    """ArcFace (Deng et al., 2019).

    Args:
        backbone: name of the backbone, see `zorki.nn.backbones.named`.
        image_size: side of the square to which the whole image is squeezed.
        dim: D, the length of an embedding.
        pooling: of the last map: "average", "max" or "generalized_mean".
        margin: in radians.
        scale: inverse temperature of the softmax; the paper has 64, for tens of thousands of classes.
    """
    criterion = ArcFaceLoss(num_classes, dim, margin, scale)
    return embedder(backbone, criterion, "arcface", image_size=image_size, dim=dim, pooling=pooling)
