"""A map of numbers for each image: 0 for the background, another number for each object.

    train/images/1.png   train/labels/1.png        or images/ and masks/ and their like, see `mask_layouts`

Of 8 or 16 bits, or TIFF. All objects are of one class, since nothing tells classes apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from zorki.data.annotations.instances.label_maps import (
    VOID,
    InstanceMap,
    MapInstance,
    in_one_piece,
    numbers_in,
    objects_in,
    read_numbers,
    scattered,
)
from zorki.data.annotations.listing import loose_files
from zorki.data.annotations.masks.class_names import COLOR_FILES, NAME_FILES
from zorki.data.annotations.masks.dataset import other_size
from zorki.data.annotations.masks.layout import MaskFolders, MaskLayout, find_layout
from zorki.data.annotations.masks.levels import is_smeared, percent
from zorki.data.annotations.masks.pairing import pair
from zorki.data.annotations.masks.stored import read_stored
from zorki.data.annotations.masks.value_counts import ValueCounts
from zorki.data.annotations.records import ImageRecord, ObjectRecord, Records
from zorki.data.formats.probe import Probe
from zorki.data.images import image_size
from zorki.errors import DataError
from zorki.types import Defect

EXPECTED = "folders such as images and labels, with a PNG of 16 bits for each image that numbers its objects from 1"

ONE_CLASS = "object"
"""The class of all objects."""

_PROBE_FILES = 8  # maps that are looked at to tell numbers of objects from numbers of classes
_MIN_OBJECTS = 8  # objects that they must hold
_SHARE = 0.95  # of them that must be in one piece
_READERS = 8  # threads: decoders work side by side
_CROWDED = 250  # objects beyond which 8 bits look too few


def probe(root: Path) -> Probe:
    """Whether `root` is of this format, and why or why not."""
    layout = find_layout(root)
    return Probe.no(layout) if isinstance(layout, str) else _numbers(layout)


def read(root: Path, images: Path | None = None) -> Records:
    """What the maps say; `images` is for likeness with other formats.

    Raises:
        DataError: there is no pair, or the maps are smeared masks of black and white, whose shades number nothing.
    """
    layout = find_layout(root)
    if isinstance(layout, str):
        raise DataError(f"{root}: {layout}; expected {EXPECTED}")
    fit = _numbers(layout)
    reason = fit.reason if fit.fits else "as asked for"
    records = Records(root, "label_map_png", reason, [], [layout.folder], class_names=[ONE_CLASS], classless=True)
    void = maps = pixels = 0
    looks: dict[Path, ValueCounts] = {}
    for part in layout.parts:
        for image, mask, found in _read_part(part, records.defects):
            records.reported |= {image, mask}
            own = part.split_of(image, mask)
            records.defects += found.defects
            if found.image is None:
                continue
            looks |= {} if found.look is None else {mask: found.look}
            void, maps, pixels = void + found.void, maps + (found.void > 0), pixels + found.pixels
            if own is not None:
                split = "train" if own == "trainval" else own
                records.given.setdefault(split, []).append(len(records.images))
            records.images.append(found.image)
    if looks and is_smeared(looks) and not _mostly_whole(list(looks)[:_PROBE_FILES]):
        raise DataError(
            f"{root}: the maps are black and white with shades between, as after scaling or from JPEGs: masks of a "
            "class for semantic segmentation, and no numbers of objects. Export maps of numbers, without loss"
        )
    if void:
        some = "1 map of 8 bits has" if maps == 1 else f"{maps} maps of 8 bits have"
        reason = f"{some} pixels of {VOID}, {percent(void, pixels)} of all, which is ignored; taken for background"
        records.defects.append(Defect(layout.folder, reason, note=True))
    records.defects += [Defect(folder, "left out: its images have no maps") for folder in layout.bare]
    return records


def _mostly_whole(paths: Sequence[Path]) -> bool:
    """Whether most numbers of some maps stand for one piece each, as those of small objects do and shades do not."""
    maps = [read_numbers(path).values for path in paths]
    whole = [in_one_piece(values, thing) for values in maps for thing in objects_in(values)]
    return 2 * sum(whole) > len(whole)


@dataclass
class _Found:
    """An image with its objects, None where it cannot be used, and what is odd about it."""

    image: ImageRecord | None = None
    void: int = 0
    pixels: int = 0
    look: ValueCounts | None = None  # of maps of 8 bits
    defects: list[Defect] = field(default_factory=list)


def _read_part(part: MaskFolders, defects: list[Defect]) -> list[tuple[Path, Path, _Found]]:
    """Every image with its map, and what was found in that."""
    pairing = pair(*part.files())
    if bare := pairing.bare_masks:
        count = f"1 map ({bare[0]}) has" if len(bare) == 1 else f"{len(bare)} maps ({bare[0]}, ...) have"
        defects.append(Defect(part.masks, f"{count} no image; left out"))
    paths = [(part.images / image, part.masks / mask) for image, mask in pairing.pairs]
    with ThreadPoolExecutor(_READERS) as pool:
        found = pool.map(lambda pair: _read_map(*pair), paths)
    return [(*pair, one) for pair, one in zip(paths, found, strict=True)]


def _read_map(image: Path, path: Path) -> _Found:
    try:
        numbers, size = read_numbers(path), image_size(image)
    except DataError as error:
        where = path if str(error).startswith(str(path)) else image
        reason = str(error).removeprefix(f"{where}: ")
        return _Found(defects=[Defect(where, f"{reason}; image and map were left out")])
    if size != numbers.values.shape:
        return _Found(defects=[Defect(path, f"{other_size(size, numbers.values.shape)}; both were left out")])
    things = objects_in(numbers.values)
    found = ImageRecord(image.name, path, path=image, height=size[0], width=size[1])
    for thing in things:
        outline = {"size": list(size), "counts": thing.text.decode()}
        found.objects.append(ObjectRecord(ONE_CLASS, thing.xyxy, segments=outline))
    notes = [Defect(path, reason, note=True) for reason in _notes(numbers, things)]
    return _Found(found, numbers.void, numbers.values.size, _look_at(numbers, size), notes)


def _look_at(numbers: InstanceMap, size: tuple[int, int]) -> ValueCounts | None:
    """The values of a map of 8 bits as they are stored."""
    if not numbers.narrow:
        return None
    found = np.bincount(numbers.values.ravel(), minlength=VOID + 1)
    found[[0, VOID]] += [-numbers.void, numbers.void]
    present = np.flatnonzero(found).tolist()
    return ValueCounts(size, size, dict(zip(present, found[present].tolist(), strict=True)))


def _notes(numbers: InstanceMap, things: Sequence[MapInstance]) -> Iterator[str]:
    """What is odd about a map."""
    if numbers.void and not things:
        yield f"it holds nothing but {VOID}, which is ignored: a mask of a class, it seems, and no numbers"
    if numbers.narrow and len(things) >= _CROWDED and things[-1].number == 255:
        yield f"it has 8 bits and {len(things)} objects: more were cut off, it seems; write maps of 16 bits"
    far = list(scattered(numbers.values, things))
    if far:
        thing, count, gap = far[0]
        more = f", and {len(far) - 1} other numbers likewise" if len(far) > 1 else ""
        yield (
            f"number {thing.number} is in {count} parts, up to {gap} pixels apart{more}: it may stand for several "
            "objects; it was taken for one"
        )


def _numbers(layout: MaskLayout) -> Probe:
    """A look at some maps: 16 bits number objects; so do fewer where numbers have no gaps and stand for one piece each.

    A class lies about in pieces, and seldom all smaller numbers with it. A file that names classes speaks for them.
    """
    named = next((name for name in loose_files(layout.folder) if name.lower() in (*NAME_FILES, *COLOR_FILES)), None)
    paths = []
    for part in layout.parts:
        pairs = pair(*part.files()).pairs
        step = max(1, len(pairs) * len(layout.parts) // _PROBE_FILES)
        paths += [part.masks / mask for _, mask in pairs[::step]]
    whole = total = most = 0
    broken: list[str] = []
    for path in paths[:_PROBE_FILES]:
        try:
            stored = read_stored(path)
        except DataError as error:  # to be told when all are read; the others show what they are
            broken.append(str(error))
            continue
        try:
            found = numbers_in(stored, path)
        except DataError as error:
            return Probe.no(str(error))
        values, things = found.values, objects_in(found.values)
        if not found.narrow:
            return Probe.yes(f"it holds maps of 16 bits that number objects, such as {path.name}")
        if named is not None:
            reason = f"{named} names classes, and maps of 8 bits beside it hold these"
            return Probe.no(f"{reason}; --format label_map_png takes them for objects")
        if things and things[-1].number != len(things):
            return Probe.no(f"{path}: the numbers of objects have gaps, as those of classes do")
        whole += sum(in_one_piece(values, thing) for thing in things)
        total += len(things)
        most = max(most, len(things))
    if broken and len(broken) == len(paths[:_PROBE_FILES]):
        return Probe.no(broken[0])
    if total < _MIN_OBJECTS or whole < _SHARE * total:
        reason = f"of {total} numbers in {len(paths[:_PROBE_FILES])} maps of 8 bits, {whole} stand for one piece each"
        if not total:
            reason = f"{len(paths[:_PROBE_FILES])} maps of 8 bits have no number but 0 and 255"
        return Probe.no(f"{reason}: they may be classes; --format label_map_png takes them for objects")
    if most < 2:
        reason = f"{len(paths[:_PROBE_FILES])} maps of 8 bits hold one number each beside 0, as masks of one class do"
        return Probe.no(f"{reason}; --format label_map_png takes it for an object")
    return Probe.yes(f"it holds maps that number objects, one piece each, such as {paths[0].name}")
