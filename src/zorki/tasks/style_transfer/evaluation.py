"""How stylized images are evaluated: by the losses; taste has no score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zorki.contracts import Evaluation
from zorki.types import Annotation, ClassInfo, GeneratedImage

if TYPE_CHECKING:
    from zorki.tasks.style_transfer.metric import StyleTransferMetric


class StyleTransferEvaluation(Evaluation[Annotation, GeneratedImage]):
    """Whether images are burnt out or gray; content and style losses are told as losses of the split."""

    headline = ("unclipped", "contrast")

    def metric(self, info: ClassInfo) -> StyleTransferMetric:
        from zorki.tasks.style_transfer.metric import StyleTransferMetric

        return StyleTransferMetric()
