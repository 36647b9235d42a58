"""What a file of boxes says, as it says it: plain records, before images are looked for and boxes are checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import isfinite, nan
from pathlib import Path
from typing import Any

from zorki.class_selection import ClassSelection, class_order
from zorki.types import Defect, Skeleton


def bounds_of(points: Sequence[float]) -> tuple[float, float, float, float]:
    """The upright box around points x, y, x, y, ...; of not-a-numbers where any value is not finite.

    Least and greatest would pass over a not-a-number or not, by its place.
    """
    if not all(map(isfinite, points)):
        return nan, nan, nan, nan
    xs, ys = points[0::2], points[1::2]
    return min(xs), min(ys), max(xs), max(ys)


@dataclass(slots=True)
class ObjectRecord:
    """One object as it stands in the file.

    `xyxy` is in pixels, or in shares of width and height where the records are `relative`. `segments` is the outline
    as found: a list of polygons [x, y, x, y, ...] in pixels, COCO's RLE {"counts", "size"}, or `DrawnShape` until the
    image's size is known; see `outlines`. `identity` is COCO's annotation id, `area` its area in pixels, by which it
    counts as small or large. `joints` are (x, y, COCO's flag) of each joint, in the units of the box; where the data
    have no boxes, the box is the one around the labeled joints, and `boxless` says so.
    """

    class_name: str
    xyxy: tuple[float, float, float, float]
    crowd: bool = False
    difficult: bool = False
    line: int | None = None
    segments: Any = None
    identity: int | None = None
    area: float | None = None
    joints: Sequence[tuple[float, float, float]] | None = None
    boxless: bool = False


@dataclass(slots=True)
class ImageRecord:
    """One image as the file names it, and what is on it.

    `path` is where it lies, where the format knows; otherwise it is looked for by `name`, then by `other_name`.
    `source` is the file that tells about it. `embedded` images lie inside of `source`, in base 64.
    """

    name: str
    source: Path
    objects: list[ObjectRecord] = field(default_factory=list)
    height: int | None = None
    width: int | None = None
    path: Path | None = None
    other_name: str | None = None
    line: int | None = None
    image_id: int | str | None = None
    embedded: bool = False


@dataclass
class Records:
    """All that a dataset says about its boxes.

    Args:
        folders: where images are looked for, best first; below them too.
        given: places in `images` by the data's own words for splits.
        class_names: in the order that the format states; None where it states none, and they are sorted by name.
        category_ids: the numbers that the format gives classes, by name.
        relative: boxes are in shares of the image.
        boxes_are_shapes: a box without an outline was drawn as a rectangle, and is its own outline.
        classless: the format knows no classes: all objects are of one, whose name a run may choose.
        unlabeled: places of images of which the format says nothing, and which it so takes for background.
        told: images, and files that look like some, of which it is known why they are not among `images`.
        skeletons: of classes whose objects have joints, by name.
        line_of: finds the line of an object whose `line` is None, for messages.
    """

    root: Path
    format: str
    reason: str
    images: list[ImageRecord]
    folders: Sequence[Path]
    given: dict[str, list[int]] = field(default_factory=dict)
    class_names: Sequence[str] | None = None
    category_ids: dict[str, int] | None = None
    relative: bool = False
    boxes_are_shapes: bool = False
    classless: bool = False
    defects: list[Defect] = field(default_factory=list)
    unlabeled: list[int] = field(default_factory=list)
    reported: set[Path] = field(default_factory=set)
    skeletons: dict[str, Skeleton] = field(default_factory=dict)
    line_of: Callable[[ImageRecord, ObjectRecord], int | None] | None = None

    def select(self, selection: ClassSelection, *, strict: bool) -> None:
        """Renames, merges and leaves out classes; what is left out is counted in a note. Raises DataError."""
        there = dict.fromkeys(thing.class_name for image in self.images for thing in image.objects)
        listed = sorted(there) if self.class_names is None else list(dict.fromkeys([*self.class_names, *there]))
        new = selection.new_names(listed, self.root, strict=strict)
        count = 0
        for image in self.images:
            kept = [thing for thing in image.objects if new[thing.class_name] is not None]
            count += len(image.objects) - len(kept)
            for thing in kept:
                thing.class_name = new[thing.class_name] or ""
            image.objects = kept
        if self.class_names is not None:
            self.class_names = class_order({name: new[name] for name in self.class_names})
        if self.category_ids is not None:
            numbers: dict[str, int] = {}
            for name, number in self.category_ids.items():
                if (after := new.get(name)) is not None:
                    numbers[after] = min(number, numbers.get(after, number))
            self.category_ids = numbers
        self.skeletons = {after: one for name, one in self.skeletons.items() if (after := new.get(name)) is not None}
        if count:
            objects = "1 object is" if count == 1 else f"{count} objects are"
            reason = f"{objects} of classes that the selection leaves out; images without others are background"
            self.defects.append(Defect(self.root, reason, note=True))

    def judge_unlabeled(self, *, skip: bool) -> None:
        """Keeps images without an annotation as background, or leaves them out; either is told."""
        if not self.unlabeled:
            return
        first, count = self.images[self.unlabeled[0]], len(self.images)
        some = "1 image has" if len(self.unlabeled) == 1 else f"{len(self.unlabeled)} of {count} images have"
        done = "left out" if skip else "taken as background; --unlabeled skip leaves such images out"
        where = first.path or first.source
        reason = f"{some} no file of labels, {where.name} first; {done}"
        self.defects.append(Defect(where.parent, reason, note=True))
        if skip:
            bare = set(self.unlabeled)
            self.reported |= {path for place in bare if (path := self.images[place].path) is not None}
            new = {old: place for place, old in enumerate(old for old in range(count) if old not in bare)}
            self.images = [self.images[old] for old in new]
            self.given = {split: [new[old] for old in olds if old in new] for split, olds in self.given.items()}
            self.unlabeled = []

    def rename_class(self, name: str) -> None:
        """Calls the only class of the records by another name."""
        self.class_names = [name]
        for image in self.images:
            for thing in image.objects:
                thing.class_name = name
