"""Ways to make a map larger, chosen by a word: `upsample("bilinear", 64, 32)`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from zorki.errors import RecipeError, did_you_mean


class Upsample(nn.Module, ABC):
    """Makes a map `factor` times larger in both directions; outputs `channels_out` channels.

    `needs_indices` tells whether `forward` wants the places of the maxima that a pool found, see `pool_with_indices`.
    """

    needs_indices = False

    def __init__(self, channels_in: int, channels_out: int, factor: int = 2) -> None:
        super().__init__()
        self.channels_in, self.channels_out, self.factor = channels_in, channels_out, factor

    @abstractmethod
    def forward(
        self,
        x: Float[Tensor, "B C H W"],
        size: Sequence[int] | None = None,
        indices: Int[Tensor, "B D H W"] | None = None,
    ) -> Float[Tensor, "B D _ _"]:
        """The larger map.

        Args:
            size: (height, width) wanted; None: `factor` times the map's. Ways that know one factor only cut off their
                last rows and columns, or repeat them, where another size is wanted.
            indices: for unpooling; other ways do not look at it.
        """


class Interpolation(Upsample):
    """Bilinear between the centers of pixels, or the nearest one; a 1x1 convolution before it changes the channels.

    Before, because it is the same as behind it, and costs less there.
    """

    def __init__(self, mode: str, channels_in: int, channels_out: int, factor: int = 2) -> None:
        super().__init__(channels_in, channels_out, factor)
        self.mode = mode
        self.project = _project(channels_in, channels_out)

    def forward(
        self,
        x: Float[Tensor, "B C H W"],
        size: Sequence[int] | None = None,
        indices: Int[Tensor, "B D H W"] | None = None,
    ) -> Float[Tensor, "B D _ _"]:
        x = self.project(x)
        size = tuple(size) if size is not None else (x.shape[2] * self.factor, x.shape[3] * self.factor)
        if self.mode == "nearest":
            return functional.interpolate(x, size, mode="nearest")
        return functional.interpolate(x, size, mode=self.mode, align_corners=False)

    def extra_repr(self) -> str:
        return f"{self.mode}, factor={self.factor}"


class TransposedConvolution(Upsample):
    """A learned transposed convolution, aligned with the map: pixel i paints around [i * factor, (i + 1) * factor).

    Args:
        kernel: None: `factor`, so that every pixel paints a patch of its own (U-Net's up-convolution, Ronneberger et
            al., 2015, section 2). Larger ones overlap; kernel - factor must be even.
        bilinear: starts as bilinear interpolation, with a kernel of 2 * factor (of one less where the factor is odd)
            and no bias: FCN (Long et al., 2015, section 3.3). Where the channels differ, it starts as a 1x1
            convolution of Xavier's weights, interpolated. At the edges, where nothing lies behind the last pixel, it
            fades out. Else it starts at He's, for what one output pixel sums up, and has a bias.
    """

    def __init__(
        self, channels_in: int, channels_out: int, factor: int = 2, *, kernel: int | None = None, bilinear: bool = False
    ) -> None:
        super().__init__(channels_in, channels_out, factor)
        if kernel is None:
            kernel = 2 * factor - factor % 2 if bilinear else factor
        if kernel < factor or (kernel - factor) % 2:
            raise ValueError(
                f"a kernel of {kernel} cannot be centered on {factor} pixels; take {factor} or {factor + 2}"
            )
        padding = (kernel - factor) // 2
        self.bilinear = bilinear
        self.convolution = nn.ConvTranspose2d(
            channels_in, channels_out, kernel, factor, padding=padding, bias=not bilinear
        )
        if bilinear:
            initialize_bilinear(self.convolution)
        else:
            fan_in = channels_in * (kernel / factor) ** 2
            nn.init.normal_(self.convolution.weight, std=(2 / fan_in) ** 0.5)
            nn.init.zeros_(self.convolution.bias)  # type: ignore[arg-type]

    def forward(
        self,
        x: Float[Tensor, "B C H W"],
        size: Sequence[int] | None = None,
        indices: Int[Tensor, "B D H W"] | None = None,
    ) -> Float[Tensor, "B D _ _"]:
        return _brought_to(self.convolution(x), size)


class Unpooling(Upsample):
    """Every value back to where the pool found its maximum, zeros elsewhere (Zeiler et al., 2011; SegNet, 2015).

    A 1x1 convolution before it brings the map to `channels_out` channels, which the indices must have.
    """

    needs_indices = True

    def __init__(self, channels_in: int, channels_out: int, factor: int = 2) -> None:
        super().__init__(channels_in, channels_out, factor)
        self.project = _project(channels_in, channels_out)

    def forward(
        self,
        x: Float[Tensor, "B C H W"],
        size: Sequence[int] | None = None,
        indices: Int[Tensor, "B D H W"] | None = None,
    ) -> Float[Tensor, "B D _ _"]:
        """The larger map; `size` is that of the map that was pooled, wherever `factor` does not divide it.

        Raises:
            ValueError: there are no indices, or they are of another shape.
        """
        x = self.project(x)
        if indices is None or indices.shape != x.shape:
            came = None if indices is None else tuple(indices.shape)
            raise ValueError(f"unpooling needs the pool's indices, of shape {tuple(x.shape)}; got {came}")
        return functional.max_unpool2d(
            x, indices, [self.factor] * 2, [self.factor] * 2, output_size=None if size is None else list(size)
        )

    def extra_repr(self) -> str:
        return f"factor={self.factor}"


class PixelShuffle(Upsample):
    """A 3x3 convolution to factor^2 maps a channel, which are dealt out as pixels (Shi et al., 2016, section 3.2).

    It starts as nearest interpolation of a convolution: the kernels of a channel's pixels are alike, so that no
    pattern of `factor` pixels stands in its first outputs (ICNR: Aitken et al., 2017).
    """

    def __init__(self, channels_in: int, channels_out: int, factor: int = 2) -> None:
        super().__init__(channels_in, channels_out, factor)
        self.convolution = nn.Conv2d(channels_in, channels_out * factor**2, 3, padding=1)
        with torch.no_grad():
            one = torch.empty_like(self.convolution.weight[:channels_out])
            nn.init.kaiming_normal_(one, nonlinearity="relu")
            self.convolution.weight.copy_(one.repeat_interleave(factor**2, 0))
        nn.init.zeros_(self.convolution.bias)  # type: ignore[arg-type]

    def forward(
        self,
        x: Float[Tensor, "B C H W"],
        size: Sequence[int] | None = None,
        indices: Int[Tensor, "B D H W"] | None = None,
    ) -> Float[Tensor, "B D _ _"]:
        return _brought_to(functional.pixel_shuffle(self.convolution(x), self.factor), size)


UPSAMPLING: Mapping[str, Callable[[int, int, int], Upsample]] = {
    "transposed": TransposedConvolution,
    "transposed_bilinear": lambda into, out, factor: TransposedConvolution(into, out, factor, bilinear=True),
    "bilinear": lambda into, out, factor: Interpolation("bilinear", into, out, factor),
    "nearest": lambda into, out, factor: Interpolation("nearest", into, out, factor),
    "unpool": Unpooling,
    "pixel_shuffle": PixelShuffle,
}
"""The words for upsampling."""


def upsample(way: str, channels_in: int, channels_out: int, factor: int = 2) -> Upsample:
    """The layer that makes maps `factor` times larger in that way.

    Args:
        way: "transposed" (learned, U-Net's), "transposed_bilinear" (learned, starts as bilinear interpolation, FCN's),
            "bilinear", "nearest", "unpool" (needs a pool's indices: see `Upsample.needs_indices`), "pixel_shuffle".

    Raises:
        RecipeError: there is no such way, or the factor is less than 1.
    """
    if way not in UPSAMPLING:
        raise RecipeError(
            f"upsampling {way!r} is not known.{did_you_mean(way, UPSAMPLING)} There are: {', '.join(UPSAMPLING)}"
        )
    if factor < 1:
        raise RecipeError(f"upsampling by {factor} was asked for; expected a whole number of at least 1")
    return UPSAMPLING[way](channels_in, channels_out, factor)


def pool_with_indices(
    x: Float[Tensor, "B C H W"], factor: int = 2
) -> tuple[Float[Tensor, "B C _ _"], Int[Tensor, "B C _ _"]]:
    """Maxima of squares of `factor` pixels, and where in the map they were, as `Unpooling` wants it.

    The places may also be taken from a map that was made smaller in another way.
    """
    pooled, indices = functional.max_pool2d(x, factor, return_indices=True)
    return pooled, indices


@torch.no_grad()
def initialize_bilinear(convolution: nn.ConvTranspose2d, shift: float = 0.0) -> None:
    """Weights with which a transposed convolution interpolates bilinearly between the centers of pixels.

    For a kernel of 2 * stride, of one less where the stride is odd. Channels stay by themselves; where their numbers
    differ, they are mixed by Xavier's weights. Every pixel of the output is what lies `shift` pixels of the output to
    the bottom right of its center; -0.5..0.5, 0 where the stride is odd.
    """
    sides = [
        _triangle(kernel, stride, shift)
        for kernel, stride in zip(convolution.kernel_size, convolution.stride, strict=True)
    ]
    into, out = convolution.in_channels, convolution.out_channels
    mixing = torch.eye(into)
    if into != out:
        mixing = nn.init.normal_(torch.empty(into, out), std=(2 / (into + out)) ** 0.5)
    kernel = sides[0][:, None] * sides[1][None, :]
    convolution.weight.copy_(mixing[:, :, None, None] * kernel)
    if convolution.bias is not None:
        convolution.bias.zero_()


def _triangle(kernel: int, stride: int, shift: float) -> Float[Tensor, " kernel"]:
    """How much a pixel counts at each place of its kernel: 1 at its center, 0 at its neighbors' centers."""
    distance = (torch.arange(kernel) - (kernel - 1) / 2 + shift).abs() / stride
    return (1 - distance).clamp_min(0)


def _project(channels_in: int, channels_out: int) -> nn.Module:
    if channels_in == channels_out:
        return nn.Identity()
    convolution = nn.Conv2d(channels_in, channels_out, 1)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
    return convolution


def _brought_to(x: Float[Tensor, "B C H W"], size: Sequence[int] | None) -> Float[Tensor, "B C _ _"]:
    """The map with its last rows and columns cut off or repeated."""
    if size is None or tuple(x.shape[2:]) == tuple(size):
        return x
    x = x[:, :, : size[0], : size[1]]
    below, right = size[0] - x.shape[2], size[1] - x.shape[3]
    return functional.pad(x, (0, right, 0, below), mode="replicate") if below or right else x
