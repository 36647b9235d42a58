"""Barlow Twins: numbers of two views correlate with their own twin, and with no other (Zbontar et al., 2021)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from zorki.data.preprocess.pretraining.random_views import RandomViews
from zorki.losses.self_supervised.cross_correlation import cross_correlation_loss
from zorki.registry import model
from zorki.tasks.pretraining.on_backbone import backbone_parts, on_named_backbones
from zorki.tasks.pretraining.projection_head import ProjectionHead, hidden_width
from zorki.tasks.pretraining.task import Pretraining
from zorki.tasks.pretraining.view_network import BackboneParts, ViewNetwork, ViewOutputs


class BarlowTwins(ViewNetwork):
    """A backbone and a wide head of three layers (section 2.2).

    Args:
        head: projects the features.
        redundancy: lambda, how much correlations of different numbers count.
    """

    def __init__(self, parts: BackboneParts, head: ProjectionHead, *, redundancy: float) -> None:
        super().__init__(parts)
        self.head, self.redundancy = head, redundancy

    def branches(self, features: Float[Tensor, "B V D"], images: Tensor) -> ViewOutputs:
        return ViewOutputs(features, self.head(features.flatten(0, 1)).unflatten(0, features.shape[:2]))

    def compare(self, outputs: ViewOutputs) -> dict[str, Tensor]:
        """Divided by the numbers of a projection, so that rates serve heads of any width."""
        first, second = outputs.projections.unbind(1)
        invariance, redundancy = cross_correlation_loss(first, second, self.redundancy, gathered=self.training)
        dim = outputs.projections.shape[-1]
        return {"invariance": invariance / dim, "redundancy": redundancy / dim}


@model(
    Pretraining,
    variants=on_named_backbones("barlow_twins", "Barlow Twins (Zbontar et al., 2021), on {title}."),
    any_backbone="barlow_twins_{backbone}",
)
def barlow_twins(
    num_classes: int, *, backbone: str, image_size: int = 224, width: int = 0, redundancy: float = 0.005
) -> ViewNetwork:
    """Barlow Twins (Zbontar et al., 2021).

    Args:
        backbone: name of the backbone, see `zorki.nn.backbones.named`.
        image_size: side of a view, in pixels.
        width: of head and projections; 0: 8,192, but at most four times the features.
        redundancy: how much correlations of different numbers count.
    """
    views = RandomViews(image_size, jitter=0.5, blur=1.0, later_blur=0.1, later_solarize=0.2)
    parts = backbone_parts(backbone, image_size, views)
    features = parts.backbone.channels[-1]
    hidden = hidden_width(features, 8192, width)
    return BarlowTwins(parts, ProjectionHead([features, hidden, hidden, hidden]), redundancy=redundancy)
