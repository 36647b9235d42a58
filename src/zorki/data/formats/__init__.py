"""Formats of data sets on disk, one file each, and how the right one is found.

Every format has the same four names: `WANTED` says what it looks like, `recognize(root)` why `root` is of it,
`refusal(root)` why not, and `read(root, class_names=..., max_pixels=...)` gives the data set.
"""

from __future__ import annotations

import gc
import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from zorki.contracts import Dataset
from zorki.data.annotations.listing import holds_image, missing_root, no_images
from zorki.errors import DataError, did_you_mean
from zorki.types import Defect

if TYPE_CHECKING:
    from zorki.data.annotations.boxes.dataset import BoxDataset
    from zorki.data.annotations.instances.dataset import InstanceDataset
    from zorki.data.annotations.records import Records

LABELED = ("csv", "idx", "folders")
"""Formats of images with one class each, in the order in which they are tried: what is most explicit first."""

BOXED = ("coco", "voc", "yolo", "cvat", "labelme", "via", "boxes_csv")
"""Formats of images with boxes, in the order in which they are tried."""

OUTLINED = ("coco", "yolo", "cvat", "labelme", "via", "voc_objects", "object_png", "label_png")
"""Formats of images with a mask for each object, in the order in which they are tried."""

CLASSLESS = ("object_png", "label_png")
"""Those among them that know no classes: all their objects are of one."""

SEGMENTED = ("voc_masks", "mask_pairs")
"""Formats of images with a class for every pixel, in the order in which they are tried."""

_MODULES = {
    "folders": "class_folders.read",
    "boxes_csv": "csv.read_boxes",
    "voc_objects": "voc.read_instances",
    "voc_masks": "voc.read_masks",
    "mask_pairs": "mask_folders.read",
    "object_png": "instance_png.read",
    "label_png": "label_map_png.read",
}


@runtime_checkable
class Format(Protocol):
    """What a format's module offers."""

    WANTED: str

    def recognize(self, root: Path) -> str | None: ...

    def refusal(self, root: Path) -> str | None: ...

    def read(
        self, root: Path, *, class_names: Sequence[str] | None = None, max_pixels: int | None = None
    ) -> Dataset[Any]: ...


@runtime_checkable
class BoxedFormat(Protocol):
    """What the module of a format of boxes offers beside: options of `ReadOptions`."""

    def read(
        self,
        root: Path,
        *,
        class_names: Sequence[str] | None = None,
        max_pixels: int | None = None,
        need_images: bool = True,
        need_segments: bool = False,
        images: Path | None = None,
    ) -> BoxDataset: ...


@runtime_checkable
class OutlinedFormat(Protocol):
    """What the module of a format of masks offers beside: what its files say, before it is judged."""

    def records_of(self, root: Path, images: Path | None = None) -> Records: ...


def find(name: str) -> Format:
    """The format's module."""
    return cast(Format, importlib.import_module(f"{__name__}.{_MODULES.get(name, f'{name}.read')}"))


def recognize(root: Path, format: str | None = None, allowed: Sequence[str] = LABELED) -> tuple[str, str]:
    """The name of the format of `root`, and the reason in words for a person.

    A `format` that was asked for is taken whether it fits or not: its reader then says what is wrong.

    Raises:
        DataError: `root` does not exist, `format` is not one of `allowed`, or no format fits.
    """
    if format is not None and format not in allowed:
        raise DataError(
            f"{format!r} is no format that can be read here; expected one of {', '.join(allowed)}."
            f"{did_you_mean(format, allowed)}"
        )
    if (error := missing_root(root)) is not None:
        raise error
    if format is not None:
        return format, find(format).recognize(root) or "as asked for"
    tried = []
    for name in allowed:
        module = find(name)
        reason = module.recognize(root)
        if reason is not None:
            return name, reason
        tried.append(f"\n  {name}: {module.refusal(root)}; wanted {module.WANTED}")
    if root.is_dir() and not holds_image(root):
        raise DataError(f"{no_images(root)}; tried{''.join(tried)}")
    raise DataError(f"{root}: the format of the data was not recognized; tried{''.join(tried)}")


def read(
    root: Path,
    format: str | None = None,
    *,
    allowed: Sequence[str] = LABELED,
    class_names: Sequence[str] | None = None,
    max_pixels: int | None = None,
) -> Dataset[Any]:
    """The data set at `root`, in the format that is asked for or recognized.

    Raises:
        DataError: as `recognize`, and as the format's `read`.
    """
    if all(name in BOXED for name in allowed):
        return read_boxes(root, format, allowed=allowed, class_names=class_names, max_pixels=max_pixels)
    name, _ = recognize(root, format, allowed)
    return find(name).read(root, class_names=class_names, max_pixels=max_pixels)


def read_boxes(
    root: Path,
    format: str | None = None,
    *,
    allowed: Sequence[str] = BOXED,
    class_names: Sequence[str] | None = None,
    max_pixels: int | None = None,
    need_images: bool = True,
    need_segments: bool = False,
    images: Path | None = None,
) -> BoxDataset:
    """The images with boxes at `root`; a folder or an annotation file. Other formats there too are told as defects.

    The arguments are those of `ReadOptions`.

    Raises:
        DataError: as `recognize`, and as the format's `read`.
    """
    name, _ = recognize(root, format, allowed)
    reader = cast(BoxedFormat, find(name))
    with _collector_at_rest():
        dataset = reader.read(
            root,
            class_names=class_names,
            max_pixels=max_pixels,
            need_images=need_images,
            need_segments=need_segments,
            images=images,
        )
    if format is None:
        dataset.defects += _other_formats(root, name, allowed)
    return dataset


def read_instances(
    root: Path,
    format: str | None = None,
    *,
    allowed: Sequence[str] = OUTLINED,
    class_names: Sequence[str] | None = None,
    max_pixels: int | None = None,
    need_images: bool = True,
    images: Path | None = None,
) -> InstanceDataset:
    """The images with a mask for each object at `root`. Other formats there too are told as defects.

    An object without a usable outline is left out and told; rectangles that were drawn in CVAT, labelme or VIA are
    masks. Formats that know no classes take the one name that `class_names` has. `images` is for formats of boxes
    alone; see `ReadOptions`.

    Raises:
        DataError: as `recognize`, no image is there, or no object has a mask.
    """
    from zorki.data.annotations.boxes.build import ReadOptions
    from zorki.data.annotations.instances.build import build_instances

    name, _ = recognize(root, format, allowed)
    with _collector_at_rest():
        records = cast(OutlinedFormat, find(name)).records_of(root, images)
        if name in CLASSLESS and class_names is not None and len(class_names) == 1:
            records.rename_class(class_names[0])
        dataset = build_instances(records, ReadOptions(class_names, max_pixels, need_images, images=images))
    if format is None:
        # To look for images with maps among a hundred thousand takes longer than to read COCO's JSON.
        dataset.defects += _other_formats(root, name, [other for other in allowed if other in BOXED])
    return dataset


def broken(root: Path) -> DataError | None:
    """What is wrong with data that are meant to be boxes and that no reader knows; None where none are meant."""
    for name in BOXED:
        look = getattr(find(name), "broken", None)
        if look is not None and (error := look(root)) is not None:
            return cast(DataError, error)
    return None


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Annotation becomes millions of small objects that all live on: to look for garbage among them takes most of the
    time of reading.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _other_formats(root: Path, taken: str, allowed: Sequence[str]) -> list[Defect]:
    """A note for each other format that lies in the folder too."""
    reasons = {name: find(name).recognize(root) for name in allowed if name != taken}
    return [
        Defect(root, f"{reason} ({name}) beside {taken}, which was taken; --format {name} takes the other", note=True)
        for name, reason in reasons.items()
        if reason is not None
    ]
