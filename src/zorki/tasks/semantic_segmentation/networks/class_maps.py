"""What segmenters put out: a map of logits for each class."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass
class ClassMaps:
    """Logits of every class at every pixel of the input; `auxiliary` is empty but in training."""

    main: Float[Tensor, "B K H W"]
    auxiliary: list[Tensor] = field(default_factory=list)  # each (B, K, H, W)


torch.export.register_dataclass(ClassMaps)
