"""What the outputs of queries are trained with: RT-DETR's loss, and the shape that others have as well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from zorki.tasks.detection.models.detr.set_loss import SetLoss, last_and_auxiliary, total
from zorki.tasks.detection.models.rtdetr.decoder import Decoded
from zorki.tasks.detection.models.two_stage_detr.denoising import NoisyQueries
from zorki.tasks.detection.networks.target_assignment import GroundTruthBatch


@dataclass
class Proposals:
    """What the cells proposed that became queries; boxes are cxcywh in shares of the image."""

    logits: Float[Tensor, "B Q K"]
    boxes: Float[Tensor, "B Q 4"]


@runtime_checkable
class QueryLoss(Protocol):
    """Losses of what a decoder made of queries; ground truths' boxes are xyxy in shares of the image."""

    @property
    def set_loss(self) -> SetLoss: ...

    def __call__(
        self,
        decoded: Any,
        proposals: Proposals | None,
        shares: Float[Tensor, "B M 4"],
        ground_truths: GroundTruthBatch,
    ) -> dict[str, Tensor]:
        """Of the last layer one by one, "auxiliary" of those before it and "proposals", where they are given."""
        ...

    def of_noisy(
        self,
        noisy: NoisyQueries,
        decoded: Any,
        shares: Float[Tensor, "B M 4"],
        ground_truths: GroundTruthBatch,
    ) -> Float[Tensor, ""]:
        """The sum of all losses of noisy queries, each of which knows its object."""
        ...


@dataclass(frozen=True)
class LayerLoss:
    """RT-DETR's: the set loss of each layer, and of the proposals (Lv et al., 2023, section 4.1)."""

    set_loss: SetLoss

    def __call__(
        self,
        decoded: Decoded,
        proposals: Proposals | None,
        shares: Float[Tensor, "B M 4"],
        ground_truths: GroundTruthBatch,
    ) -> dict[str, Tensor]:
        losses = last_and_auxiliary(self.set_loss(decoded.logits, decoded.boxes, shares, ground_truths))
        if proposals is not None:
            layer = self.set_loss(proposals.logits[None], proposals.boxes[None], shares, ground_truths)
            losses["proposals"] = total(layer)
        return losses

    def of_noisy(
        self, noisy: NoisyQueries, decoded: Decoded, shares: Float[Tensor, "B M 4"], ground_truths: GroundTruthBatch
    ) -> Float[Tensor, ""]:
        return noisy.loss(self.set_loss, decoded.logits, decoded.boxes, shares, ground_truths)
