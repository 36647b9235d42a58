"""What `zorki convert` reads and writes: boxes, masks of objects, or a class for every pixel."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from zorki.class_selection import ClassSelection
from zorki.data import formats
from zorki.data.annotations.boxes.dataset import BoxDataset
from zorki.data.annotations.instances.dataset import InstanceDataset
from zorki.data.annotations.keypoints.dataset import KeypointDataset
from zorki.data.annotations.masks.dataset import MaskDataset
from zorki.data.annotations.masks.from_instances import MasksFromInstances
from zorki.data.annotations.subset import subset_boxes, subset_instances, subset_keypoints, subset_masks
from zorki.data.formats.detect import DetectedFormats, detect
from zorki.data.formats.readers import read_boxes, read_instances, read_keypoints, read_masks
from zorki.data.formats.writers import write_boxes, write_instances, write_keypoints, write_masks
from zorki.errors import DataError, RecipeError, did_you_mean

Array = np.ndarray[Any, np.dtype[Any]]


class Kind(ABC):
    """One kind of annotation: how it is read, subset, written and counted.

    Args:
        kinds: what formats must provide, in order of preference; the first is what is written, and what
            the task of such data needs.
        things: what they hold, in words; `blind` is what they do not tell.
    """

    kinds: Sequence[str]
    things: str
    blind: str = ""

    @property
    def writers(self) -> tuple[str, ...]:
        """Formats that can be written."""
        return formats.writable(self.kinds[0])

    @abstractmethod
    def read(
        self, data: Path, format: str | None, folder: Path | None, need_images: bool, selection: ClassSelection
    ) -> Any:
        """The dataset; `folder` is where the images lie, if not where the format has them. Raises DataError."""

    @abstractmethod
    def sizes(self, dataset: Any) -> Array:
        """(N, 2): height and width of each image; 0 where nothing tells them."""

    @abstractmethod
    def keep(self, dataset: Any, kept: Sequence[int]) -> Any:
        """The dataset of the images `kept`."""

    @abstractmethod
    def write(self, dataset: Any, out: Path, to: str, images: str | None) -> list[str]:
        """Writes the dataset, and tells in words what is lost."""

    def count(self, dataset: Any) -> str:
        """How many things there are, for the closing line; empty where they are not counted."""
        return ""

    def knows(self, detection: DetectedFormats, format: str | None) -> bool:
        """Whether the data, in the format that is asked for or detected, can be read so."""
        try:
            match = detection.match(*self.kinds, format=format)
        except DataError:
            return False
        return format is None or detection.probe(match.format, match.kind).fits


class _Boxes(Kind):
    kinds, things = ("boxes",), "boxes"
    blind = ", which have no masks"

    def read(
        self, data: Path, format: str | None, folder: Path | None, need_images: bool, selection: ClassSelection
    ) -> BoxDataset:
        arguments: dict[str, Any] = {"need_images": need_images, "images": folder, "selection": selection}
        return read_boxes(data, format, need_segments=True, **arguments)

    def sizes(self, dataset: BoxDataset) -> Array:
        return dataset.sizes

    def keep(self, dataset: BoxDataset, kept: Sequence[int]) -> BoxDataset:
        return subset_boxes(dataset, kept)

    def write(self, dataset: BoxDataset, out: Path, to: str, images: str | None) -> list[str]:
        return write_boxes(dataset, out, to, images=images)

    def count(self, dataset: BoxDataset) -> str:
        return f"{len(dataset.xyxy)} boxes"


class _Objects(Kind):
    kinds, things = ("instances",), "masks of objects"

    def read(
        self, data: Path, format: str | None, folder: Path | None, need_images: bool, selection: ClassSelection
    ) -> InstanceDataset:
        _refuse_folder(detect(data).match("instances", format=format).format, folder)
        return read_instances(data, format, need_images=need_images, images=folder, selection=selection)

    def sizes(self, dataset: InstanceDataset) -> Array:
        return dataset.boxed.sizes

    def keep(self, dataset: InstanceDataset, kept: Sequence[int]) -> InstanceDataset:
        return subset_instances(dataset, kept)

    def write(self, dataset: InstanceDataset, out: Path, to: str, images: str | None) -> list[str]:
        return write_instances(dataset, out, to, images=images)

    def count(self, dataset: InstanceDataset) -> str:
        return f"{len(dataset.boxed.xyxy)} objects"


@dataclass
class PaintedFiles(MasksFromInstances):
    """Classes of the pixels of objects in files."""

    objects: InstanceDataset


class _Classes(Kind):
    """Maps of classes; of data without any, the classes of masks of objects."""

    kinds, things = ("masks", "instances"), "classes of pixels"
    blind = ", which do not tell one object from the next"

    def read(
        self, data: Path, format: str | None, folder: Path | None, need_images: bool, selection: ClassSelection
    ) -> MaskDataset | PaintedFiles:
        detection = detect(data)
        match = detection.match(*self.kinds, format=format)
        if match.kind == "instances":
            return PaintedFiles(OBJECTS.read(data, format, folder, need_images, selection))
        _refuse_folder(match.format, folder)
        try:
            return cast(MaskDataset, read_masks(data, match.format))
        except DataError:  # maps that number objects lie as those of classes do
            if format is not None or not detection.probe("label_map_png", "instances").fits:
                raise
        return PaintedFiles(OBJECTS.read(data, "label_map_png", folder, need_images, selection))

    def sizes(self, dataset: MaskDataset | PaintedFiles) -> Array:
        return dataset.sizes if isinstance(dataset, MaskDataset) else dataset.objects.boxed.sizes

    def keep(self, dataset: MaskDataset | PaintedFiles, kept: Sequence[int]) -> MaskDataset | PaintedFiles:
        if isinstance(dataset, MaskDataset):
            return subset_masks(dataset, kept)
        return PaintedFiles(subset_instances(dataset.objects, kept))

    def write(self, dataset: MaskDataset | PaintedFiles, out: Path, to: str, images: str | None) -> list[str]:
        lost = write_masks(dataset, out, to, images=images)
        if not isinstance(dataset, MaskDataset):
            boxed = dataset.objects.boxed
            lost.append(f"{to} knows no objects: {len(boxed.xyxy)} are the classes of their pixels, the later on top")
            for flag in ("crowd", "difficult"):
                if (values := getattr(boxed, flag)) is not None:
                    lost.append(f"{int(values.sum())} {flag} objects are pixels of 255, which is ignored")
        return lost


class _Joints(Kind):
    kinds, things = ("keypoints",), "joints of objects"

    def read(
        self, data: Path, format: str | None, folder: Path | None, need_images: bool, selection: ClassSelection
    ) -> KeypointDataset:
        return read_keypoints(data, format, selection=selection, need_images=need_images, images=folder)

    def sizes(self, dataset: KeypointDataset) -> Array:
        return dataset.boxed.sizes

    def keep(self, dataset: KeypointDataset, kept: Sequence[int]) -> KeypointDataset:
        return subset_keypoints(dataset, kept)

    def write(self, dataset: KeypointDataset, out: Path, to: str, images: str | None) -> list[str]:
        return write_keypoints(dataset, out, to, images=images)

    def count(self, dataset: KeypointDataset) -> str:
        return f"{len(dataset.points)} objects of {len(dataset.skeleton)} joints"


JOINTS, BOXES, OBJECTS, CLASSES = _Joints(), _Boxes(), _Objects(), _Classes()
KINDS: Sequence[Kind] = (JOINTS, BOXES, OBJECTS, CLASSES)
"""In the order in which they are tried: joints, which stand in files of boxes, and then what is simplest first."""


def kind_of(data: Path, to: str, task: str | None, format: str | None) -> Kind:
    """What is read and written: the kind that `task` asks for, else the first that `to` can hold and the data have.

    Where nothing is recognized, the first that `to` can hold, whose reader says what is wrong.

    Raises:
        RecipeError: no format is called `to`, no such kind is called `task`, or `to` cannot hold it.
        DataError: the data are of another kind than `to` can hold, or broken.
    """
    name, only = formats.ALIASES.get(to, formats.Word(to))
    able = [kind for kind in KINDS if name in kind.writers and only in (None, kind.kinds[0])]
    if not able:
        by_name = formats.writable()
        raise RecipeError(f"--to {to}: expected one of {', '.join(by_name)}.{formats.near(to, by_name)}")
    if task is not None:
        kind = _kind_of_task(task)
        if kind not in able:
            raise RecipeError(
                f"--task {task}: {to} is no format for {kind.things}; expected --to {_either(kind.writers)}"
            )
        able = [kind]
    detection = detect(data)
    found = next((kind for kind in able if kind.knows(detection, format)), None)
    # A broken file of boxes says what was meant, whatever folders of images lie beside it.
    meant = None if format is not None or BOXES.knows(detection, None) else detection.error()
    if meant is not None and found is not BOXES:
        raise meant
    if found is not None:
        return found
    other = next((kind for kind in KINDS if kind not in able and kind.knows(detection, format)), None)
    if other is None:
        return next((kind for kind in able if format is None or _provides(format, kind)), able[0])
    match = detection.match(*other.kinds, format=format)
    raise DataError(
        f"{data}: the data are {other.things}{other.blind} ({match}), and {_either([k.things for k in able])} "
        f"are wanted{f' by --task {task}' if task else ''}; they can be written as {_either(other.writers)}"
    )


def _provides(format: str, kind: Kind) -> bool:
    """Whether a format that was asked for can be read so."""
    try:
        formats.resolve(format, *kind.kinds)
    except DataError:
        return False
    return True


def prefers_masks(dataset: BoxDataset, to: str) -> bool:
    """Whether boxes had better be read as masks for a tool that draws polygons: they have outlines, and all of them.

    To read them so leaves out those without; a rectangle of another such tool is its own outline.
    """
    by_name = formats.formats()
    if not by_name[formats.ALIASES.get(to, formats.Word(to)).format].drawn or dataset.segments is None:
        return False
    outlined = np.array([bool(one) for one in dataset.segments], bool)
    return bool(outlined.any()) and (by_name[dataset.format].drawn or bool(outlined.all()))


def _kind_of_task(task: str) -> Kind:
    """The kind of annotation that a task needs. Raises RecipeError for a task whose annotation is not converted."""
    from zorki import registry

    tasks = registry.tasks()
    found = {name: kind for kind in KINDS for name in tasks if tasks[name].data.needs == kind.kinds[:1]}
    if task not in found:
        raise RecipeError(f"--task {task}: expected one of {', '.join(found)}.{did_you_mean(task, found)}")
    return found[task]


def _refuse_folder(name: str, folder: Path | None) -> None:
    if folder is not None and name not in formats.names("boxes"):
        raise RecipeError(f"--image-folder: {name} finds images beside their masks; leave it out")


def _either(names: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))
