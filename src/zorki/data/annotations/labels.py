"""Images with a class each: what formats of labels say, and the dataset that it becomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from zorki.class_selection import ClassSelection
from zorki.contracts import Dataset
from zorki.data.annotations.classes import map_classes, unseen_classes
from zorki.data.annotations.outside import outside_notes
from zorki.data.annotations.splits import complete_splits
from zorki.data.images import MAX_PIXELS, check_image, read_array, read_image
from zorki.errors import DataError
from zorki.types import ArraySample, Defect, Label, Sample


@dataclass
class LabelRecords:
    """What a format found: images and the name of the class of each, before labels are numbered.

    Args:
        folder: what `names` are relative to.
        names, classes: of each image, in one order.
        given: places in `names` by the data's own words for splits.
        order: all classes in order, those without an image too; None sorts those that are there by name.
        source: the file or folder that is named where a class is wrong.
        empty: folders of a class that hold no image, with its name.
        open_set: held-out splits that the data do not give are of whole classes, and classes that are not among those
            asked for follow them: what is learned has to serve for new ones.
    """

    root: Path
    folder: Path
    format: str
    reason: str
    names: list[str] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    given: dict[str, list[int]] = field(default_factory=dict)
    order: list[str] | None = None
    source: Path | None = None
    empty: list[tuple[Path, str]] = field(default_factory=list)
    defects: list[Defect] = field(default_factory=list)
    open_set: bool = False

    def build(
        self,
        class_names: Sequence[str] | None = None,
        max_pixels: int | None = None,
        selection: ClassSelection | None = None,
    ) -> Dataset[Label]:
        """The dataset of images in files. Raises DataError as `number_labels`."""
        found = number_labels(self, class_names, selection)
        names = [self.names[place] for place in found.kept]
        limit = MAX_PIXELS if max_pixels is None else max_pixels
        return LabelDataset(
            self.root, self.folder, self.format, self.reason, found.class_names, names, found.labels, found.splits,
            found.split_reason, found.defects, limit,
        )  # fmt: skip


@dataclass(frozen=True)
class NumberedLabels:
    """Records whose classes are numbered: which of their images are kept, their labels, and the splits of those."""

    kept: list[int]
    class_names: list[str]
    labels: list[int]
    splits: dict[str, list[int]]
    split_reason: str
    defects: list[Defect]


def number_labels(
    records: LabelRecords, class_names: Sequence[str] | None = None, selection: ClassSelection | None = None
) -> NumberedLabels:
    """Labels and splits of the images whose classes are kept.

    Raises:
        DataError: a class is not among `class_names`, or `selection` names one that the data do not have, or leaves
            no image.
    """
    source = records.source or records.root
    found = sorted(set(records.classes)) if records.order is None else records.order
    new = {name: name for name in found}
    kept = list(range(len(records.classes)))
    defects = [*records.defects, *outside_notes()]
    if selection:
        chosen = selection.new_names(found, source, strict=class_names is None)
        new = {name: after for name, after in chosen.items() if after is not None}
        kept = [place for place, name in enumerate(records.classes) if name in new]
        if not kept:
            raise DataError(f"{records.root}: no image is of the classes that are kept: {', '.join(new.values())}")
        if len(kept) < len(records.classes):
            count = len(records.classes) - len(kept)
            images = "1 image is" if count == 1 else f"{count} images are"
            defects.append(Defect(records.root, f"{images} of classes that the selection leaves out", note=True))
    present = {records.classes[place] for place in kept}
    names = [name for name in new if class_names is None or name in present]
    order = list(dict.fromkeys(new[name] for name in names))
    if records.open_set and class_names is not None:
        class_names = list(dict.fromkeys([*class_names, *order]))
    order = map_classes(order, class_names, source)
    numbers = {name: label for label, name in enumerate(order)}
    labels = [numbers[new[records.classes[place]]] for place in kept]
    places = {old: place for place, old in enumerate(kept)}
    given = {word: [places[old] for old in olds if old in places] for word, olds in records.given.items()}
    units = records.classes if records.open_set else records.names
    splits, split_reason = complete_splits(
        given, [units[place] for place in kept], unit="class" if records.open_set else "file"
    )
    defects += [_empty(folder, new.get(name, name) in order) for folder, name in records.empty]
    if not records.open_set:
        defects += unseen_classes(source, order, labels, splits)
    return NumberedLabels(kept, order, labels, splits, split_reason, defects)


def _empty(folder: Path, is_class: bool) -> Defect:
    reason = "the class folder holds no image"
    return Defect(folder, reason if is_class else f"{reason}; the class was left out", note=is_class)


@dataclass
class LabelDataset(Dataset[Label]):
    """Images in files, and one class each. `names` are paths relative to `folder`, or absolute ones."""

    root: Path
    folder: Path
    format: str
    reason: str
    class_names: list[str]
    names: list[str]
    labels: list[int]
    splits: dict[str, list[int]]
    split_reason: str
    defects: list[Defect] = field(default_factory=list)
    max_pixels: int = MAX_PIXELS

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample[Label]:
        return self.read_reduced(index, None)

    def read_reduced(self, index: int, shorter_side: int | None) -> Sample[Label]:
        """The sample, a JPEG decoded at a part of its size; see `read_image`. Raises DataError."""
        path = self.path(index)
        image = read_image(path, max_pixels=self.max_pixels, shorter_side=shorter_side)
        return Sample(image, self.target(index), path)

    def arrays(self, index: int) -> ArraySample:
        path = self.path(index)
        return ArraySample(read_array(path, max_pixels=self.max_pixels), self.target(index), path)

    def target(self, index: int) -> Label:
        return Label(self.labels[index])

    def path(self, index: int) -> Path:
        return self.folder / self.names[index]

    def check(self, index: int) -> Defect | None:
        reason = check_image(self.path(index), self.max_pixels)
        return None if reason is None else Defect(self.path(index), reason)
