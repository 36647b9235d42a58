"""The ground truth for a file of detections: an annotation file of COCO as it stands, or any dataset with boxes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from zorki.contracts.capabilities import InFolder, NumbersClasses, NumbersImages
from zorki.errors import DataError
from zorki.input_files.json_files import read_json
from zorki.input_files.numbers import flag_in, image_key, integer_in
from zorki.metrics.tables import GroundTruthTable, join
from zorki.ops.rle import fault_of
from zorki.tasks.detection.metrics.tables import ground_truths_of
from zorki.tasks.detection.prediction_files.coco_results import ResultEntries
from zorki.tasks.detection.prediction_files.image_names import UNKNOWN, ImageNames
from zorki.tasks.detection.prediction_files.split_choice import ALL, SplitImages, choose_split
from zorki.types import Boxes, Defect

PARTS = ("images", "annotations", "categories")
EXPECTED = "COCO's annotation file, or a folder with boxes in one of the formats that `zorki train` reads"


@dataclass
class GroundTruth:
    """Images in an order, their objects, and the words that results may use for them.

    Args:
        split: what of the data is evaluated.
        names: of the images that are evaluated, as paths.
        image_ids: their numbers, where the data give such.
        others, other_ids: the same of images that are known and not evaluated.
        masks: COCO's outlines of the objects, and `sizes` (height, width) of the images, where they are known.
        mask_fault: why there are no `masks`, where an outline is broken.
    """

    split: str
    ground_truths: GroundTruthTable
    names: list[str]
    class_names: list[str]
    category_ids: list[int]
    image_ids: list[Any] | None = None
    others: list[str] = field(default_factory=list)
    other_ids: list[Any] | None = None
    masks: list[Any] | None = None
    sizes: list[tuple[int, int]] | None = None
    mask_fault: str | None = None
    defects: list[Defect] = field(default_factory=list)

    def image_names(self) -> ImageNames:
        """What images may be called, those that are not evaluated among them."""
        ids = None if self.image_ids is None else [*self.image_ids, *(self.other_ids or [])]
        return ImageNames(self.names, self.others, ids)


def read_ground_truth(
    data: Path, found: ResultEntries, *, split: str | None = None, format: str | None = None
) -> GroundTruth:
    """What is known of `data`: files of COCO as they stand, or whatever detection reads.

    Without `split`, that of the images that `found` is about, see `choose_split`.

    Raises:
        DataError: the data cannot be read, there is no such split, or several could be meant.
    """
    if (annotated := read_coco(data, found, split=split, format=format)) is not None:
        return annotated
    dataset = _dataset(data, format)
    return from_dataset(data, dataset, dataset.target, found, split)[0]


def read_coco(
    data: Path, found: ResultEntries, *, split: str | None = None, format: str | None = None
) -> GroundTruth | None:
    """What a file of COCO says, or the files of a folder, box by box; None where `data` are none of COCO's.

    Raises:
        DataError: as `read_ground_truth`.
    """
    if format not in (None, "coco"):
        return None
    if data.is_file() and data.suffix.lower() == ".json":
        content = _content(data)
        if isinstance(content, dict) and all(isinstance(content.get(part), list) for part in PARTS):
            if split not in (None, ALL):
                raise DataError(f"{data}: one file has no split {split!r}; leave out --split, or name the folder")
            return from_coco(data, content)
    if data.is_dir() and (format == "coco" or _is_coco(data)):
        return from_coco_folder(data, found, split)
    return None


def _is_coco(root: Path) -> bool:
    from zorki.data.formats.detect import detect

    try:
        return detect(root).match("boxes").format == "coco"
    except DataError:
        return False


def from_coco_folder(root: Path, found: ResultEntries, split: str | None = None) -> GroundTruth:
    """Files of COCO, one a split, box by box as they stand; images in the order of their numbers.

    Names and splits are those of training, held-out images among them. Raises DataError as `read_ground_truth`.
    """
    from zorki.data.annotations.boxes.build import ReadOptions, build
    from zorki.data.formats.coco.read import read

    records = read(root)
    dataset = build(records, ReadOptions(need_images=False))
    sources = [(image.source, image.image_id) for image in records.images]
    parts = {path: from_coco(path, _content(path)) for path in dict.fromkeys(path for path, _ in sources)}
    if len(dataset) < len(sources):  # an image of unknown size is broken
        return from_dataset(root, dataset, dataset.target, found, split)[0]
    annotated, indices = from_dataset(root, dataset, dataset.target, found, split)
    places = {sources[index]: place for place, index in enumerate(indices)}
    moved = [_moved(part, path, places, annotated) for path, part in parts.items()]
    rows = join([table for table, _ in moved])
    order = np.argsort(rows.image, kind="stable")
    masks = [mask for _, own in moved for mask in own or ()] if all(own is not None for _, own in moved) else None
    sizes = {
        (path, number): size
        for path, part in parts.items()
        for number, size in zip(part.image_ids or (), part.sizes or (), strict=True)
    }
    return replace(
        annotated,
        ground_truths=rows.where(order),
        masks=None if masks is None else [masks[row] for row in order.tolist()],
        sizes=[sizes[sources[index]] for index in indices],
        mask_fault=next((part.mask_fault for part in parts.values() if part.mask_fault is not None), None),
        defects=[*annotated.defects, *(defect for part in parts.values() for defect in part.defects)],
    )


def _moved(
    part: GroundTruth, path: Path, places: Mapping[Any, int], whole: GroundTruth
) -> tuple[GroundTruthTable, list[Any] | None]:
    """The objects of a file, and their masks, with the places of images and classes in the whole."""
    rows = part.ground_truths
    images = np.array([places.get((path, number), UNKNOWN) for number in part.image_ids or ()], np.int64)
    labels = {name: label for label, name in enumerate(whole.class_names)}
    classes = np.array([labels.get(name, UNKNOWN) for name in part.class_names], np.int64)
    moved = replace(rows, image=images[rows.image], label=classes[rows.label])
    kept = np.flatnonzero((moved.image >= 0) & (moved.label >= 0))
    return moved.where(kept), None if part.masks is None else [part.masks[row] for row in kept.tolist()]


def from_coco(path: Path, content: dict[str, Any]) -> GroundTruth:
    """The content of COCO's file `path`, box by box as it stands, so that metrics are those of COCO's own tools.

    Images and classes stand in the order of their numbers, which decides where scores tie. Annotations of images or
    classes that are not in the file's lists are reported and left out. Raises DataError where an entry lacks something.
    """
    try:
        images = sorted({image_key(image["id"]): image for image in content["images"]}.items(), key=_number_order)
        classes = sorted({int(row["id"]): str(row["name"]).strip() for row in content["categories"]}.items())
        image_place = {number: place for place, (number, _) in enumerate(images)}
        label = {number: place for place, (number, _) in enumerate(classes)}
        rows = [row for row in content["annotations"] if _image_of(row) in image_place and _class_of(row) in label]
        ground_truths = _ground_truths(rows, image_place, label)
        sizes = [(_side(image, "height"), _side(image, "width")) for _, image in images]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise DataError(f"{path}: is no annotation file of COCO: an entry {reason}; expected {EXPECTED}") from error
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
        defects.append(Defect(path, f"{fault}; boxes can be evaluated by this file, and masks cannot"))
    usable = fault is None and all(outlines) and all(min(size) > 0 for size in sizes)
    return GroundTruth(
        ALL,
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


def _number_order(item: tuple[Any, Any]) -> tuple[bool, Any]:
    """Numbers in their order, then texts in theirs."""
    return isinstance(item[0], str), item[0]


def _image_of(row: dict[str, Any]) -> Any:
    return image_key(row["image_id"])


def _class_of(row: dict[str, Any]) -> Any:
    return integer_in(row["category_id"])


def _mask_fault(
    rows: Sequence[dict[str, Any]], sizes: Sequence[tuple[int, int]], image_place: dict[Any, int]
) -> str | None:
    """What is wrong with the first run lengths that are not of their image."""
    for row in rows:
        if isinstance(outline := row.get("segmentation"), dict):
            height, width = sizes[image_place[_image_of(row)]]
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
        raise DataError(f"{error}; expected {EXPECTED}") from error


def _ground_truths(
    rows: Sequence[dict[str, Any]], image_place: dict[Any, int], label: dict[int, int]
) -> GroundTruthTable:
    xywh = np.array([row["bbox"] for row in rows], np.float64).reshape(len(rows), 4)
    area = xywh[:, 2] * xywh[:, 3]
    for place, row in enumerate(rows):
        if row.get("area") is not None:
            area[place] = row["area"]
    return GroundTruthTable(
        np.array([image_place[_image_of(row)] for row in rows], np.int64),
        xywh,
        np.array([label[_class_of(row)] for row in rows], np.int64),
        area,
        np.array([flag_in(row.get("iscrowd")) for row in rows], bool),
        np.array([flag_in(row.get("ignore")) or flag_in(row.get("difficult")) for row in rows], bool),
    )


def from_dataset(
    root: Path, dataset: Any, boxes: Callable[[int], Boxes], found: ResultEntries, split: str | None = None
) -> tuple[GroundTruth, list[int]]:
    """What is known of a dataset, and the indices of what is evaluated, in the order of images' numbers.

    Args:
        boxes: of a sample, by its index.

    Raises:
        DataError: there is no such split, or several could be meant.
    """
    numbers = dataset.image_ids if isinstance(dataset, NumbersImages) else None
    names = [_name(dataset, index) for index in range(len(dataset))]
    images = SplitImages(names, numbers, dataset.splits, dataset.split_reason)
    split, split_reason = choose_split(found, images, root, split)
    indices = list(range(len(dataset))) if split == ALL else list(dataset.splits[split])
    if numbers is not None:
        indices.sort(key=numbers.__getitem__)
    evaluated = set(indices)
    others = [index for index in range(len(dataset)) if index not in evaluated]
    annotated = GroundTruth(
        split,
        ground_truths_of([boxes(index) for index in indices]),
        [names[index] for index in indices],
        list(dataset.class_names),
        _category_ids(dataset),
        None if numbers is None else [numbers[index] for index in indices],
        [names[index] for index in others],
        None if numbers is None else [numbers[index] for index in others],
        defects=[*dataset.defects, *split_reason],
    )
    return annotated, indices


def _dataset(root: Path, format: str | None) -> Any:
    from zorki.data.formats.detect import detect
    from zorki.data.formats.readers import read_boxes
    from zorki.data.scenes.choose import is_scenes

    if is_scenes(root, format):
        from zorki.data.scenes.boxes import parse

        return parse(str(root))
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
