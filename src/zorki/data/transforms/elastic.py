"""Elastic deformation: images bent smoothly, as tissue and handwriting are."""

from __future__ import annotations

from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

POINTS = 3  # a side of the coarse grid


def draw_displacements(deviation: float, generator: torch.Generator) -> Float[Tensor, "2 3 3"]:
    """By how much each point of a coarse grid moves, right and down: Gaussian, of that deviation in pixels."""
    return torch.randn((2, POINTS, POINTS), generator=generator) * deviation


def displacement_field(
    displacements: Float[Tensor, "2 3 3"], height: int, width: int
) -> Float[Tensor, "2 height width"]:
    """By how much every pixel of an image moves, right and down: bicubic between the points of the coarse grid.

    Ronneberger et al. (2015), section 3.1: a grid of 3 x 3 and a deviation of 10 pixels, in images of 572. The
    paper does not say where the grid lies; here it spans the image from corner to corner. Simard et al. (2003),
    section 2, smooth the noise of every pixel instead. Beyond a deviation of a twentieth of the shorter side
    images are not only bent but folded.
    """
    along, across = _cubic(height), _cubic(width)
    return along @ displacements @ across.T


@lru_cache(maxsize=64)
def _cubic(side: int) -> Float[Tensor, "side 3"]:
    """How much each of three points in a row counts at each pixel between them: cubic convolution (Keys, 1981)."""
    points = torch.eye(POINTS)[None, None]
    return torch.nn.functional.interpolate(points, (side, POINTS), mode="bicubic", align_corners=True)[0, 0]
