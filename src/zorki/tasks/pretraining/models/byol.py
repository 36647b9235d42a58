"""BYOL: one view predicts what a slow copy of the network makes of the other; no negatives (Grill et al., 2020)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from zorki.data.preprocess.pretraining.random_views import RandomViews
from zorki.losses.self_supervised.cosine_prediction import cosine_prediction_loss
from zorki.registry import model
from zorki.tasks.pretraining.momentum_teacher import MomentumTeacher, check_momentum, rising_momentum
from zorki.tasks.pretraining.on_backbone import backbone_parts, on_named_backbones
from zorki.tasks.pretraining.projection_head import ProjectionHead, hidden_width
from zorki.tasks.pretraining.task import Pretraining
from zorki.tasks.pretraining.view_network import BackboneParts, ViewNetwork, ViewOutputs, pooled


class Byol(ViewNetwork):
    """An online network with a predictor, and a target network that follows it (section 3.1).

    Args:
        head: projects the features.
        predictor: of the target's projection of the other view.
        momentum: of the target network at the beginning; it rises to 1.
    """

    def __init__(
        self, parts: BackboneParts, head: ProjectionHead, predictor: ProjectionHead, *, momentum: float
    ) -> None:
        super().__init__(parts)
        self.head, self.predictor, self.momentum = head, predictor, check_momentum(momentum)
        self.teacher = MomentumTeacher([self.backbone, head])

    def branches(self, features: Float[Tensor, "B V D"], images: Tensor) -> ViewOutputs:
        views = features.shape[:2]
        predictions = self.predictor(self.head(features.flatten(0, 1)))
        with torch.no_grad():
            backbone, head = self.teacher.parts
            targets = head(pooled(backbone, images))  # type: ignore[arg-type]
        return ViewOutputs(features, predictions.unflatten(0, views), targets.unflatten(0, views))

    def compare(self, outputs: ViewOutputs) -> dict[str, Tensor]:
        assert outputs.targets is not None
        return {"prediction": cosine_prediction_loss(outputs.projections, outputs.targets)}

    def after_step(self, progress: float) -> None:
        """The target network follows, ever more slowly."""
        self.teacher.follow([self.backbone, self.head], rising_momentum(self.momentum, progress))

    def synchronize(self) -> None:
        self.teacher.copy([self.backbone, self.head])


@model(
    Pretraining,
    variants=on_named_backbones("byol", "BYOL (Grill et al., 2020), on {title}."),
    any_backbone="byol_{backbone}",
)
def byol(
    num_classes: int,
    *,
    backbone: str,
    image_size: int = 224,
    width: int = 0,
    dim: int = 256,
    momentum: float = 0.9,
) -> ViewNetwork:
    """BYOL (Grill et al., 2020).

    Args:
        backbone: name of the backbone, see `zorki.nn.backbones.named`.
        image_size: side of a view, in pixels.
        width: of the hidden layers of head and predictor; 0: 4,096, but at most four times the features.
        dim: numbers of a projection.
        momentum: of the target network at the beginning; it rises to 1. The paper has .996, for 1,000 epochs; with
            hundreds of steps, .9 learns more than .99.
    """
    views = RandomViews(image_size, jitter=0.5, blur=1.0, later_blur=0.1, later_solarize=0.2)
    parts = backbone_parts(backbone, image_size, views)
    features = parts.backbone.channels[-1]
    hidden = hidden_width(features, 4096, width)
    head, predictor = ProjectionHead([features, hidden, dim]), ProjectionHead([dim, hidden, dim])
    return Byol(parts, head, predictor, momentum=momentum)
