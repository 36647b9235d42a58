"""How boxes look: on images, in words, and in files of COCO's."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from zorki.contracts.example import Example, ExampleVideo
from zorki.tasks.detection.object_task import ObjectPresentation, shown
from zorki.types import Boxes, ClassInfo

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from numpy import ndarray
    from torch import Tensor

    from zorki.types import TrackedBoxes


def _crossing() -> tuple[UInt8[Tensor, "T 3 H W"], TrackedBoxes]:
    """Objects that walk both ways past a post."""
    from zorki.data.scenes.films.crossings import crossing_clip

    return crossing_clip(0, 1, frames=75, objects=6, size=(128, 224))


class DetectionPresentation(ObjectPresentation[Boxes]):
    """Boxes in the colors of their classes."""

    example = Example(
        model="fcos_squeezenet",
        data="scenes:400@96",
        settings={"image_size": 96, "epochs": 10, "batch_size": 8, "lr": 1e-3},
        own_data="images with boxes, as COCO, Pascal VOC, YOLO and others write them",
        own_model="fcos_mobilenet_v3_large",
    )
    further_examples: ClassVar[Mapping[str, Example]] = {
        "tracking_many": dataclasses.replace(
            example,
            video=ExampleVideo(
                _crossing,
                {"count_lines": ["56,0,56,128"], "options": {"image_size": "224"}},
                "--count-line 56,0,56,128 --options.image_size 224",
            ),
        )
    }
    noun = "boxes"

    def draw(self, image: UInt8[ndarray, "3 H W"], annotation: Boxes, info: ClassInfo) -> UInt8[ndarray, "3 H2 W2"]:
        """The image with its boxes; of a prediction those that are shown."""
        from zorki.tasks.detection.drawing import draw_boxes

        return draw_boxes(image, shown(annotation, info), info.names)

    def thumbnail(
        self, image: UInt8[ndarray, "3 H W"], annotation: Boxes, info: ClassInfo, ground_truth: Boxes | None = None
    ) -> UInt8[ndarray, "3 H2 W2"]:
        """The image with its boxes, `thumbnail_side` pixels long; beside the ground truth also what was missed."""
        from zorki.tasks.detection.drawing import thumbnail

        return thumbnail(image, shown(annotation, info), ground_truth, info.names, self.thumbnail_side)

    def to_record(self, annotation: Boxes, info: ClassInfo) -> dict[str, Any]:
        """Every box, in xyxy pixels, with its class's name, its score and its marks; and how many are shown."""
        return self.record_of(annotation, info)

    def exchange(
        self, annotation: Boxes, info: ClassInfo, *, path: str, frame: int | None = None
    ) -> list[dict[str, Any]]:
        """COCO's results format, an entry a box."""
        from zorki.tasks.detection.prediction_files.coco_results import to_results

        return to_results(annotation, path, info.names, info.category_ids, frame=frame)
