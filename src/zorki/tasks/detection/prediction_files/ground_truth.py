"""What a file of detections is judged against: an annotation file of COCO as it stands, or any data set with boxes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zorki.contracts.capabilities import InFolder, NumbersClasses, NumbersImages
from zorki.errors import DataError
from zorki.input_files.json_files import read_json
from zorki.metrics.tables import GroundTruthTable
from zorki.ops.rle import fault_of
from zorki.tasks.detection.metrics.tables import ground_truths_of
from zorki.tasks.detection.prediction_files.image_names import ImageNames
from zorki.types import Boxes, Defect

PARTS = ("images", "annotations", "categories")
WANTED = "COCO's annotation file, or a folder with boxes in one of the formats that `zorki train` reads"


@dataclass
class GroundTruth:
    """Images in an order, their objects, and the words that results may use for them.

    Args:
        split: what of the data is judged.
        names: of the images that are judged, as paths.
        image_ids: their numbers, where the data give such.
        others, other_ids: the same of images that are known and not judged.
        masks: COCO's outlines of the objects, and `sizes` (height, width) of the images, where they are known.
        mask_fault: why there are no `masks`, where an outline is broken.
    """

    split: str
    ground_truths: GroundTruthTable
    names: list[str]
    class_names: list[str]
    category_ids: list[int]
    image_ids: list[int] | None = None
    others: list[str] = field(default_factory=list)
    other_ids: list[int] | None = None
    masks: list[Any] | None = None
    sizes: list[tuple[int, int]] | None = None
    mask_fault: str | None = None
    defects: list[Defect] = field(default_factory=list)

    def image_names(self) -> ImageNames:
        """What images may be called, those that are not judged among them."""
        ids = None if self.image_ids is None else [*self.image_ids, *(self.other_ids or [])]
        return ImageNames(self.names, self.others, ids)


def read_ground_truth(data: Path, *, split: str | None = None, format: str | None = None) -> GroundTruth:
    """What is known of `data`: an annotation file of COCO, or whatever detection reads. Raises DataError."""
    if data.is_file() and data.suffix.lower() == ".json" and format in (None, "coco"):
        content = _content(data)
        if isinstance(content, dict) and all(isinstance(content.get(part), list) for part in PARTS):
            if split not in (None, "all"):
                raise DataError(f"{data}: one file has no split {split!r}; leave out --split, or name the folder")
            return from_coco(data, content)
    return from_data(data, split=split, format=format)


def from_coco(path: Path, content: dict[str, Any]) -> GroundTruth:
    """The content of COCO's file `path`, box by box as it stands, so that figures are those of COCO's own tools.

    Images and classes stand in the order of their numbers. Annotations of images or classes that are not in the
    file's lists are reported and left out. Raises DataError where an entry lacks something.
    """
    try:
        images = sorted({image["id"]: image for image in content["images"]}.items())
        classes = sorted({int(row["id"]): str(row["name"]) for row in content["categories"]}.items())
        image_place = {number: place for place, (number, _) in enumerate(images)}
        label = {number: place for place, (number, _) in enumerate(classes)}
        rows = [row for row in content["annotations"] if row["image_id"] in image_place and row["category_id"] in label]
        ground_truths = _ground_truths(rows, image_place, label)
        sizes = [(_side(image, "height"), _side(image, "width")) for _, image in images]
    except (KeyError, TypeError, ValueError) as error:
        reason = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise DataError(f"{path}: is no annotation file of COCO: an entry {reason}; expected {WANTED}") from error
    defects = []
    left, twice = len(content["annotations"]) - len(rows), len(content["images"]) - len(images)
    if left:
        reason = f"{left} annotations are of images or classes that the file does not list; left out"
        defects.append(Defect(path, reason))
    if twice:
        defects.append(Defect(path, f"{twice} images have the id of one that comes later; left out"))
    outlines = [row.get("segmentation") for row in rows]
    fault = _mask_fault(rows, sizes, image_place)
    if fault is not None:
        defects.append(Defect(path, f"{fault}; boxes can be judged by this file, and masks cannot"))
    usable = fault is None and all(outlines) and all(min(size) > 0 for size in sizes)
    return GroundTruth(
        "all",
        ground_truths,
        [str(image.get("file_name", number)).replace("\\", "/") for number, image in images],
        [name for _, name in classes],
        [number for number, _ in classes],
        [number for number, _ in images],
        masks=outlines if usable else None,
        sizes=sizes,
        mask_fault=fault,
        defects=defects,
    )


def _mask_fault(
    rows: Sequence[dict[str, Any]], sizes: Sequence[tuple[int, int]], image_place: dict[Any, int]
) -> str | None:
    """What is wrong with the first run lengths that are not of their image."""
    for row in rows:
        if isinstance(outline := row.get("segmentation"), dict):
            height, width = sizes[image_place[row["image_id"]]]
            if (fault := fault_of(outline, height, width)) is not None:
                return f"annotation {row.get('id')}: {fault}"
    return None


def _side(image: dict[str, Any], name: str) -> int:
    """Height or width of an image, 0 where it is not told. Raises ValueError."""
    value = image.get(name)
    if value is None or (isinstance(value, int | float) and math.isfinite(value)):
        return int(value or 0)
    raise ValueError(f"of image {image['id']!r:.40} has the {name} {value!r:.40}, which is no number")


def _content(path: Path) -> Any:
    try:
        return read_json(path)
    except DataError as error:
        raise DataError(f"{error}; expected {WANTED}") from error


def _ground_truths(
    rows: Sequence[dict[str, Any]], image_place: dict[Any, int], label: dict[int, int]
) -> GroundTruthTable:
    xywh = np.array([row["bbox"] for row in rows], np.float64).reshape(len(rows), 4)
    area = xywh[:, 2] * xywh[:, 3]
    for place, row in enumerate(rows):
        if row.get("area") is not None:
            area[place] = row["area"]
    return GroundTruthTable(
        np.array([image_place[row["image_id"]] for row in rows], np.int64),
        xywh,
        np.array([label[row["category_id"]] for row in rows], np.int64),
        area,
        np.array([bool(row.get("iscrowd", 0)) for row in rows], bool),
        np.array([bool(row.get("ignore") or row.get("difficult")) for row in rows], bool),
    )


def from_data(root: Path, *, split: str | None = None, format: str | None = None) -> GroundTruth:
    """Any data set with boxes; no image needs to be there. Raises DataError as its reader, or for no such split."""
    dataset = _dataset(root, format)
    return from_dataset(root, dataset, dataset.target, split)[0]


def from_dataset(
    root: Path, dataset: Any, boxes: Callable[[int], Boxes], split: str | None = None
) -> tuple[GroundTruth, list[int]]:
    """What is known of a data set, and the indices of what is judged. Raises DataError for no such split.

    Args:
        boxes: of a sample, by its index.
    """
    if split not in (None, "all", *dataset.splits):
        known = ", ".join(dict.fromkeys(["all", *dataset.splits]))
        raise DataError(f"{root}: has no split {split!r}; expected one of {known} ({dataset.split_reason})")
    count = len(dataset)
    indices = list(range(count)) if split in (None, "all") else list(dataset.splits[split])
    ground_truths = ground_truths_of([boxes(index) for index in indices])
    numbers = dataset.image_ids if isinstance(dataset, NumbersImages) else None
    names = [_name(dataset, index) for index in range(count)]
    others = sorted(set(range(count)) - set(indices))
    found = GroundTruth(
        split or "all",
        ground_truths,
        [names[index] for index in indices],
        list(dataset.class_names),
        _category_ids(dataset),
        None if numbers is None else [numbers[index] for index in indices],
        [names[index] for index in others],
        None if numbers is None else [numbers[index] for index in others],
        defects=list(dataset.defects),
    )
    return found, indices


def _dataset(root: Path, format: str | None) -> Any:
    from zorki.data.formats.detect import detect
    from zorki.data.formats.readers import read_boxes
    from zorki.data.scenes.boxes import parse

    scenes = parse(str(root)) if format in (None, "scenes") else None
    if scenes is not None:
        return scenes
    name = detect(root).match("boxes", format=format).format
    try:
        return read_boxes(root, name, need_images=False)
    except DataError as error:
        # Boxes in shares of the image need its size: the images tell it, where they are there.
        try:
            return read_boxes(root, name)
        except DataError:
            raise error from None


def _category_ids(dataset: Any) -> list[int]:
    """The numbers of the classes; counted from 1 where the data give none."""
    if isinstance(dataset, NumbersClasses):
        return list(dataset.category_ids)
    return list(range(1, len(dataset.class_names) + 1))


def _name(dataset: Any, index: int) -> str:
    path, folder = dataset.path(index), dataset.folder if isinstance(dataset, InFolder) else dataset.root
    return str((path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix())
