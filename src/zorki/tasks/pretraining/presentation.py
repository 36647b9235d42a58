"""How features look: as the image they are of; in files, as numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zorki.contracts import Presentation
from zorki.contracts.example import Example
from zorki.types import Annotation, ClassInfo, Embedding, Label

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from numpy import ndarray

SHOWN, CELL = 24, 224  # images on a sheet of views, and pixels of each
PLACES = ("above left", "above", "above right", "left", "right", "below left", "below", "below right")


class PretrainingPresentation(Presentation[Annotation, Embedding]):
    """The class of a ground truth, where there is one, under its image; the numbers of a prediction."""

    example = Example(
        model="simclr_cifar_resnet20",
        data="scenes:1200@32",
        settings={"epochs": 12, "batch_size": 128, "lr": 0.1},
        own_data="images, in a folder, without labels",
        own_model="simclr_resnet18",
        own_flags="",
    )

    inputs_name = "views"

    def draw_inputs(self, inputs: Any) -> UInt8[ndarray, "3 H W"]:
        """The views of some images: a pair is the left and the right half of a cell."""
        import numpy as np

        from zorki.draw.images import enlarge, sheet
        from zorki.types import PatchPairs

        patches = isinstance(inputs, PatchPairs)
        views = (inputs.images if patches else inputs)[:SHOWN].numpy()
        gap = np.full((3, views.shape[3], max(1, views.shape[4] // 16)), 255, np.uint8)
        pairs = [np.concatenate([part for view in image for part in (view, gap)][:-1], 2) for image in views]
        places = [PLACES[place] for place in inputs.neighbors[:SHOWN].tolist()] if patches else [""] * len(pairs)
        return sheet([enlarge(pair, CELL // 2) for pair in pairs], places, columns=4, cell=CELL)

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
