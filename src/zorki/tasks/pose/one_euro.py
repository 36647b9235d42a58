"""The One-Euro filter: little jitter where things are slow, little lag where they are quick (Casiez et al., 2012)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from zorki.errors import RecipeError, did_you_mean

NAME = "one-euro"


@dataclass(frozen=True)
class OneEuro:
    """The filter's parameters, in the paper's words.

    The paper filters a cursor in pixels; here speeds are in sizes of the object a second, so that the same parameters
    serve any resolution.

    Args:
        min_cutoff: cutoff frequency of what stands still, in hertz: smaller is less jitter, and more lag.
        beta: by how many hertz the cutoff rises for a speed of one size of the object a second: larger is less lag.
        derivative_cutoff: of the speed itself, in hertz; the paper's 1.
    """

    min_cutoff: float = 1.0
    beta: float = 5.0
    derivative_cutoff: float = 1.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not math.isfinite(value) or value < 0 or (value == 0 and name != "beta"):
                raise RecipeError(f"{NAME}: {name} must be above 0 (beta may be 0), but is {value}")

    @staticmethod
    def parse(text: str) -> OneEuro:
        """From "one-euro", or "one-euro:min_cutoff=0.5,beta=10". Raises RecipeError.

        >>> OneEuro.parse("one-euro:beta=10")
        OneEuro(min_cutoff=1.0, beta=10.0, derivative_cutoff=1.0)
        """
        name, _, rest = text.partition(":")
        values: dict[str, float] = {}
        if name != NAME:
            raise RecipeError(f"smooth is {text!r}; expected {NAME}, or {NAME}:min_cutoff=1,beta=5")
        for part in filter(None, rest.split(",")):
            key, _, number = part.partition("=")
            key = key.strip().replace("-", "_")
            if key not in OneEuro.__dataclass_fields__:
                parameters = list(OneEuro.__dataclass_fields__)
                raise RecipeError(
                    f"smooth: {NAME} has no {key!r}; it has {', '.join(parameters)}.{did_you_mean(key, parameters)}"
                )
            try:
                values[key] = float(number)
            except ValueError:
                raise RecipeError(f"smooth: expected a number for {key}, got {number!r}") from None
        return OneEuro(**values)


@dataclass(frozen=True)
class OneEuroState:
    """Of one object: when it was seen, where it seems to be, and how quickly it moves, in sizes of it a second."""

    seconds: float
    points: Float[Tensor, "P 2"]
    speed: Float[Tensor, "P 2"]


def step(
    settings: OneEuro, state: OneEuroState | None, points: Float[Tensor, "P 2"], seconds: float, size: float
) -> OneEuroState:
    """The state after the next look at an object (algorithm 1); it began there, if there was none.

    Args:
        points: where its joints are seen, in pixels.
        seconds: when; a time that is not after the last changes nothing but the first look.
        size: of the object, in pixels.
    """
    if state is None:
        return OneEuroState(seconds, points, torch.zeros_like(points))
    elapsed = seconds - state.seconds
    if elapsed <= 0:
        return state
    moved = (points - state.points) / max(size, 1e-6) / elapsed
    speed = _blend(settings.derivative_cutoff, elapsed, moved, state.speed)
    cutoff = settings.min_cutoff + settings.beta * speed.abs()
    return OneEuroState(seconds, _blend(cutoff, elapsed, points, state.points), speed)


def _blend(cutoff: Tensor | float, elapsed: float, new: Tensor, old: Tensor) -> Tensor:
    """An exponential filter of this cutoff (equations 1 and 6): alpha = 1 / (1 + tau / elapsed), tau = 1 / (2 pi f)."""
    alpha = 1 / (1 + 1 / (2 * math.pi * cutoff * elapsed))
    return alpha * new + (1 - alpha) * old
