"""A clip as one image: its frames side by side, so that what is asked of an image is asked of all of them."""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional


def strip_of(clip: UInt8[Tensor, "N T 3 H W"]) -> UInt8[Tensor, "N 3 H columns"]:
    """The frames of each clip beside each other, the first on the left."""
    return clip.permute(0, 2, 3, 1, 4).flatten(3)


def clip_of(strip: UInt8[Tensor, "N 3 H columns"], frames: int) -> UInt8[Tensor, "N T 3 H W"]:
    """The inverse of `strip_of`."""
    return strip.unflatten(3, (frames, -1)).permute(0, 3, 1, 2, 4)


def strip_map(output: Tensor, frames: int) -> Float[Tensor, "C h columns"] | None:
    """A layer's output for one clip as maps over its strip: of 3D convolutions, or of frame by frame; None: of neither.

    A layer that keeps fewer moments than there are frames gives each of them to the frames that it stands for.
    """
    if output.ndim == 5 and len(output) == 1:
        maps = output[0]  # (C, t, h, w)
    elif output.ndim == 4 and len(output) == frames:
        maps = output.transpose(0, 1)
    else:
        return None
    size = (frames, *maps.shape[2:])
    spread = functional.interpolate(maps[None].float(), size, mode="nearest")[0]
    return spread.permute(0, 2, 1, 3).flatten(2)


def by_frame(values: Float[Tensor, "*any h columns"], frames: int) -> Float[Tensor, "T *any h w"]:
    """A strip's values, frame by frame."""
    return torch.stack(values.chunk(frames, -1))
