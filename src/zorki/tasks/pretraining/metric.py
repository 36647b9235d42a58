"""What features hold, by labels that they were never told of, and how they lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from zorki.contracts import Metric, MetricResult
from zorki.metrics.representation.geometry import alignment, effective_rank, spread, uniformity
from zorki.metrics.representation.knn import knn_labels
from zorki.metrics.representation.linear_probe import probe_labels
from zorki.tasks.pretraining.representation import Representation
from zorki.types import Annotation, Embedding, Label, check_lengths

K, TEMPERATURE = 200, 0.1
PAIRS_OF = 2048  # evenly spaced vectors of which uniformity compares all pairs


@dataclass(frozen=True, kw_only=True)
class RepresentationResult(MetricResult):
    """Scores of features; those by labels are None where the data have none.

    Attributes:
        knn: accuracy of the vote of the `neighbors` nearest training images by cosine, see `knn_labels`.
        linear_probe: accuracy of logistic regression on the features of the training images, see `probe_labels`.
        alignment: mean squared distance between the features of two views of an image, of length 1; 0..4, 0 is best.
        uniformity: log of the mean Gaussian of distances between images; 0 for one point, -4 for spread evenly.
        effective_rank: of the features; 1..dim.
        spread: root mean squared distance of unit features from their mean; 0..1.
        dim: numbers of the features.
        neighbors: k; fewer where there are fewer training images.
        reference: training images.
        classes: that the training images are of.
    """

    knn: float | None = None
    linear_probe: float | None = None
    alignment: float | None = None
    uniformity: float | None = None
    effective_rank: float | None = None
    spread: float | None = None
    dim: int | None = None
    neighbors: int = 0
    reference: int = 0
    classes: int = 0


class RepresentationMetric(Metric[Embedding, Annotation]):
    """Keeps the features of all images, of the training images too: 4 bytes for each of their numbers."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.reference: list[Tensor] = []
        self.reference_labels: list[int] = []
        self.features: list[Tensor] = []
        self.labels: list[int] = []
        self.views: list[Tensor] = []

    def update_reference(self, predictions: Sequence[Embedding], targets: Sequence[Annotation]) -> None:
        check_lengths(predictions=predictions, targets=targets)
        self.reference += [_features(one) for one in predictions]
        self.reference_labels += [target.index for target in targets if isinstance(target, Label)]

    def update(self, predictions: Sequence[Embedding], targets: Sequence[Annotation]) -> None:
        check_lengths(predictions=predictions, targets=targets)
        self.features += [_features(one) for one in predictions]
        self.labels += [target.index for target in targets if isinstance(target, Label)]
        pairs = [one.views for one in predictions if isinstance(one, Representation)]
        self.views += [pair.float().cpu() for pair in pairs if pair is not None]

    def merge(self, other: RepresentationMetric) -> None:
        self.reference += other.reference
        self.reference_labels += other.reference_labels
        self.features += other.features
        self.labels += other.labels
        self.views += other.views

    def compute(self) -> RepresentationResult:
        """Without labels how features lie; scores are None where nothing was evaluated."""
        count = len(self.features)
        if not count:
            return RepresentationResult(count=0)
        features = torch.stack(self.features)
        pairs = torch.stack(self.views) if self.views else None
        some = features[:: -(-count // PAIRS_OF)]
        knn, probe = self._by_labels(features)
        return RepresentationResult(
            count=count,
            knn=knn,
            linear_probe=probe,
            alignment=None if pairs is None else float(alignment(pairs[:, 0], pairs[:, 1])),
            uniformity=float(uniformity(some)),
            effective_rank=float(effective_rank(features)),
            spread=float(spread(features)),
            dim=features.shape[1],
            neighbors=min(K, len(self.reference)),
            reference=len(self.reference),
            classes=len(set(self.reference_labels)),
        )

    def _by_labels(self, features: Tensor) -> tuple[float | None, float | None]:
        """Accuracies of neighbors and of a linear probe, where every image has a label."""
        named = len(self.labels) == len(features) and len(self.reference_labels) == len(self.reference)
        if not named or not self.reference:
            return None, None
        reference, known = torch.stack(self.reference), torch.tensor(self.reference_labels)
        labels = torch.tensor(self.labels)
        classes = int(max(known.max(), labels.max())) + 1
        found = [
            knn_labels(features, reference, known, classes, k=K, temperature=TEMPERATURE),
            probe_labels(features, reference, known, classes),
        ]
        knn, probe = (float((one == labels).float().mean()) for one in found)
        return knn, probe


def _features(prediction: Embedding) -> Tensor:
    """Features as they were before they were made one of length 1."""
    vector: Tensor = prediction.vector.float().cpu()
    return vector * prediction.length if isinstance(prediction, Representation) else vector
