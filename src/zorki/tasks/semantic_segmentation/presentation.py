"""How maps of classes look: on images, in words, and as files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zorki.contracts import Presentation
from zorki.contracts.example import Example
from zorki.types import ClassInfo, Mask

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from numpy import ndarray

MAX_LEGEND = 40  # classes
MAX_WORDS, MIN_SHARE = 3, 0.005  # classes in a caption, and what is more than 0 %


class SegmentationPresentation(Presentation[Mask, Mask]):
    """Images in the colors of their classes."""

    example = Example(
        model="unet_squeezenet",
        data="scenes:400@96",
        settings={"image_size": 96, "epochs": 10, "batch_size": 8, "lr": 1e-3},
        own_data="images with masks, in folders side by side, by lists, or as Pascal VOC has them",
        own_model="unet_resnet18",
        own_flags="--weights imagenet --loss ce,dice",
    )
    thumbnail_side = 224

    def draw(self, image: UInt8[ndarray, "3 H W"], annotation: Mask, info: ClassInfo) -> UInt8[ndarray, "3 H2 W2"]:
        """The image in the colors of its classes, with a legend."""
        from zorki.tasks.semantic_segmentation.drawing import draw_mask

        return draw_mask(image, annotation, info)

    def thumbnail(
        self, image: UInt8[ndarray, "3 H W"], annotation: Mask, info: ClassInfo, ground_truth: Mask | None = None
    ) -> UInt8[ndarray, "3 H2 W2"]:
        """The image in the colors of its classes; beside the ground truth wrong pixels are hatched."""
        from zorki.tasks.semantic_segmentation.drawing import thumbnail

        return thumbnail(image, annotation, ground_truth, info, self.thumbnail_side)

    def legend(self, info: ClassInfo) -> list[tuple[str, tuple[int, int, int] | None]]:
        """The classes but the background, where they are few; wrong pixels are hatched, whatever their class."""
        from zorki.draw.palette import color, mark_color

        classes = [(name, color(label)) for label, name in enumerate(info.names) if label not in info.background]
        return [*(classes if len(classes) <= MAX_LEGEND else []), ("ignored", mark_color(None)), ("wrong", None)]

    def caption(self, annotation: Mask, info: ClassInfo) -> str:
        """The classes with the most pixels: "road 43 %, sky 20 %"."""
        all_shares = _shares(annotation, len(info))
        shares = [part for part in all_shares if part[1] >= MIN_SHARE][:MAX_WORDS] or all_shares[:1]
        return ", ".join(f"{info.names[label]} {share:.0%}" for label, share in shares) or "all ignored"

    def to_record(self, annotation: Mask, info: ClassInfo) -> dict[str, Any]:
        """The share of each class that is there, the largest first; the map itself is a file, see `write_files`."""
        rows = [
            {"label": label, "class_name": info.names[label], "share": round(share, 6)}
            for label, share in _shares(annotation, len(info))
        ]
        return {"classes": rows}

    def write_files(self, annotation: Mask, info: ClassInfo, place: Callable[[str, str], Path]) -> dict[str, Any]:
        """Writes the labels of all pixels as PNG, with the palette of the training data where they had one."""
        from zorki.data.annotations.masks.stored import write_mask

        path = place("masks", ".png")
        write_mask(path, annotation.classes, info.palette)
        return {"mask": path}


def _shares(annotation: Mask, num_classes: int) -> list[tuple[int, float]]:
    """Labels that are there, with their shares of the valid pixels, the largest first."""
    import numpy as np

    counts, classes = [0] * num_classes, annotation.numpy().classes
    for top in range(0, len(classes), 512):  # eight bytes a pixel would be too much for a large image
        rows = classes[top : top + 512]
        found = np.bincount(rows[rows != annotation.ignore], minlength=len(counts)).tolist()
        counts = [before + more for before, more in zip(counts, found, strict=True)]
    ranked = sorted(range(len(counts)), key=lambda label: (-counts[label], label))
    return [(label, counts[label] / sum(counts)) for label in ranked if counts[label]]
