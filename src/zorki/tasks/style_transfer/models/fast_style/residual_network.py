"""The image transformation network (Johnson et al., 2016, section 3.1 and supplementary material, Table 1)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from zorki.errors import RecipeError

NORMS = ("batch", "instance")
BLOCKS = 5
PADDING = 40  # pixels at each edge, which the residual blocks take away again: 5 blocks of 2 x 2 at a quarter


class ResidualTransform(nn.Module):
    """Pixels 0..255 to pixels 0..255 of the same size: down to a quarter, five residual blocks, and up again.

    As in the paper: reflection padding of 40 pixels, residual blocks without padding (Gross & Wilber's, without a ReLU
    behind the sum), and a scaled tanh at the end.

    Args:
        norm: "batch" as in the paper, or "instance" (Ulyanov et al., 2016), by which the contrast of the content no
            longer shows in the style.
        width: channels of the first layer; the paper's 32.
        nearest: enlarge by nearest neighbors and convolve (Odena et al., 2016), which leaves no checkerboard, in the
            place of the paper's transposed convolutions.
    """

    def __init__(self, *, norm: str = "instance", width: int = 32, nearest: bool = True) -> None:
        super().__init__()
        if norm not in NORMS:
            raise RecipeError(f"norm is {norm!r}; expected one of {', '.join(NORMS)}")
        if width < 4:
            raise RecipeError(f"width is {width}; expected at least 4 channels")
        self.down = nn.Sequential(
            *_convolution(3, width, 9, norm),
            *_convolution(width, 2 * width, 3, norm, stride=2),
            *_convolution(2 * width, 4 * width, 3, norm, stride=2),
        )
        self.blocks = nn.Sequential(*[ResidualBlock(4 * width, norm) for _ in range(BLOCKS)])
        self.up = nn.Sequential(
            *_enlarging(4 * width, 2 * width, norm, nearest=nearest),
            *_enlarging(2 * width, width, norm, nearest=nearest),
        )
        self.last = nn.Conv2d(width, 3, 9, padding=4, padding_mode="reflect")

    def forward(self, pixels: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
        height, width = pixels.shape[2:]
        x = functional.pad(pixels / 127.5 - 1, (PADDING,) * 4, mode="reflect")
        x = self.last(self.up(self.blocks(self.down(x))))
        # Sides that are no multiples of 4 come back rounded up.
        return ((torch.tanh(x.float()) + 1) * 127.5)[:, :, :height, :width]


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions without padding beside the middle of what came in."""

    def __init__(self, channels: int, norm: str) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, bias=False),
            _norm(norm, channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, bias=False),
            _norm(norm, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.body(x) + x[:, :, 2:-2, 2:-2]
        return result


def _convolution(before: int, after: int, kernel: int, norm: str, *, stride: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False)
    return [convolution, _norm(norm, after), nn.ReLU(inplace=True)]


def _enlarging(before: int, after: int, norm: str, *, nearest: bool) -> list[nn.Module]:
    if nearest:
        return [nn.Upsample(scale_factor=2, mode="nearest"), *_convolution(before, after, 3, norm)]
    transposed = nn.ConvTranspose2d(before, after, 3, 2, 1, output_padding=1, bias=False)
    return [transposed, _norm(norm, after), nn.ReLU(inplace=True)]


def _norm(norm: str, channels: int) -> nn.Module:
    return nn.InstanceNorm2d(channels, affine=True) if norm == "instance" else nn.BatchNorm2d(channels)
