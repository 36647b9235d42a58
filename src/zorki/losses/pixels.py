"""What is lost on maps of classes: terms by name, and their weighted sum."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional


class PixelLoss(nn.Module):
    """Cross-entropy of every pixel, averaged over those that are judged, in float32."""

    def __init__(self, ignore: int = 255) -> None:
        super().__init__()
        self.ignore = ignore

    def forward(
        self,
        logits: Float[Tensor, "B K H W"],
        wanted: Int[Tensor, "B H W"],
        weights: Float[Tensor, "B H W"] | None = None,
    ) -> dict[str, Tensor]:
        """Each term by name, weighted; their sum is minimised.

        Args:
            wanted: classes 0..K-1, or `ignore` where nobody judged.
            weights: how much each pixel counts; None: all alike.
        """
        losses = functional.cross_entropy(logits.float(), wanted, ignore_index=self.ignore, reduction="none")
        judged = (wanted != self.ignore).float()
        if weights is not None:
            losses, judged = losses * weights, judged * weights
        return {"cross_entropy": losses.sum() / judged.sum().clamp_min(1e-6)}
