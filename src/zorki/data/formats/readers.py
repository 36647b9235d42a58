"""Datasets read in whatever format they are: labels, boxes, instances, or a class for every pixel."""

from __future__ import annotations

import dataclasses
import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from zorki.class_selection import ClassSelection
from zorki.contracts import Dataset
from zorki.data import formats
from zorki.data.annotations.boxes.build import ReadOptions, build
from zorki.data.annotations.boxes.dataset import BoxDataset
from zorki.data.annotations.clips.dataset import ClipDataset
from zorki.data.annotations.clips.records import ClipRecords
from zorki.data.annotations.instances.build import build_instances
from zorki.data.annotations.instances.dataset import InstanceDataset
from zorki.data.annotations.keypoints.build import build_keypoints
from zorki.data.annotations.keypoints.dataset import KeypointDataset
from zorki.data.annotations.labels import LabelRecords
from zorki.data.annotations.listing import is_image, walk_files
from zorki.data.annotations.masks.build import MaskRecords
from zorki.data.annotations.masks.dataset import MaskDataset
from zorki.data.annotations.masks.from_instances import BACKGROUND, MasksFromInstances
from zorki.data.annotations.masks.segments import SegmentRecords
from zorki.data.annotations.outside import reading_within
from zorki.data.annotations.records import Records
from zorki.data.annotations.tracks.dataset import TrackDataset
from zorki.data.annotations.tracks.records import TrackRecords
from zorki.data.formats.detect import DetectedFormats, FormatMatch, detect
from zorki.errors import DataError
from zorki.types import Defect, Label


def read_labels(
    root: Path,
    format: str | None = None,
    *,
    class_names: Sequence[str] | None = None,
    max_pixels: int | None = None,
    selection: ClassSelection | None = None,
    open_set: bool = False,
) -> Dataset[Label]:
    """The images at `root` with a class each, in the format that is asked for or detected.

    Args:
        class_names: fixes the labels' order (a run's).
        max_pixels: larger images are refused when they are read.
        selection: classes are renamed, merged and left out; with `class_names`, names that the data lack are passed
            over.
        open_set: see `LabelRecords`.

    Raises:
        DataError: as `DetectedFormats.match`, as the format's `read`, or a class is not among `class_names`.
    """
    match = detect(root).match("labels", format=format)
    with reading_within(root):
        records = dataclasses.replace(cast(LabelRecords, match.reader.read(root)), open_set=open_set)
        return records.build(class_names, max_pixels, selection)


def has_labels(root: Path) -> bool:
    """Whether data have a class for each image, and nothing beside: any folders of images could be classes."""
    detected = detect(root)
    others = (kind for kind in formats.KINDS if kind != "labels")
    return next(detected.matches("labels"), None) is not None and next(detected.matches(*others), None) is None


def has_films(root: Path, format: str | None = None) -> bool:
    """Whether data are videos, or strips of frames, of two classes at least; or that is what the format says.

    Where single images, or folders of frames, lie among them and nobody says a format, they are images and videos.
    """
    if format is not None:
        return format in formats.names("clips") and format not in formats.names("labels")
    if (match := next(detect(root).matches("clips"), None)) is None:
        return False
    with reading_within(root):
        records = cast(ClipRecords, match.reader.read(root))
    films = {clip.path for clip in records.clips}
    alone = not any(root / name not in films for name in walk_files(root) if is_image(name))
    return alone and len(set(records.classes)) > 1


def read_boxes(
    root: Path,
    format: str | None = None,
    *,
    class_names: Sequence[str] | None = None,
    max_pixels: int | None = None,
    selection: ClassSelection | None = None,
    need_images: bool = True,
    need_segments: bool = False,
    images: Path | None = None,
) -> BoxDataset:
    """The images with boxes at `root`; a folder or an annotation file. Other formats there too are told as defects.

    The arguments are those of `ReadOptions`, and of `read_labels`.

    Raises:
        DataError: as `DetectedFormats.match`, a file is broken, no image is there, or no box is left.
    """
    options = ReadOptions(class_names, max_pixels, need_images, need_segments, images)
    with reading_within(root, images), _collector_at_rest():
        return build(*_read("boxes", root, format, options, selection))


def read_instances(
    root: Path,
    format: str | None = None,
    *,
    class_names: Sequence[str] | None = None,
    max_pixels: int | None = None,
    selection: ClassSelection | None = None,
    need_images: bool = True,
    images: Path | None = None,
) -> InstanceDataset:
    """The images with a mask for each object at `root`. Other formats there too are told as defects.

    An object without a usable outline is left out and told; rectangles that were drawn in CVAT, labelme or VIA are
    masks. Formats that know no classes take the one name that `class_names` has. `images` is for formats of boxes
    alone; see `ReadOptions`.

    Raises:
        DataError: as `DetectedFormats.match`, a file is broken, no image is there, or no object has a mask.
    """
    options = ReadOptions(class_names, max_pixels, need_images, images=images)
    with reading_within(root, images), _collector_at_rest():
        records, options = _read("instances", root, format, options, selection)
        if records.classless and class_names is not None and len(class_names) == 1:
            records.rename_class(class_names[0])
        return build_instances(records, options)


def read_keypoints(
    root: Path,
    format: str | None = None,
    *,
    class_names: Sequence[str] | None = None,
    max_pixels: int | None = None,
    selection: ClassSelection | None = None,
    need_images: bool = True,
    images: Path | None = None,
) -> KeypointDataset:
    """The images with the joints of each object at `root`, all of one skeleton; see `build_keypoints`.

    Raises:
        DataError: as `DetectedFormats.match`, as `build_keypoints`, or the joints differ from file to file.
    """
    options = ReadOptions(class_names, max_pixels, need_images, images=images)
    with reading_within(root, images), _collector_at_rest():
        return build_keypoints(*_read("keypoints", root, format, options, selection))


def read_masks(
    root: Path,
    format: str | None = None,
    *,
    class_names: Sequence[str] | None = None,
    max_pixels: int | None = None,
    selection: ClassSelection | None = None,
) -> MaskDataset | MasksFromInstances:
    """The images with a class for every pixel at `root`; where there are none, the classes of masks of objects.

    Raises:
        DataError: as `DetectedFormats.match`, as `read` of the format, or objects are read and `class_names` do not
            begin with the background.
    """
    match = detect(root).match("masks", "instances", format=format)
    if match.kind == "masks":
        with reading_within(root):
            return cast(MaskRecords | SegmentRecords, match.reader.read(root)).build(class_names, max_pixels, selection)
    if class_names is not None and list(class_names[:1]) != [BACKGROUND]:
        raise DataError(
            f"{root}: outlines of objects leave a background, which the classes of the run do not begin with: "
            f"{', '.join(class_names[:5])}"
        )
    foreground_names = None if class_names is None else list(class_names[1:])
    found = read_instances(root, format, class_names=foreground_names, max_pixels=max_pixels, selection=selection)
    return MasksFromInstances(found)


def read_tracks(root: Path, format: str | None = None, *, max_pixels: int | None = None) -> TrackDataset:
    """The videos at `root` with one object each; see `read_labels`.

    Raises:
        DataError: as `DetectedFormats.match`, a file is broken, or no sequence is left.
    """
    match = detect(root).match("tracks", format=format)
    with reading_within(root):
        return cast(TrackRecords, match.reader.read(root)).build(max_pixels)


def read_clips(
    root: Path,
    format: str | None = None,
    *,
    class_names: Sequence[str] | None = None,
    max_pixels: int | None = None,
    selection: ClassSelection | None = None,
) -> ClipDataset:
    """The films at `root`, or parts of them, with a class each; see `read_labels`.

    Raises:
        DataError: as `DetectedFormats.match`, as the format's `read`, a class is not among `class_names`, or clips of
            one film are on both sides of a split.
    """
    match = detect(root).match("clips", format=format)
    with reading_within(root):
        return cast(ClipRecords, match.reader.read(root)).build(class_names, max_pixels, selection)


def _read(
    kind: str, root: Path, format: str | None, options: ReadOptions, selection: ClassSelection | None
) -> tuple[Records, ReadOptions]:
    """What stands at `root`, and the options with notes about other formats there, where none was asked for."""
    detection = detect(root)
    match = detection.match(kind, format=format)
    arguments: dict[str, Any] = {}
    if selection and selection.attribute is not None:
        knows = formats.formats()[match.format].attributes
        if not knows and options.class_names is None:  # a run may read other data than it was trained on
            raise DataError(
                f"{root}: --class-attribute {selection.attribute}: {match.format} has no attributes of regions"
            )
        arguments = {"class_attribute": selection.attribute} if knows else {}
    records = cast(Records, match.reader.read(root, options.images, **arguments))
    records.judge_unlabeled(skip=selection is not None and selection.skips_unlabeled)
    if selection:
        records.select(selection, strict=options.class_names is None)
    notes = _other_formats(detection, match) if format is None else []
    return records, dataclasses.replace(options, notes=notes)


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


def _other_formats(detection: DetectedFormats, taken: FormatMatch) -> list[Defect]:
    """A note for each other format that lies in the folder too.

    Those of boxes alone: to look for images with maps among a hundred thousand takes longer than to read COCO's JSON.
    """
    return [
        Defect(
            detection.root,
            f"{probe.reason} ({name}) beside {taken.format}, which was taken; --format {name} takes the other",
            note=True,
        )
        for name in formats.names(taken.kind)
        if name != taken.format and name in formats.names("boxes")
        if (probe := detection.probe(name, taken.kind)).fits
    ]
