"""How far predictions are from the vectors that they predict, by cosine."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def cosine_prediction_loss(predictions: Float[Tensor, "B V D"], targets: Float[Tensor, "B V D"]) -> Float[Tensor, ""]:
    """2 - 2 cos between each view's prediction and the target of the other view, averaged.

    The squared distance of unit vectors: BYOL's (Grill et al., 2020, eq. 2), summed there over both views, and
    SimSiam's negative cosine (Chen and He, 2021, eq. 1 and 2), doubled and lifted by 2.
    """
    with torch.autocast(predictions.device.type, enabled=False):
        others = functional.normalize(targets.float().flip(1), dim=-1)
        cosines = (functional.normalize(predictions.float(), dim=-1) * others).sum(-1)
    return 2 - 2 * cosines.mean()
