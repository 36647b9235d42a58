"""A teacher that follows its student: the moving average of all its weights."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from zorki.errors import RecipeError


class MomentumTeacher(nn.Module):
    """Copies of parts of a network, which get no gradient (He et al., 2020: MoCo, eq. 2).

    Statistics of batch norm are the teacher's own.
    """

    def __init__(self, parts: Iterable[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(copy.deepcopy(part) for part in parts)
        self.requires_grad_(False)

    @torch.no_grad()
    def copy(self, parts: Iterable[nn.Module]) -> None:
        """Takes over all weights and statistics."""
        for mine, theirs in zip(self.parts, parts, strict=True):
            mine.load_state_dict(theirs.state_dict())

    @torch.no_grad()
    def follow(self, parts: Iterable[nn.Module], momentum: float) -> None:
        """The weights become momentum times their own and the rest of the student's."""
        mine: list[Tensor] = [parameter for part in self.parts for parameter in part.parameters()]
        theirs: list[Tensor] = [parameter for part in parts for parameter in part.parameters()]
        torch._foreach_lerp_(mine, theirs, 1 - momentum)


def check_momentum(momentum: float) -> float:
    """The momentum. Raises RecipeError where a teacher would run away from its student."""
    if not 0 <= momentum <= 1:
        raise RecipeError(f"momentum is {momentum:g}; expected 0 (the student itself) to 1 (stays as it began)")
    return momentum


def rising_momentum(start: float, progress: float) -> float:
    """From `start` to 1 along a cosine (Grill et al., 2020: BYOL, section 3.3).

    >>> rising_momentum(0.9, 0.0), rising_momentum(0.9, 1.0)
    (0.9, 1.0)
    """
    return 1 - (1 - start) * (math.cos(math.pi * progress) + 1) / 2
