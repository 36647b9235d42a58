"""Cross-entropy of logits against one right class, or against a share for each class."""

from __future__ import annotations

from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional


class CrossEntropy(nn.Module):
    """-sum_k q_k log softmax(logits)_k, averaged over the batch, in float32.

    Args:
        label_smoothing: this share of the target is spread evenly over all classes (Szegedy et al., 2016, section 7).
        weights: (K,), one a class. Against indices the average is weighted too (divided by the sum of the weights of
            the batch's classes), against shares it is not (divided by B), as torch defines both. Not saved with a
            checkpoint: they belong to the training data.
    """

    weights: Tensor | None

    def __init__(self, label_smoothing: float = 0.0, weights: Float[Tensor, " K"] | None = None) -> None:
        super().__init__()
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing is a share from 0 up to, not including, 1; got {label_smoothing}")
        self.label_smoothing = label_smoothing
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, logits: Float[Tensor, "B K"], target: Int64[Tensor, " B"] | Float[Tensor, "B K"]) -> Tensor:
        """One number. `target`: indices of the right classes, or shares that sum to 1 a row (mixed images)."""
        if target.is_floating_point():
            target = target.float()
        return functional.cross_entropy(
            logits.float(), target, weight=self.weights, label_smoothing=self.label_smoothing
        )
