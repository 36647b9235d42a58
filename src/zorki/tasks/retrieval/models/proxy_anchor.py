"""Proxy-Anchor: a learned point for each class that pulls and pushes (Kim et al., 2020)."""

from __future__ import annotations

from typing import Any

from zorki.contracts import Model
from zorki.losses.metric_learning.proxies import ProxyAnchorLoss
from zorki.registry import model
from zorki.tasks.retrieval.embedder import Pooling
from zorki.tasks.retrieval.on_backbone import embedder, on_named_backbones
from zorki.tasks.retrieval.task import Retrieval


@model(
    Retrieval,
    variants=on_named_backbones("proxy_anchor", "Proxy-Anchor (Kim et al., 2020): {title}."),
    any_backbone="proxy_anchor_{backbone}",
)
def proxy_anchor(
    num_classes: int,
    *,
    backbone: str,
    image_size: int = 224,
    dim: int = 128,
    pooling: Pooling = "average",
    margin: float = 0.1,
    scale: float = 32.0,
) -> Model[Any, Any, Any]:
    """Proxy-Anchor (Kim et al., 2020).

    Args:
        backbone: name of the backbone, see `zorki.nn.backbones.named`.
        image_size: side of the square to which the whole image is squeezed.
        dim: D, the length of an embedding.
        pooling: of the last map: "average", "max" or "generalized_mean".
        margin: in cosine.
        scale: how much the hardest samples count beside the others.
    """
    criterion = ProxyAnchorLoss(num_classes, dim, margin, scale)
    return embedder(backbone, criterion, "proxy_anchor", image_size=image_size, dim=dim, pooling=pooling)
