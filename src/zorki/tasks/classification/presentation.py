"""How labels look: words under an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zorki.contracts import Presentation
from zorki.contracts.example import Example
from zorki.types import ClassInfo, Label
from zorki.types.arrays import array_of

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from numpy import ndarray


class ClassificationPresentation(Presentation[Label, Label]):
    """The class, with its probability where there is one."""

    example = Example(
        model="cifar_resnet20",
        data="scenes:2400@32",
        settings={"epochs": 8, "batch_size": 64},
        own_data="images in a folder for each class",
        own_model="resnet18",
        own_flags="--weights imagenet --freeze backbone",
    )

    def draw(self, image: UInt8[ndarray, "3 H W"], annotation: Label, info: ClassInfo) -> UInt8[ndarray, "3 H2 W2"]:
        """The image with its class, and the probability where there is one, written under it."""
        from zorki.draw.images import caption

        return caption(image, self.caption(annotation, info))

    def to_record(self, annotation: Label, info: ClassInfo) -> dict[str, Any]:
        """Class name, and the five most probable classes with their probabilities."""
        values: dict[str, Any] = {"label": annotation.index, "class_name": info.names[annotation.index]}
        if annotation.scores is not None:
            scores = array_of(annotation.scores)
            values["score"] = float(scores[annotation.index])
            best = (-scores).argsort(kind="stable")[:5].tolist()
            values["top"] = [{"class_name": info.names[k], "score": float(scores[k])} for k in best]
        return values

    def caption(self, annotation: Label, info: ClassInfo) -> str:
        """The class, and its probability where there is one."""
        name = info.names[annotation.index]
        return name if annotation.scores is None else f"{name} {float(annotation.scores[annotation.index]):.0%}"
