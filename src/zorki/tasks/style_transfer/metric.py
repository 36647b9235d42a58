"""What can be counted of stylized images without taste: whether they are gray or burnt out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zorki.contracts import Metric, MetricResult
from zorki.types import Annotation, GeneratedImage


@dataclass(frozen=True, kw_only=True)
class StyleTransferResult(MetricResult):
    """Means over images. Content and style losses stand beside them, among the losses.

    Attributes:
        unclipped: share of values that are neither 0 nor 255: what is burnt out has lost its details.
        contrast: standard deviation of the luminance, in levels of 255; near 0 the image is one gray.
    """

    unclipped: float | None
    contrast: float | None


class StyleTransferMetric(Metric[GeneratedImage, Annotation]):
    """Sums over images."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.count, self.unclipped, self.contrast = 0, 0.0, 0.0

    def update(self, predictions: Sequence[GeneratedImage], targets: Sequence[Annotation]) -> None:
        for prediction in predictions:
            image = prediction.image
            self.count += 1
            self.unclipped += float(((image > 0) & (image < 255)).float().mean())
            self.contrast += float(image.float().mean(0).std(correction=0))

    def merge(self, other: StyleTransferMetric) -> None:
        self.count += other.count
        self.unclipped += other.unclipped
        self.contrast += other.contrast

    def compute(self) -> StyleTransferResult:
        if not self.count:
            return StyleTransferResult(count=0, unclipped=None, contrast=None)
        return StyleTransferResult(
            count=self.count, unclipped=self.unclipped / self.count, contrast=self.contrast / self.count
        )
