"""The logarithm of how likely a class is not, exact also where it is nearly certain."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def log_complement(logits: Float[Tensor, "*shape"], dim: int = -1) -> Float[Tensor, "*shape"]:
    """log(1 - y) of y = softmax(logits) along `dim`, in float32.

    1 - y rounds to 0 where y is nearly 1, which is where a loss needs its slope most; so for the most probable class
    the others are summed up instead. The slope with respect to the class's own logit is -y.
    """
    logs = logits.float().log_softmax(dim)
    top = logs.argmax(dim, keepdim=True)
    others = logs.scatter(dim, top, -torch.inf).logsumexp(dim, keepdim=True)
    rest = torch.log1p(-logs.exp().clamp_max(0.75))  # all but the most probable have a half at most
    return rest.scatter(dim, top, others)
