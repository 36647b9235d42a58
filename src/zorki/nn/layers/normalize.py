"""From pixels to the floats that a network takes, inside the network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float, Num, UInt8
from torch import Tensor, nn

from zorki.errors import DataError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

# ITU-R BT.601, as PIL's conversion to "L" and torchvision's Grayscale.
LUMA = (0.299, 0.587, 0.114)

# Below a quarter of one gray level (in units of 1) a deviation is rounding, not a signal to be blown up.
_MIN_STD = 1 / 1024


class Normalize(nn.Module):
    """Pixels 0..255 to (pixels / 255 - mean) / std, with mean and std as buffers of the network.

    Images of one channel serve a network of three (each channel gets the same), and RGB images serve a network of
    one channel: they turn gray.

    Args:
        channels: of the network.
        mean: one a channel, in units of 0..1. Three numbers for another count of channels: RGB's luma where there is
            one channel, else their average for all.
        std: likewise.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, channels: int = 3, mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD
    ) -> None:
        super().__init__()
        if min(std) <= 0:
            raise ValueError(f"std must be positive, got {tuple(std)}")
        self.channels = channels
        self.register_buffer("mean", _a_channel(mean, channels))
        self.register_buffer("std", _a_channel(std, channels))

    def forward(self, pixels: Num[Tensor, "B C H W"]) -> Float[Tensor, "B D H W"]:
        """Floats of the buffers' dtype; memory format kept.

        Raises:
            DataError: the images' channels do not fit, or their size is not the mean image's.
        """
        floats = self._fit_channels(pixels.to(self.mean.dtype))
        if self.mean.shape[1:] not in ((1, 1), floats.shape[2:]):
            raise DataError(
                f"the mean image is {_size(self.mean)}, but the images are {_size(floats)}: "
                "use images of the size that the network was trained with, or another normalization"
            )
        # One pass over the pixels in place of three.
        return torch.addcmul(-self.mean / self.std, floats, 1 / (255 * self.std))

    @torch.no_grad()
    def measure(self, images: UInt8[Tensor, "N C H W"], kind: Literal["mean_std", "mean", "mean_image"]) -> None:
        """Sets the buffers from images.

        "mean_std": mean and deviation a channel. "mean": mean a channel, std 1. "mean_image": a mean for every pixel of
        every channel, std 1. Images without contrast give std 1, since there is nothing to scale.

        Raises:
            DataError: there is no image, or the channels do not fit.
        """
        if len(images) == 0:
            raise DataError("the mean of no image was asked for; give at least one")
        # Float64 and a few images at a time: sums of millions of squares in float32 lose digits, and a float
        # copy of all images may not fit into memory.
        total: Tensor | float = 0.0
        squares: Tensor | float = 0.0
        for some in images.split(64):
            floats = self._fit_channels(some.to(torch.float64)) / 255
            total = total + floats.sum(0)
            squares = squares + floats.square().sum(0)
        image = torch.as_tensor(total) / len(images)
        mean = image.mean((1, 2), keepdim=True)
        variance = torch.as_tensor(squares).mean((1, 2), keepdim=True) / len(images) - mean.square()
        std = variance.clamp(min=0).sqrt()
        if kind == "mean_image":
            mean = image
        if kind != "mean_std":
            std = torch.ones_like(std)
        self.mean = mean.to(self.mean)
        self.std = torch.where(std < _MIN_STD, 1.0, std).to(self.std)

    def extra_repr(self) -> str:
        if self.mean.shape[1:] != (1, 1):
            return f"channels={self.channels}, mean_image={_size(self.mean)}"
        return f"channels={self.channels}, mean={_numbers(self.mean)}, std={_numbers(self.std)}"

    def _fit_channels(self, floats: Tensor) -> Tensor:
        came = floats.shape[1]
        if self.channels == 1 and came == 3:
            red, green, blue = floats.unbind(1)
            return (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue).unsqueeze(1)
        if came == 1 and self.channels == 3:
            return floats.expand(-1, 3, -1, -1)
        if came != self.channels:
            raise DataError(
                f"the network takes images of {self.channels} channels, but {came} came; "
                f"build it with in_channels={came}, or convert the images"
            )
        return floats

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        # A run may have measured a mean image where this network was built with a mean a channel, or the reverse.
        for name in ("mean", "std"):
            saved = state_dict.get(prefix + name)
            buffer = getattr(self, name)
            if saved is not None and saved.shape != buffer.shape and saved.ndim == 3 and len(saved) == self.channels:
                setattr(self, name, buffer.new_empty(saved.shape))
        super()._load_from_state_dict(state_dict, prefix, *rest)


def _a_channel(values: Sequence[float], channels: int) -> Float[Tensor, "C 1 1"]:
    if len(values) == channels:
        spread = list(values)
    elif len(values) == 3:
        shares = LUMA if channels == 1 else (1 / 3,) * 3
        spread = [sum(share * value for share, value in zip(shares, values, strict=True))] * channels
    else:
        raise ValueError(f"expected {channels} numbers, one a channel, or 3 for RGB; got {len(values)}")
    return torch.tensor(spread, dtype=torch.float32)[:, None, None]


def _size(tensor: Tensor) -> str:
    return f"{tensor.shape[-2]}x{tensor.shape[-1]}"


def _numbers(tensor: Tensor) -> list[float]:
    return [round(value, 4) for value in tensor.flatten().tolist()]
