"""Models that a task suggests for data of which nobody said with what to train."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelSuggestion:
    """A model, and from where on it suits; of a task's suggestions the last that suits is taken.

    Attributes:
        model: its name.
        side: pixels of the longer side of the images, at least.
        images: training images, at least.
        gpu: whether it is too slow for a processor.
    """

    model: str
    side: int = 0
    images: int = 0
    gpu: bool = False

    def suits(self, side: int, images: int, *, gpu: bool) -> bool:
        """Whether the model suits such images, so many, on such a device."""
        return side >= self.side and images >= self.images and (gpu or not self.gpu)
