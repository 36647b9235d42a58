"""From records to a dataset: images found, boxes checked, classes and splits put in order, all defects told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from zorki.data.annotations.boxes.columns import BoxColumns, RowReader
from zorki.data.annotations.boxes.dataset import BoxDataset
from zorki.data.annotations.classes import map_classes
from zorki.data.annotations.find_images import ImageFinder
from zorki.data.annotations.listing import is_image, loose_files
from zorki.data.annotations.outside import outside_notes
from zorki.data.annotations.records import ImageRecord, Records
from zorki.data.annotations.split_notes import split_notes
from zorki.data.annotations.splits import ORDER, complete_splits, split_name
from zorki.data.images import MAX_PIXELS, image_size
from zorki.errors import DataError
from zorki.input_files.content import is_file
from zorki.types import Defect

Array = np.ndarray[Any, np.dtype[Any]]

_READERS = 8  # threads that read headers: they wait for the disk, not for the processor


@dataclass(frozen=True)
class ReadOptions:
    """What every reader of boxes is asked for, beside its folder.

    Args:
        class_names: fixes the labels' order (a run's).
        max_pixels: larger images are refused when they are read.
        need_images: without, no image needs to be there, to evaluate detections; those that are give the same names,
            and so the same held-out images, as in training.
        need_segments: outlines are kept too.
        images: a folder where the images lie, if not where the format has them.
        notes: what else was seen at the root; it is told last.
    """

    class_names: Sequence[str] | None = None
    max_pixels: int | None = None
    need_images: bool = True
    need_segments: bool = False
    images: Path | None = None
    notes: Sequence[Defect] = ()


def build(records: Records, options: ReadOptions, tracer: RowReader | None = None) -> BoxDataset:
    """The dataset that the records tell of; with a `tracer`, of the objects in which it finds what it reads.

    Raises:
        DataError: none of the images is there, no box is left, or none is of a class among `class_names`.
    """
    defects = list(records.defects)
    places = _locate(records, options, defects)
    sizes = _measure(records, places, options, defects)
    kept = sorted(sizes)
    order = _class_order(records, options.class_names)
    rows = BoxColumns.of(records, kept, sizes, {name: label for label, name in enumerate(order)})
    chosen = rows.check(records, order, defects)
    if tracer is not None:
        chosen = tracer.trace(rows, chosen, records, defects)
    if len(chosen) == 0:
        raise _no_box(records, defects, tracer)
    folder = records.root if records.root.is_dir() else records.root.parent
    names = [_name(places[place], records.images[place], folder) for place in kept]
    # Held-out images are drawn by their paths: where no image is there, nobody knows what training held out.
    paths_known = any(path is not None for path in places.values())
    splits, split_reason = _splits(records, kept, names, defects, paths_known)
    data = _assemble(records, rows, chosen, kept)
    if options.need_images:  # nothing is trained on boxes without images
        defects += _unseen(records.root, order, data, splits)
    return BoxDataset(
        records.root, folder, records.format, records.reason, order, names,
        sizes=np.array([sizes[place] for place in kept], np.int32).reshape(-1, 2), splits=splits,
        split_reason=split_reason, category_ids=_category_ids(records, order), image_ids=_image_ids(records, kept),
        segments=rows.segments(chosen, records, defects) if options.need_segments else None,
        embedded=frozenset(new for new, old in enumerate(kept) if records.images[old].embedded),
        defects=[*defects, *options.notes],
        max_pixels=MAX_PIXELS if options.max_pixels is None else options.max_pixels, **data,
    )  # fmt: skip


def _locate(records: Records, options: ReadOptions, defects: list[Defect]) -> dict[int, Path | None]:
    """Where each image lies, by its place in the records; those that are missing, or there twice, are left out."""
    folders = [*([options.images] if options.images else []), *records.folders]
    finder = ImageFinder(folders)
    if not options.need_images:
        places = {place: _path(finder, image) for place, image in enumerate(records.images)}
        defects += outside_notes()
        return places
    found: dict[int, Path | None] = {}
    owners: dict[Path, int] = {}
    missing: list[Defect] = []
    for place, image in enumerate(records.images):
        path = _path(finder, image)
        boxes = _boxes(len(image.objects))
        if path is None:
            reason = f"there is no image {image.name!r}; its {boxes} left out"
            missing.append(Defect(image.source, reason, image.line))
        elif path in owners:
            before = records.images[owners[path]]
            reason = f"{path.name} was annotated before, in {_place(before)}; these {boxes} left out"
            defects.append(Defect(image.source, reason, image.line))
        else:
            found[place], owners[path] = path, place
    if not records.images:
        raise DataError(f"{records.root}: read as {records.format}, and no image is told of{_first(defects)}")
    if not found:
        searched_folders = ", ".join(map(str, finder.folders)) or "no folder that is there"
        raise DataError(
            f"{records.root}: none of the {len(records.images)} images that it tells of, such as "
            f"{records.images[0].name!r} is there; looked in {searched_folders}. Put the images there, or beside their "
            "annotation"
        )
    defects += [*missing, *outside_notes()]
    defects += _other_suffixes(records, found)
    defects += _unlabeled(list(owners), records.reported)
    return found


def _other_suffixes(records: Records, found: Mapping[int, Path | None]) -> list[Defect]:
    """A note where images have another suffix than the annotation says, which may be other images."""
    others = []
    for place, path in found.items():
        image = records.images[place]
        named = image.name if is_image(image.name) else image.other_name or ""
        if path is not None and not image.embedded and is_image(named):
            suffixes = {PurePosixPath(name.lower()).suffix.replace(".jpeg", ".jpg") for name in (named, path.name)}
            others += [(named, path)] if len(suffixes) > 1 else []
    if not others:
        return []
    count = "1 image has" if len(others) == 1 else f"{len(others)} images have"
    named, path = PurePosixPath(others[0][0]).name, others[0][1]
    reason = f"{count} another suffix than the annotation says, {named!r} first: {path} was taken for it"
    return [Defect(records.root, reason, note=True)]


def _path(finder: ImageFinder, image: ImageRecord) -> Path | None:
    if image.embedded:
        return image.source
    if image.path is not None:
        return image.path if is_file(image.path) else None
    near = image.source.parent
    return finder.find(image.name, near) or (finder.find(image.other_name, near) if image.other_name else None)


def _place(image: ImageRecord) -> str:
    return str(image.source) if image.line is None else f"{image.source}:{image.line}"


def _unlabeled(paths: Sequence[Path], reported: set[Path]) -> list[Defect]:
    """A defect for each folder in which images lie of which nothing is said, beside others of which something is."""
    names_by_folder: dict[Path, set[str]] = {}
    for path in paths:
        names_by_folder.setdefault(path.parent, set()).add(path.name)
    defects = []
    for folder, names in names_by_folder.items():
        bare = [name for name in loose_files(folder) if is_image(name) and name not in names]
        bare = [name for name in bare if folder / name not in reported]
        if bare:
            count = f"1 image ({bare[0]}) has" if len(bare) == 1 else f"{len(bare)} images ({bare[0]}, ...) have"
            reason = f"{count} no annotation, and {len(names)} beside have one; left out, since it may hold anything"
            defects.append(Defect(folder, reason))
    return defects


def _measure(
    records: Records, places: dict[int, Path | None], options: ReadOptions, defects: list[Defect]
) -> dict[int, tuple[int, int]]:
    """(height, width) of each image: as stated, or by its header; (0, 0) where it is not known and not needed."""
    stated = {place: (records.images[place].height or 0, records.images[place].width or 0) for place in places}
    unknown = [place for place, size in stated.items() if min(size) <= 0]
    if unknown and not options.need_images and records.relative:
        image = records.images[unknown[0]]
        raise DataError(
            f"{image.source}: boxes are given in shares of the images, and without these "
            f"({image.name!r}) their pixels are not known; read them with their images"
        )
    with ThreadPoolExecutor(_READERS) as pool:
        for place, size in zip(unknown, pool.map(lambda place: _header(places[place]), unknown), strict=True):
            if isinstance(size, str):
                defects.append(Defect(places[place] or records.images[place].source, f"{size}; left out"))
                del stated[place]
            else:
                stated[place] = size
    return stated


def _header(path: Path | None) -> tuple[int, int] | str:
    """The size that a file's header tells, or why it cannot be read."""
    if path is None or not is_image(path.name):
        return 0, 0
    try:
        return image_size(path)
    except DataError as error:
        return str(error).removeprefix(f"{path}: ")


def _class_order(records: Records, class_names: Sequence[str] | None) -> list[str]:
    found = {thing.class_name for image in records.images for thing in image.objects}
    if class_names is None:
        return sorted(found) if records.class_names is None else list(records.class_names)
    if found and not found & set(class_names):
        map_classes(sorted(found), class_names, records.root)
    return list(class_names)


def _category_ids(records: Records, order: Sequence[str]) -> list[int]:
    """COCO's numbers of the classes; classes that the data do not know get numbers that none has."""
    if not records.category_ids:
        return [label + 1 for label in range(len(order))]
    free = max(records.category_ids.values()) + 1
    return [records.category_ids.get(name, free + label) for label, name in enumerate(order)]


def _image_ids(records: Records, kept: Sequence[int]) -> list[int] | None:
    ids = [records.images[place].image_id for place in kept]
    return [int(one) for one in ids if one is not None] if all(isinstance(one, int) for one in ids) else None


def _name(path: Path | None, image: ImageRecord, folder: Path) -> str:
    if path is None:
        return image.name.replace("\\", "/")
    return (path.relative_to(folder) if path.is_relative_to(folder) else path.absolute()).as_posix()


def _splits(
    records: Records, kept: Sequence[int], names: Sequence[str], defects: list[Defect], may_hold_out: bool
) -> tuple[dict[str, list[int]], str]:
    new = {old: place for place, old in enumerate(kept)}
    given = {word: sorted({new[old] for old in olds if old in new}) for word, olds in records.given.items()}
    splits, reason = complete_splits(given, names) if may_hold_out else _as_given(given, len(names))
    defects += split_notes(records.root, splits, names)
    return splits, reason


def _as_given(given: dict[str, list[int]], count: int) -> tuple[dict[str, list[int]], str]:
    """The splits that the data state, and nothing held out of them."""
    if not given:
        return {"all": list(range(count))}, "all: the annotation tells no splits, and no image is there"
    joined: dict[str, list[int]] = {}
    for word, indices in given.items():
        joined.setdefault(split_name(word) or word, []).extend(indices)
    splits = {word: sorted(joined[word]) for word in ORDER if word in joined}
    return splits, "as the data give them; no image is there"


def _assemble(records: Records, rows: BoxColumns, chosen: Array, kept: Sequence[int]) -> dict[str, Any]:
    """The arrays of the boxes that stay."""
    things = [rows.objects[row] for row in chosen.tolist()]
    counts = np.bincount(rows.owners[chosen], minlength=len(kept))
    xyxy = rows.xyxy[chosen].astype(np.float32)
    side = xyxy[:, 2:] - xyxy[:, :2]
    crowd = np.array([thing.crowd for thing in things], bool)
    difficult = np.array([thing.difficult for thing in things], bool)
    identities = [thing.identity for thing in things]
    areas = side[:, 0] * side[:, 1]
    for place, thing in enumerate(things):
        if thing.area is not None:
            areas[place] = thing.area
    return {
        "xyxy": xyxy,
        "labels": rows.labels[chosen].astype(np.int32),
        "offsets": np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        "crowd": crowd if crowd.any() else None,
        "difficult": difficult if difficult.any() else None,
        "areas": areas if any(thing.area is not None for thing in things) else None,
        "annotation_ids": None if any(one is None for one in identities) else np.array(identities, np.int64),
    }


def _unseen(root: Path, order: Sequence[str], data: dict[str, Any], splits: dict[str, list[int]]) -> list[Defect]:
    """A defect for each class with boxes in another split than train, where there is one, and none in train."""
    if "train" not in splits:
        return []
    offsets, labels = data["offsets"], data["labels"]
    counts = {
        split: Counter(label for index in indices for label in labels[offsets[index] : offsets[index + 1]].tolist())
        for split, indices in splits.items()
    }
    return [
        Defect(
            root, f"class {order[label]!r} has {_boxes(counts[split][label])} in {split} and none in train", note=True
        )
        for split in splits
        if split != "train"
        for label in sorted(set(counts[split]) - set(counts["train"]))
    ]


def _no_box(records: Records, defects: Sequence[Defect], tracer: RowReader | None) -> DataError:
    count = len(records.images)
    thing = "box" if tracer is None else tracer.noun
    boxes = f" ({_boxes(tracer.bare)} without, which detection can learn)" if tracer and tracer.bare else ""
    return DataError(
        f"{records.root}: no {thing} in the data: {count} image{'' if count == 1 else 's'} read as {records.format}, "
        f"and none with a usable {thing}{boxes}{_first(defects)}"
    )


def _first(defects: Sequence[Defect]) -> str:
    """The first of them for the end of a message, each on a line of its own."""
    return "".join([":" if defects else "", *(f"\n  {defect}" for defect in defects[:3])])


def _boxes(count: int) -> str:
    return "1 box" if count == 1 else f"{count} boxes"
