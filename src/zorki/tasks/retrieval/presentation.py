"""How embeddings look: as the image they are of; in files, as numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zorki.contracts import Presentation
from zorki.contracts.example import Example
from zorki.types import ClassInfo, Embedding, Label

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from numpy import ndarray


class RetrievalPresentation(Presentation[Label, Embedding]):
    """The class of a ground truth under its image; the numbers of a prediction."""

    example = Example(
        model="arcface_resnet18",
        data="scenes:1200@48",
        settings={"image_size": 48, "epochs": 8, "batch_size": 32, "lr": 1e-3, "random_crop": 1.0},
        own_data="images in a folder for each class, such as a person or a product",
        own_model="triplet_squeezenet",
        own_flags="--weights imagenet",
    )

    def draw(
        self, image: UInt8[ndarray, "3 H W"], annotation: Label | Embedding, info: ClassInfo
    ) -> UInt8[ndarray, "3 H2 W2"]:
        """The image, with its class written under it where it is known."""
        from zorki.draw.images import caption

        words = self.caption(annotation, info)
        return caption(image, words) if words else image

    def to_record(self, annotation: Label | Embedding, info: ClassInfo) -> dict[str, Any]:
        """The vector, or the class."""
        if isinstance(annotation, Embedding):
            return {"embedding": annotation.vector.tolist()}
        return {"label": annotation.index, "class_name": _name(annotation, info)}

    def caption(self, annotation: Label | Embedding, info: ClassInfo) -> str:
        """The class, where it is known."""
        return _name(annotation, info) if isinstance(annotation, Label) else ""


def _name(label: Label, info: ClassInfo) -> str:
    """A class that a run never met has a number alone."""
    return info.names[label.index] if label.index < len(info) else f"class {label.index}"
