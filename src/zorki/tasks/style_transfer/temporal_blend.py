"""Stylized videos without flicker: what hardly changes from frame to frame is blended with what was there before."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from zorki.errors import RecipeError, did_you_mean
from zorki.types import GeneratedImage

NAME = "blend"
MAX_GAP = 0.5  # seconds between frames, beyond which nothing is blended: another scene


@dataclass(frozen=True)
class BlendSettings:
    """Of the blend.

    Attributes:
        share: of the frame before, where nothing changes, 0..1.
        threshold: levels of 255 by which a neighborhood must change for half of that share; what moves is not smeared.
    """

    share: float = 0.7
    threshold: float = 25.0

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1:
            raise RecipeError(f"{NAME}: share must be at least 0 and below 1, but is {self.share:g}")
        if not self.threshold > 0:
            raise RecipeError(f"{NAME}: threshold must be above 0, but is {self.threshold:g}")


def parse(text: str) -> BlendSettings:
    """From "blend", or "blend:share=.6,threshold=25". Raises RecipeError.

    >>> parse("blend:share=.6")
    BlendSettings(share=0.6, threshold=25.0)
    """
    name, _, rest = text.partition(":")
    names = list(BlendSettings.__dataclass_fields__)
    if name != NAME:
        raise RecipeError(f"smooth is {text!r}; expected {NAME}, or {NAME}:share=.7,threshold=25")
    values: dict[str, float] = {}
    for part in filter(None, rest.split(",")):
        key, _, number = part.partition("=")
        if (key := key.strip()) not in names:
            raise RecipeError(f"smooth: {NAME} has no {key!r}; it has {', '.join(names)}.{did_you_mean(key, names)}")
        try:
            values[key] = float(number)
        except ValueError:
            raise RecipeError(f"smooth: expected a number for {key}, got {number!r}") from None
    return BlendSettings(**values)


class TemporalBlend:
    """Blends the frames of one video, frame after frame.

    The share of the frame before falls with the mean change of a pixel's neighborhood, as in a bilateral filter over
    time: flicker is small changes, and motion large ones.
    """

    def __init__(self, settings: BlendSettings) -> None:
        self.settings = settings
        self._last: Float[Tensor, "3 H W"] | None = None
        self._seconds = 0.0

    def __call__(self, prediction: GeneratedImage, seconds: float) -> GeneratedImage:
        """The next frame, which is shown at that time, blended."""
        image = prediction.image.float()
        last = self._last
        if last is None or last.shape != image.shape or seconds - self._seconds > MAX_GAP:
            blended = image
        else:
            change = functional.avg_pool2d((image - last).abs().mean(0)[None, None], 9, 1, 4, count_include_pad=False)
            share = self.settings.share * torch.exp(-0.6931 * (change[0] / self.settings.threshold).square())
            blended = torch.lerp(image, last, share)
        self._last, self._seconds = blended, seconds
        return GeneratedImage(blended.round().clamp(0, 255).to(torch.uint8))
