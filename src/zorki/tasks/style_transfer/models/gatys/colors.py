"""The content's colors kept (Gatys et al., 2016: Preserving Color in Neural Artistic Style Transfer)."""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from zorki.nn.layers.normalize import LUMA


def gray(image: UInt8[Tensor, "3 H W"]) -> UInt8[Tensor, "3 H W"]:
    """The luminance in all three channels."""
    return _levels(_luminance(image.float())).expand(3, -1, -1).contiguous()


def with_colors_of(image: UInt8[Tensor, "3 H W"], colors: UInt8[Tensor, "3 H W"]) -> UInt8[Tensor, "3 H W"]:
    """The luminance of one image with the colors of another (section 4): what is cut off at 0 and 255 is lost.

    Colors are differences from the luminance, as in YIQ.
    """
    source = colors.float()
    return _levels(source + _luminance(image.float()) - _luminance(source))


def matched_colors(style: UInt8[Tensor, "3 h w"], content: UInt8[Tensor, "3 H W"]) -> UInt8[Tensor, "3 h w"]:
    """The style with mean and covariance of the content's colors (section 3, by Cholesky factors)."""
    of_style, of_content = _statistics(style), _statistics(content)
    change = of_content[1] @ torch.linalg.inv(of_style[1])
    flat = style.double().flatten(1) - of_style[0]
    return _levels((change @ flat + of_content[0]).reshape(style.shape))


def _statistics(image: Tensor) -> tuple[Float[Tensor, "3 1"], Float[Tensor, "3 3"]]:
    """Mean, and the Cholesky factor of the covariance, to which rounding to levels adds: one color has one, too."""
    flat = image.double().flatten(1)
    mean = flat.mean(1, keepdim=True)
    covariance = (flat - mean) @ (flat - mean).T / flat.shape[1]
    return mean, torch.linalg.cholesky(covariance + torch.eye(3, dtype=torch.float64) / 12)


def _luminance(image: Tensor) -> Tensor:
    return (image * torch.tensor(LUMA)[:, None, None]).sum(0, keepdim=True)


def _levels(values: Tensor) -> UInt8[Tensor, "C H W"]:
    return values.round().clamp(0, 255).to(torch.uint8)
