"""Occlusion: how much a number falls where a window of the image is hidden (Zeiler and Fergus, 2014, section 4.2)."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from zorki.engine.explanation.heat_map import HeatMap
from zorki.engine.explanation.network import BATCH, ExplainedNetwork
from zorki.errors import RecipeError

SHARE = 7  # of a window in the longer side of the image


def usual_window(network: ExplainedNetwork) -> int:
    """Pixels of the network: a seventh of its longer side, which finds parts and still hides something."""
    return max(1, round(max(network.frame_size) / SHARE))


def occlusion_map(network: ExplainedNetwork, window: int | None = None) -> Float[Tensor, "H W"]:
    """The mean fall of the score over all windows that hide a pixel; negative where it rises.

    Hidden is what becomes the image's mean color. Windows lie half a window apart, all of them within the image. Of a
    clip a window hides the same place in all frames, so that their maps are alike.

    Args:
        window: side in pixels of the network; None: see `usual_window`.

    Raises:
        RecipeError: it hides all of the input at once.
    """
    pixels, (height, width), frames = network.pixels, network.frame_size, network.frames
    side = window or usual_window(network)
    if side >= max(height, width):
        raise RecipeError(f"window is {side}, which hides all of the network's input of {width} x {height} pixels")
    color = _mean_color(network)
    corners = [
        (top, left)
        for top in _steps(network.placement.frame[1], network.placement.frame[3], height, side)
        for left in _steps(network.placement.frame[0], network.placement.frame[2], width, side)
    ]
    whole = network.own_score()
    falls, count = torch.zeros(height, width), torch.zeros(height, width)
    for start in range(0, len(corners), BATCH):
        some = corners[start : start + BATCH]
        for (top, left), score in zip(
            some, network.scores(_hidden(pixels, some, side, color, frames)).tolist(), strict=True
        ):
            part = slice(top, top + side), slice(left, left + side)
            falls[part] += whole - score
            count[part] += 1
    return (falls / count.clamp_min(1)).repeat(1, frames)


def _hidden(
    pixels: UInt8[Tensor, "1 3 H W"], corners: list[tuple[int, int]], side: int, color: UInt8[Tensor, " 3"], frames: int
) -> UInt8[Tensor, "N 3 H W"]:
    images = pixels.repeat(len(corners), 1, 1, 1)
    for image, (top, left) in zip(images, corners, strict=True):
        image.unflatten(2, (frames, -1))[:, top : top + side, :, left : left + side] = color[:, None, None, None]
    return images


def _mean_color(network: ExplainedNetwork) -> UInt8[Tensor, " 3"]:
    inside = HeatMap(torch.zeros(network.size), network.placement).inside
    return network.pixels[0][:, inside].float().mean(1).round().to(torch.uint8)


def _steps(first: float, last: float, length: int, side: int) -> list[int]:
    """Where windows begin, so that they cover the image within the input, the last one up to its end."""
    low, high = max(0, math.floor(first)), min(length, math.ceil(last))
    step, end = max(1, side // 2), max(low, high - side)
    return sorted({*range(low, end, step), end})
