"""How classes of films look: words under frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zorki.contracts import Presentation
from zorki.contracts.example import Example
from zorki.tasks.classification.presentation import ClassificationPresentation
from zorki.types import ClassInfo, Frames, Label, VideoLabel
from zorki.types.arrays import array_of

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from numpy import ndarray

SHOWN = 4
"""Frames on a thumbnail, evenly spaced, side by side."""


class VideoClassificationPresentation(Presentation[Label, VideoLabel]):
    """The class, with its probability where there is one, under frames of the film."""

    thumbnail_side = 320
    example = Example(
        model="c3d_small",
        data="scenes:300@32",
        settings={"epochs": 6, "batch_size": 8, "image_size": 32, "dropout": 0.0, "lr": 0.002},
        own_data="videos in a folder for each class",
        own_model="x3d_xs",
        own_flags="--epochs 30",
    )

    def __init__(self) -> None:
        self._images = ClassificationPresentation()

    def draw(self, image: UInt8[ndarray, "3 H W"], annotation: Label, info: ClassInfo) -> UInt8[ndarray, "3 H2 W2"]:
        """The frame with the film's class written under it."""
        return self._images.draw(image, annotation, info)

    def to_record(self, annotation: Label, info: ClassInfo) -> dict[str, Any]:
        """As of images, and the classes of the clips, where there are several."""
        values = self._images.to_record(annotation, info)
        clips = annotation.clips if isinstance(annotation, VideoLabel) else None
        if clips is not None and len(clips) > 1:
            best = clips.max(1)
            values["clips"] = [
                {"class_name": info.names[label], "score": score}
                for label, score in zip(best.indices.tolist(), best.values.tolist(), strict=True)
            ]
        return values

    def caption(self, annotation: Label, info: ClassInfo) -> str:
        """The class, and its probability where there is one."""
        return self._images.caption(annotation, info)

    def thumbnail(
        self,
        image: UInt8[ndarray, "*T 3 H W"] | Frames,
        annotation: Label,
        info: ClassInfo,
        ground_truth: Label | None = None,
    ) -> UInt8[ndarray, "3 H2 W2"]:
        """Frames from the beginning to the end, side by side: what moves is seen by comparing them."""
        if not isinstance(image, Frames) and image.ndim == 3:
            return image
        numbers = sorted({round(k * (len(image) - 1) / (SHOWN - 1)) for k in range(SHOWN)})
        return np.concatenate([array_of(image[number]) for number in numbers], axis=2)
