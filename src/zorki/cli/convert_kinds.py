"""What `zorki convert` reads and writes: boxes, masks of objects, or a class for every pixel."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from zorki.data import formats
from zorki.data.annotations.boxes.dataset import BoxDataset
from zorki.data.annotations.boxes.subset import subset
from zorki.data.annotations.drafts import boxes as boxed_writing
from zorki.data.annotations.drafts import instances as outlined_writing
from zorki.data.annotations.drafts import masks as masked_writing
from zorki.data.annotations.instances.dataset import InstanceDataset
from zorki.data.annotations.masks.dataset import MaskDataset
from zorki.data.annotations.masks.from_instances import MasksFromInstances
from zorki.data.annotations.subset import keep_masks, keep_objects
from zorki.errors import DataError, RecipeError, did_you_mean

Array = np.ndarray[Any, np.dtype[Any]]

DRAWN = ("cvat", "labelme", "via")
"""Formats of drawing tools: a rectangle in them is a shape as good as a polygon."""


class Kind(ABC):
    """One kind of annotation: how it is read, thinned out, written and counted.

    Args:
        task: what such data are for.
        things: what they hold, in words; `blind` is what they do not tell.
        writers: formats that can be written.
        formats: formats that can be read, in the order in which they are tried.
    """

    task: str
    things: str
    writers: Sequence[str]
    formats: Sequence[str]
    blind: str = ""

    @abstractmethod
    def read(self, data: Path, format: str | None, folder: Path | None, need_images: bool) -> Any:
        """The data set; `folder` is where the images lie, if not where the format has them. Raises DataError."""

    @abstractmethod
    def sizes(self, dataset: Any) -> Array:
        """(N, 2): height and width of each image; 0 where nothing tells them."""

    @abstractmethod
    def keep(self, dataset: Any, kept: Sequence[int]) -> Any:
        """The data set of the images `kept`."""

    @abstractmethod
    def write(self, dataset: Any, out: Path, to: str, images: str | None) -> list[str]:
        """Writes the data set, and tells in words what is lost."""

    def count(self, dataset: Any) -> str:
        """How many things there are, for the closing line; empty where they are not counted."""
        return ""

    def knows(self, data: Path, format: str | None) -> bool:
        """Whether the data, in the format that is asked for or recognized, can be read so."""
        try:
            formats.recognize(data, format, self.formats)
        except DataError:
            return False
        return True


class _Boxes(Kind):
    task, things, writers, formats = "detection", "boxes", boxed_writing.WRITERS, formats.BOXED
    blind = ", which have no masks"

    def read(self, data: Path, format: str | None, folder: Path | None, need_images: bool) -> BoxDataset:
        return formats.read_boxes(data, format, need_images=need_images, need_segments=True, images=folder)

    def sizes(self, dataset: BoxDataset) -> Array:
        return dataset.sizes

    def keep(self, dataset: BoxDataset, kept: Sequence[int]) -> BoxDataset:
        return subset(dataset, kept)

    def write(self, dataset: BoxDataset, out: Path, to: str, images: str | None) -> list[str]:
        return boxed_writing.write(dataset, out, to, images=images)

    def count(self, dataset: BoxDataset) -> str:
        return f"{len(dataset.xyxy)} boxes"


class _Objects(Kind):
    task, things, writers = "instance_segmentation", "masks of objects", outlined_writing.WRITERS
    formats = formats.OUTLINED

    def read(self, data: Path, format: str | None, folder: Path | None, need_images: bool) -> InstanceDataset:
        name, _ = formats.recognize(data, format, formats.OUTLINED)
        _refuse_folder(name, folder)
        return formats.read_instances(data, format, need_images=need_images, images=folder)

    def sizes(self, dataset: InstanceDataset) -> Array:
        return dataset.boxed.sizes

    def keep(self, dataset: InstanceDataset, kept: Sequence[int]) -> InstanceDataset:
        return keep_objects(dataset, kept)

    def write(self, dataset: InstanceDataset, out: Path, to: str, images: str | None) -> list[str]:
        return outlined_writing.write(dataset, out, to, images=images)

    def count(self, dataset: InstanceDataset) -> str:
        return f"{len(dataset.boxed.xyxy)} objects"


@dataclass
class _PaintedFiles(MasksFromInstances):
    """Classes of the pixels of objects in files."""

    objects: InstanceDataset


class _Classes(Kind):
    """Maps of classes; of data without any, the classes of masks of objects."""

    task, things, writers = "semantic_segmentation", "classes of pixels", masked_writing.WRITERS
    formats = (*formats.SEGMENTED, *formats.OUTLINED)
    blind = ", which do not tell one object from the next"

    def read(
        self, data: Path, format: str | None, folder: Path | None, need_images: bool
    ) -> MaskDataset | _PaintedFiles:
        name, _ = formats.recognize(data, format, self.formats)
        if name in formats.OUTLINED:
            return _PaintedFiles(OBJECTS.read(data, format, folder, need_images))
        _refuse_folder(name, folder)
        try:
            return cast(MaskDataset, formats.read(data, format, allowed=formats.SEGMENTED))
        except DataError:  # maps that number objects lie as those of classes do
            if format is not None or formats.find("label_png").recognize(data) is None:
                raise
        return _PaintedFiles(OBJECTS.read(data, "label_png", folder, need_images))

    def sizes(self, dataset: MaskDataset | _PaintedFiles) -> Array:
        return dataset.sizes if isinstance(dataset, MaskDataset) else dataset.objects.boxed.sizes

    def keep(self, dataset: MaskDataset | _PaintedFiles, kept: Sequence[int]) -> MaskDataset | _PaintedFiles:
        if isinstance(dataset, MaskDataset):
            return keep_masks(dataset, kept)
        return _PaintedFiles(keep_objects(dataset.objects, kept))

    def write(self, dataset: MaskDataset | _PaintedFiles, out: Path, to: str, images: str | None) -> list[str]:
        lost = masked_writing.write(dataset, out, to, images=images)
        if not isinstance(dataset, MaskDataset):
            boxed = dataset.objects.boxed
            lost.append(f"{to} knows no objects: {len(boxed.xyxy)} are the classes of their pixels, the later on top")
            for flag in ("crowd", "difficult"):
                if (values := getattr(boxed, flag)) is not None:
                    lost.append(f"{int(values.sum())} {flag} objects are pixels of 255, which nobody judges")
        return lost


BOXES, OBJECTS, CLASSES = _Boxes(), _Objects(), _Classes()
KINDS: Sequence[Kind] = (BOXES, OBJECTS, CLASSES)
"""In the order in which they are tried: what is simplest first."""

WRITERS = tuple(dict.fromkeys(name for kind in KINDS for name in kind.writers))
"""Formats that can be written."""


def kind_of(data: Path, to: str, task: str | None, format: str | None) -> Kind:
    """What is read and written: the kind that `task` asks for, else the first that `to` can hold and the data have.

    Where nothing is recognized, the first that `to` can hold, whose reader says what is wrong.

    Raises:
        RecipeError: no format is called `to`, no such kind is called `task`, or `to` cannot hold it.
        DataError: the data are of another kind than `to` can hold, or broken.
    """
    if to not in WRITERS:
        raise RecipeError(f"--to {to}: expected one of {', '.join(WRITERS)}.{did_you_mean(to, WRITERS)}")
    able = [kind for kind in KINDS if to in kind.writers]
    if task is not None:
        asked = _asked(task)
        if asked not in able:
            raise RecipeError(
                f"--task {task}: {to} is no format for {asked.things}; expected --to {_either(asked.writers)}"
            )
        able = [asked]
    found = next((kind for kind in able if kind.knows(data, format)), None)
    # A broken file of boxes says what was meant, whatever folders of images lie beside it.
    meant = None if format is not None or BOXES.knows(data, None) else formats.broken(data)
    if meant is not None and found is not BOXES:
        raise meant
    if found is not None:
        return found
    other = next((kind for kind in KINDS if kind not in able and kind.knows(data, format)), None)
    if other is None:
        return able[0]
    name, reason = formats.recognize(data, format, other.formats)
    raise DataError(
        f"{data}: the data are {other.things}{other.blind} ({name}: {reason}), and {_either([k.things for k in able])} "
        f"are wanted{f' by --task {task}' if task else ''}; they can be written as {_either(other.writers)}"
    )


def wants_masks(dataset: BoxDataset, to: str) -> bool:
    """Whether boxes had better be read as masks for a tool that draws polygons: they have outlines, and all of them.

    To read them so leaves out those without; a rectangle of another such tool is its own outline.
    """
    if to not in DRAWN or dataset.segments is None:
        return False
    outlined = np.array([bool(one) for one in dataset.segments], bool)
    return bool(outlined.any()) and (dataset.format in DRAWN or bool(outlined.all()))


def _asked(task: str) -> Kind:
    names = [kind.task for kind in KINDS]
    if task not in names:
        raise RecipeError(f"--task {task}: expected one of {', '.join(names)}.{did_you_mean(task, names)}")
    return KINDS[names.index(task)]


def _refuse_folder(name: str, folder: Path | None) -> None:
    if folder is not None and name not in formats.BOXED:
        raise RecipeError(f"--image-folder: {name} finds images beside their masks; leave it out")


def _either(names: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))
