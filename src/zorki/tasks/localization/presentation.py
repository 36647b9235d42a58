"""How localized objects look: detection's boxes, one an object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zorki.contracts.example import Example
from zorki.tasks.detection.object_task import ObjectPresentation
from zorki.types import Boxes, ClassInfo

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from numpy import ndarray


class LocalizationPresentation(ObjectPresentation[Boxes]):
    """Boxes in the colors of their classes: of one object the best guess, of parts those that are visible."""

    example = Example(
        model="localizer_cifar_resnet20",
        data="scenes:2400@48",
        settings={"image_size": 48, "epochs": 10, "batch_size": 32, "lr": 2e-3, "random_crop": 1.0},
        own_data="images with one box each, as COCO, Pascal VOC, YOLO and others write them",
        own_model="localizer_squeezenet1_1",
    )
    noun = "boxes"

    def shown(self, annotation: Boxes, info: ClassInfo) -> Boxes:
        """The best guess; of parts those whose visibility scores the threshold, 0.5 where nothing else is said."""
        if annotation.scores is None or info.objects == "each" or len(annotation) == 0:
            return super().shown(annotation, info)
        best = annotation[int(annotation.scores.argmax())]
        return best if info.score_threshold is None else super().shown(best, info)

    def draw(self, image: UInt8[ndarray, "3 H W"], annotation: Boxes, info: ClassInfo) -> UInt8[ndarray, "3 H2 W2"]:
        """The image with the boxes that are shown."""
        from zorki.tasks.detection.drawing import draw_boxes

        return draw_boxes(image, self.shown(annotation, info), info.names)

    def caption(self, annotation: Boxes, info: ClassInfo) -> str:
        """The class of the one object, with its score where there is one; parts as of detection."""
        shown = self.shown(annotation, info)
        if info.objects == "each" or len(shown) != 1:
            return super().caption(annotation, info)
        name = info.names[int(shown.labels[0])]
        return name if shown.scores is None else f"{name} {float(shown.scores[0]):.0%}"

    def thumbnail(
        self, image: UInt8[ndarray, "3 H W"], annotation: Boxes, info: ClassInfo, ground_truth: Boxes | None = None
    ) -> UInt8[ndarray, "3 H2 W2"]:
        """As of detection; beside the ground truth also what was missed."""
        from zorki.tasks.detection.drawing import thumbnail

        return thumbnail(image, self.shown(annotation, info), ground_truth, info.names, self.thumbnail_side)

    def to_record(self, annotation: Boxes, info: ClassInfo) -> dict[str, Any]:
        """As of detection: every box, in xyxy pixels, best first."""
        return self.record_of(annotation, info)

    def exchange(
        self, annotation: Boxes, info: ClassInfo, *, path: str, frame: int | None = None
    ) -> list[dict[str, Any]]:
        """COCO's results format, an entry a box."""
        from zorki.tasks.detection.prediction_files.coco_results import to_results

        return to_results(annotation, path, info.names, info.category_ids, frame=frame)
