"""How stylized images look: as they are; on sheets beside their content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zorki.contracts import Presentation
from zorki.contracts.example import Example
from zorki.types import Annotation, ClassInfo, GeneratedImage
from zorki.types.arrays import array_of

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from numpy import ndarray

    from zorki.tasks.style_transfer.temporal_blend import TemporalBlend


class StyleTransferPresentation(Presentation[Annotation, GeneratedImage]):
    """The image itself is the prediction."""

    thumbnail_side = 224
    example = Example(
        model="fast_style_squeezenet",
        data="scenes:240@96",
        settings={
            "style": "scenes:strokes",
            "train_size": 64,
            "style_size": 128,
            "epochs": 5,
            "batch_size": 4,
            "lr": 3e-3,
            "limit_val": 8,
            "options": {"width": "12"},
        },
        own_data="images, whatever they show",
        own_model="fast_style_vgg16",
        own_flags="--weights imagenet --style STYLE.jpg",
    )

    def draw(self, image: UInt8[ndarray, "3 H W"], annotation: Annotation, info: ClassInfo) -> UInt8[ndarray, "3 H W"]:
        """The stylized image."""
        return array_of(annotation.image) if isinstance(annotation, GeneratedImage) else image

    def thumbnail(
        self,
        image: UInt8[ndarray, "3 H W"],
        annotation: Annotation,
        info: ClassInfo,
        ground_truth: Annotation | None = None,
    ) -> UInt8[ndarray, "3 H2 W2"]:
        """Content and stylized image, one above the other."""
        import numpy as np

        if not isinstance(annotation, GeneratedImage):
            return image
        stylized = array_of(annotation.image)
        axis = 2 if image.shape[1] > image.shape[2] else 1
        return np.concatenate([image, stylized], axis)

    def caption(self, annotation: Annotation, info: ClassInfo) -> str:
        """The size of the stylized image."""
        if not isinstance(annotation, GeneratedImage):
            return "content"
        return f"stylized, {annotation.image.shape[2]} x {annotation.image.shape[1]}"

    def to_record(self, annotation: Annotation, info: ClassInfo) -> dict[str, Any]:
        """Nothing: the drawing is the prediction."""
        return {}

    def smoother(self, settings: str) -> TemporalBlend:
        """Blends each frame with the one before: "blend", or "blend:share=.6,threshold=25"."""
        from zorki.tasks.style_transfer.temporal_blend import TemporalBlend, parse

        return TemporalBlend(parse(settings))
