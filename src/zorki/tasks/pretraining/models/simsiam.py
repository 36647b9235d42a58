"""SimSiam: one view predicts the other's projection, which is held still; that is all (Chen and He, 2021)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from zorki.data.preprocess.pretraining.random_views import RandomViews
from zorki.losses.self_supervised.cosine_prediction import cosine_prediction_loss
from zorki.registry import model
from zorki.tasks.pretraining.on_backbone import backbone_parts, on_named_backbones
from zorki.tasks.pretraining.projection_head import ProjectionHead, hidden_width
from zorki.tasks.pretraining.task import Pretraining
from zorki.tasks.pretraining.view_network import BackboneParts, ViewNetwork, ViewOutputs


class SimSiam(ViewNetwork):
    """A backbone, a head whose output is normalized, and a predictor with a narrow middle (section 3).

    Args:
        head: projects the features.
        predictor: of the other view's projection.
        stop_gradient: without it all images soon get one vector (section 4.1).
    """

    def __init__(
        self, parts: BackboneParts, head: ProjectionHead, predictor: ProjectionHead, *, stop_gradient: bool = True
    ) -> None:
        super().__init__(parts)
        self.head, self.predictor, self.stop_gradient = head, predictor, stop_gradient

    def branches(self, features: Float[Tensor, "B V D"], images: Tensor) -> ViewOutputs:
        views = features.shape[:2]
        projections = self.head(features.flatten(0, 1))
        predictions = self.predictor(projections).unflatten(0, views)
        targets = projections.detach() if self.stop_gradient else projections
        return ViewOutputs(features, predictions, targets.unflatten(0, views))

    def compare(self, outputs: ViewOutputs) -> dict[str, Tensor]:
        assert outputs.targets is not None
        return {"prediction": cosine_prediction_loss(outputs.projections, outputs.targets)}


@model(
    Pretraining,
    variants=on_named_backbones("simsiam", "SimSiam (Chen and He, 2021), on {title}."),
    any_backbone="simsiam_{backbone}",
)
def simsiam(
    num_classes: int, *, backbone: str, image_size: int = 224, width: int = 0, stop_gradient: bool = True
) -> ViewNetwork:
    """SimSiam (Chen and He, 2021).

    Args:
        backbone: name of the backbone, see `zorki.nn.backbones.named`.
        image_size: side of a view, in pixels.
        width: of head and projections; the middle of the predictor has a quarter of it. 0: 2,048, but at most four
            times the features.
        stop_gradient: hold targets still; without it the features collapse.
    """
    parts = backbone_parts(backbone, image_size, RandomViews(image_size, jitter=0.5))
    features = parts.backbone.channels[-1]
    hidden = hidden_width(features, 2048, width)
    head = ProjectionHead([features, hidden, hidden, hidden], output_norm="plain")
    predictor = ProjectionHead([hidden, max(1, hidden // 4), hidden])
    return SimSiam(parts, head, predictor, stop_gradient=stop_gradient)
