"""Supervised contrastive loss: a softmax over a batch, in which all of one class are right."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from zorki.losses.metric_learning.distances import pair_masks


class SupervisedContrastiveLoss(nn.Module):
    """-log of the softmax over all others of a batch, averaged over an anchor's positives (Khosla et al., 2020, eq. 2).

    Args:
        temperature: tau; cosines are divided by it.
    """

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f"the temperature is above 0; got {temperature}")
        self.temperature = temperature

    def forward(self, embeddings: Float[Tensor, "B D"], labels: Int64[Tensor, " B"]) -> Float[Tensor, ""]:
        """The mean over anchors that have a positive, float32; 0 where none has."""
        positive, _ = pair_masks(labels)
        unit = functional.normalize(embeddings.float())
        itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        logits = (unit @ unit.T / self.temperature).masked_fill(itself, -torch.inf)
        log_share = (logits.masked_fill(itself, 0) - logits.logsumexp(1, keepdim=True)) * positive
        anchors = positive.any(1)
        each = log_share.sum(1) / positive.sum(1).clamp_min(1)
        return -(each * anchors).sum() / anchors.sum().clamp_min(1)
