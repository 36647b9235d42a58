"""How masks of objects look: on images, in words, as maps, and in files of COCO's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zorki.contracts.example import Example
from zorki.tasks.detection.object_task import ObjectPresentation, show_score, shown
from zorki.types import ClassInfo, Instances

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from numpy import ndarray


class InstancePresentation(ObjectPresentation[Instances]):
    """Objects tinted, each in a color of its own or of its class."""

    example = Example(
        model="border_unet_squeezenet",
        data="scenes:400@96",
        settings={"image_size": 96, "epochs": 10, "batch_size": 8, "lr": 1e-3},
        own_data="images with a mask for every object, as COCO, labelme, numbered PNGs and others hold them",
        own_model="border_unet_resnet18",
    )

    def draw(self, image: UInt8[ndarray, "3 H W"], annotation: Instances, info: ClassInfo) -> UInt8[ndarray, "3 H2 W2"]:
        """The image with its objects tinted; of a prediction those that are shown."""
        from zorki.tasks.instance_segmentation.drawing import draw_instances

        return draw_instances(image, shown(annotation, info), info.names)

    def thumbnail(
        self,
        image: UInt8[ndarray, "3 H W"],
        annotation: Instances,
        info: ClassInfo,
        ground_truth: Instances | None = None,
    ) -> UInt8[ndarray, "3 H2 W2"]:
        """The image with its objects, `thumbnail_side` pixels long; beside the ground truth also what was missed."""
        from zorki.tasks.instance_segmentation.drawing import thumbnail

        return thumbnail(image, shown(annotation, info), ground_truth, self.thumbnail_side)

    def to_record(self, annotation: Instances, info: ClassInfo) -> dict[str, Any]:
        """Every object with its class's name, box, score, mask as COCO's run lengths, its area and its marks."""
        from zorki.tasks.instance_segmentation.prediction_files.coco_results import columns_of

        return self.rows_of(annotation, columns_of(annotation), info)

    def write_files(self, annotation: Instances, info: ClassInfo, place: Callable[[str, str], Path]) -> dict[str, Any]:
        """Writes the shown objects as a PNG of 16 bits: in each pixel the object's number in the record, from 1 on."""
        from zorki.tasks.instance_segmentation.object_map import object_map, write_object_map

        path = place("masks", ".png")
        write_object_map(path, object_map(annotation, show_score(info)))
        return {"mask": path}

    def exchange(
        self, annotation: Instances, info: ClassInfo, *, path: str, frame: int | None = None
    ) -> list[dict[str, Any]]:
        """COCO's results format, an entry an object, with its box, and with its mask as run lengths."""
        from zorki.tasks.detection.prediction_files.coco_results import numbers_of
        from zorki.tasks.instance_segmentation.prediction_files.coco_results import results_of

        numbers = info.category_ids or numbers_of(info.names)
        return results_of(annotation, path, info.names, numbers, frame=frame)
