"""Datasets written in the formats of others: a whole new folder, or none at all."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

from zorki.contracts import Dataset
from zorki.data import formats
from zorki.data.annotations.boxes.dataset import BoxDataset
from zorki.data.annotations.drafts.boxes import BoxDraft, file_names, place_images
from zorki.data.annotations.drafts.instances import InstanceDraft, Place
from zorki.data.annotations.drafts.keypoints import KeypointDraft
from zorki.data.annotations.drafts.masks import MaskDraft, Places, write_samples
from zorki.data.annotations.drafts.new_folder import (
    COPIERS,
    file_name_of,
    members_of,
    new_folder,
    place_image,
    refuse_taken,
    unlike_names,
)
from zorki.data.annotations.masks.class_names import is_void
from zorki.data.annotations.masks.dataset import IGNORE
from zorki.data.annotations.splits import ORDER
from zorki.errors import DataError
from zorki.files import write_text
from zorki.types import Instances, Keypoints, Mask


def write_boxes(data: BoxDataset, out: Path, to: str, *, images: str | None = "copy") -> list[str]:
    """Writes boxes as `to` into the new folder `out`, and tells in words what that format cannot keep.

    An image keeps its file name where no other image has it; else the folders above it are joined to it. Every
    image is written into the first of its splits. Boxes come back from a reader to within a thousandth of a pixel.

    Args:
        to: one of `formats.writable("boxes")`.
        images: "copy", "link" (symbolic links to the originals), or None for the annotation alone.

    Raises:
        DataError: `out` is there and not empty, or `to` is none of the formats, or an image's size is not known.
        ZorkiError: the disk is full, or the folder cannot be written; nothing is left then.
    """
    to = _writable(to, "boxes")
    refuse_taken(out)
    for index in range(len(data)):
        if min(data.size(index)) <= 0:
            raise DataError(f"{data.names[index]}: the size of the image is not known; convert it with its images")
    with new_folder(out) as aside:
        members, lost = _members(data, to)
        draft = BoxDraft(data, aside, file_names(data), members, lost)
        place = cast(Place, _writer(to, "boxes")(draft))
        if images is not None:
            place_images(draft, images, place)
    return draft.lost


def write_instances(data: Dataset[Instances], out: Path, to: str, *, images: str | None = "copy") -> list[str]:
    """Writes masks of objects as `to` into the new folder `out`, and tells in words what that format cannot keep.

    coco: run lengths, which keep every pixel. yolo: one polygon an object, holes and parts joined by lines without
    width, which fill the same pixels; so does via. labelme: a polygon for each part and each hole, in one group.
    voc: maps of 8 bits of objects and of their classes, and label_map_png: maps of 16 bits, where later objects lie on
    top. instance_png: a PNG an object. An image is copied as it is; one that is no file of its own, such as a scene,
    is written as PNG. Every image is written into the first of its splits.

    Args:
        data: any dataset of objects with masks.
        to: one of `formats.writable("instances")`.
        images: "copy", "link" (symbolic links to the originals), or None for the annotation alone.

    Raises:
        DataError: `out` is there and not empty, `to` is none of the formats, a sample cannot be read, or an image has
            more objects than a map can number.
        ZorkiError: the disk is full, or the folder cannot be written; nothing is left then.
    """
    to = _writable(to, "instances")
    refuse_taken(out)
    with new_folder(out) as aside:
        members, lost = _members(data, to)
        draft = InstanceDraft(data, aside, _names(data), members, lost)
        place = cast(Place, _writer(to, "instances")(draft))
        draft.say("empty", "{} objects have no pixel: left out")
        if images is not None:
            _place_samples(data, members, draft.names, place, images)
    return draft.lost


def write_keypoints(data: Dataset[Keypoints], out: Path, to: str, *, images: str | None = "copy") -> list[str]:
    """Writes joints as `to` into the new folder `out`, and tells in words what that format cannot keep.

    Args:
        data: any dataset of joints.
        to: one of `formats.writable("keypoints")`.
        images: "copy", "link" (symbolic links to the originals), or None for the annotation alone.

    Raises:
        DataError: `out` is there and not empty, or `to` is none of the formats.
        ZorkiError: the disk is full, or the folder cannot be written; nothing is left then.
    """
    to = _writable(to, "keypoints")
    refuse_taken(out)
    with new_folder(out) as aside:
        members, lost = _members(data, to)
        draft = KeypointDraft(data, aside, _names(data), members, lost)
        place = cast(Place, _writer(to, "keypoints")(draft))
        if images is not None:
            _place_samples(data, members, draft.names, place, images)
    return draft.lost


def _place_samples(
    data: Dataset[Any], members: dict[str, list[int]], names: list[str], place: Place, images: str
) -> None:
    jobs = [(index, place(split, names[index])) for split, own in members.items() for index in own]
    for path in {path.parent for _, path in jobs}:
        path.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(COPIERS) as pool:
        list(pool.map(lambda job: place_image(data, job[0], job[1], images), jobs))


def write_masks(data: Dataset[Mask], out: Path, to: str, *, images: str | None = "copy") -> list[str]:
    """Writes masks of classes as `to` into the new folder `out`, and tells in words what that format cannot keep.

    mask_folders: train/images, train/masks, and so on. voc: JPEGImages, SegmentationClass and
    ImageSets/Segmentation. Masks are PNGs with a palette, the data's own where they have one (see `class_palette`):
    labels are indices, and what is ignored is 255. classes.txt names the classes. Images are copied as they are;
    those that are no files of their own, such as scenes, are written as PNG. An image is written into the first of
    its splits.

    Args:
        data: any dataset of masks.
        to: one of `formats.writable("masks")`.
        images: "copy", "link" (symbolic links to the originals), or None for the masks alone.

    Raises:
        DataError: `out` is there and not empty, `to` is none of the formats, there are more than 255 classes, or a
            sample cannot be read.
        ZorkiError: the disk is full, or the folder cannot be written; nothing is left then.
    """
    to = _writable(to, "masks")
    refuse_taken(out)
    if len(data.class_names) > IGNORE:
        raise DataError(f"{data.root}: {len(data.class_names)} classes, and masks of 8 bits tell {IGNORE} apart")
    with new_folder(out) as aside:
        members, lost = _members(data, to)
        draft = MaskDraft(data, aside, _names(data), members, lost)
        if strange := [split for split in members if split not in ORDER]:
            lost.append(f"readers know train, val and test, and take {', '.join(strange)} for no split")
        if void := [name for name in data.class_names if is_void(name)]:
            lost.append(f"a class called {void[0]!r} is read back as what is ignored")
        place = cast(Places, _writer(to, "masks")(draft))
        write_text(aside / "classes.txt", "".join(f"{' '.join(name.split())}\n" for name in data.class_names))
        write_samples(draft, images, place)
    return draft.lost


def _members(data: Dataset[Any], to: str) -> tuple[dict[str, list[int]], list[str]]:
    """Indices by split, each image in one, and what is lost by that."""
    members, outside, twice = members_of(data)
    lost = []
    if outside:
        lost.append(f"{outside} images are in no split, and {to} has no place for them: left out")
    if twice:
        lost.append(f"{twice} images are in several splits: each was written into the first")
    return members, lost


def _names(data: Dataset[Any]) -> list[str]:
    return unlike_names([file_name_of(data, index) for index in range(len(data))])


def _writable(word: str, kind: str) -> str:
    """The format that a word means. Raises DataError where such cannot be written to it."""
    name, only = formats.ALIASES.get(word, formats.Word(word))
    allowed = formats.writable(kind)
    if name not in allowed or only not in (None, kind):
        raise DataError(f"{word!r} is no format that can be written; expected one of {', '.join(allowed)}")
    return name


def _writer(format: str, kind: str) -> Callable[[Any], Any]:
    """The format's function `write_KIND`, from its module of that name, or from `write`."""
    return cast(Callable[[Any], Any], vars(formats.module_of(format, "write", kind))[f"write_{kind}"])
