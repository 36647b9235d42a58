"""How features look: as the image they are of; in files, as numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zorki.contracts import Presentation
from zorki.contracts.example import Example
from zorki.types import Annotation, ClassInfo, Embedding, Label

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from numpy import ndarray

SHOWN, COLUMNS = 24, 4  # images on a sheet of views, and how many stand in a row
CELL, MARGIN = 200, 6  # pixels: width of a pair of views at least, and what is left white around it
PLACES = ("above left", "above", "above right", "left", "right", "below left", "below", "below right")


class PretrainingPresentation(Presentation[Annotation, Embedding]):
    """The class of a ground truth, where there is one, under its image; the numbers of a prediction."""

    example = Example(
        model="simclr_cifar_resnet20",
        data="scenes:1200@32",
        settings={"epochs": 12, "batch_size": 64, "lr": 0.1, "limit_val": 60},
        own_data="images, in a folder, without labels",
        own_model="simclr_resnet18",
        own_flags="",
    )

    inputs_name = "views"

    def draw_inputs(self, inputs: Any) -> UInt8[ndarray, "3 H W"]:
        """The views of some images, each pair side by side; under patches, where the second lies beside the first."""
        import numpy as np

        from zorki.draw.images import caption, enlarge
        from zorki.types import PatchPairs

        patches = isinstance(inputs, PatchPairs)
        views = (inputs.images if patches else inputs)[:SHOWN].numpy()
        pairs = [enlarge(np.concatenate(list(image), 2), CELL) for image in views]
        if patches:
            places = [PLACES[place] for place in inputs.neighbors[:SHOWN].tolist()]
            pairs = [caption(pair, place) for pair, place in zip(pairs, places, strict=True)]
        framed = [np.pad(pair, ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)), constant_values=255) for pair in pairs]
        empty = np.full_like(framed[0], 255)
        framed += [empty] * (-len(framed) % COLUMNS)
        rows = [np.concatenate(framed[start : start + COLUMNS], 2) for start in range(0, len(framed), COLUMNS)]
        return np.concatenate(rows, 1)

    def draw(
        self, image: UInt8[ndarray, "3 H W"], annotation: Annotation, info: ClassInfo
    ) -> UInt8[ndarray, "3 H2 W2"]:
        """The image, with its class written under it where it is known."""
        from zorki.draw.images import caption

        words = self.caption(annotation, info)
        return caption(image, words) if words else image

    def to_record(self, annotation: Annotation, info: ClassInfo) -> dict[str, Any]:
        """The vector, of length 1, or the class; nothing of what is not labeled."""
        if isinstance(annotation, Embedding):
            return {"embedding": annotation.vector.tolist()}
        if isinstance(annotation, Label):
            return {"label": annotation.index, "class_name": self.caption(annotation, info)}
        return {}

    def caption(self, annotation: Annotation, info: ClassInfo) -> str:
        """The class, where it is known."""
        known = isinstance(annotation, Label) and annotation.index < len(info)
        return info.names[annotation.index] if known and isinstance(annotation, Label) else ""
