"""Whether a map tells about the network at all: two questions that every map is asked."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn import functional

from zorki.engine.explanation.heat_map import HeatMap, enlarged
from zorki.engine.explanation.network import ExplainedNetwork

TOP = 0.1  # of the image's pixels that are blurred
DRAWS = 8  # of random pixels
GRID = 32  # positions a side at which two maps are compared
BLUR = 12  # times the blur's deviation in the longer side of the input


@dataclass(frozen=True)
class SanityCheck:
    """What a map is worth.

    Attributes:
        random_correlation: Spearman's rank correlation with the map of a network of random weights (Adebayo et al.,
            2018): near 1, the map shows the image and not what the network learned. None: one of both is flat.
        drop: of the score, where the tenth of the pixels that matter most is blurred.
        random_drop: where a random tenth is, in patches as coarse as such maps are: the mean of eight.
    """

    random_correlation: float | None
    drop: float
    random_drop: float

    def to_json(self) -> dict[str, float | None]:
        """Plain values."""
        return dataclasses.asdict(self)


def check(network: ExplainedNetwork, found: HeatMap, random: HeatMap | None) -> SanityCheck:
    """Both questions about a map; `random` is that of a network of random weights, None where it has none."""
    return SanityCheck(
        None if random is None else rank_correlation(found, random, network.frames),
        *_drops(network, found),
    )


def rank_correlation(a: HeatMap, b: HeatMap, frames: int = 1) -> float | None:
    """Spearman's rank correlation of two maps over one image, at 32 x 32 positions a frame; None where one is flat."""
    from scipy.stats import rankdata

    found, other = (one.at_size(GRID, GRID * frames).ravel() for one in (a, b))
    seen = np.isfinite(found) & np.isfinite(other)
    ranks = [rankdata(one[seen]) for one in (found, other)]
    if min(float(np.ptp(one)) for one in ranks) == 0:
        return None
    return float(np.corrcoef(*ranks)[0, 1])


def _drops(network: ExplainedNetwork, found: HeatMap) -> tuple[float, float]:
    pixels, inside = network.pixels, found.inside
    blurred = torch.cat([blur(frame) for frame in pixels.chunk(network.frames, 3)], 3)
    generator = torch.Generator().manual_seed(0)
    chances = [
        enlarged(torch.rand((7, 7 * network.frames), generator=generator), network.size, network.frames)
        for _ in range(DRAWS)
    ]
    images = [torch.where(top_pixels(values, inside), blurred, pixels) for values in (found.values, *chances)]
    scores = network.scores(torch.cat([pixels, *images])).tolist()
    whole, after, *others = scores
    return whole - after, whole - sum(others) / len(others)


def top_pixels(values: Float[Tensor, "H W"], inside: Bool[Tensor, "H W"], share: float = TOP) -> Bool[Tensor, "H W"]:
    """The largest so many of the pixels inside; of equal ones, which of them is arbitrary."""
    count = max(1, round(share * int(inside.sum())))
    flat = values.masked_fill(~inside, -torch.inf).flatten()
    chosen = torch.zeros_like(flat, dtype=torch.bool)
    chosen[flat.argsort(descending=True, stable=True)[:count]] = True
    return chosen.view_as(values) & inside


def blur(pixels: UInt8[Tensor, "1 3 H W"]) -> UInt8[Tensor, "1 3 H W"]:
    """The image under a Gaussian whose deviation is a twelfth of the longer side, edges repeated."""
    deviation = max(pixels.shape[-2:]) / BLUR
    reach = max(1, round(2 * deviation))
    places = torch.arange(-reach, reach + 1, dtype=torch.float32)
    weights = torch.exp(-(places**2) / (2 * deviation**2))
    kernel = (weights / weights.sum()).expand(3, 1, -1)
    padded = functional.pad(pixels.float(), (reach, reach, reach, reach), mode="replicate")
    across = functional.conv2d(padded, kernel[:, :, None, :], groups=3)
    return functional.conv2d(across, kernel[:, :, :, None], groups=3).round().clamp(0, 255).to(torch.uint8)
