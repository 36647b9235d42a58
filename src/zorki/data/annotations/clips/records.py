"""What a format says of clips and their classes, before labels are numbered and splits made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from zorki.class_selection import ClassSelection
from zorki.data.annotations.clips.clip_record import ClipRecord
from zorki.data.annotations.clips.dataset import ClipDataset
from zorki.data.annotations.clips.groups import group_of
from zorki.data.annotations.labels import LabelRecords, number_labels
from zorki.data.images import MAX_PIXELS
from zorki.types import Defect


@dataclass
class ClipRecords:
    """What a format found: clips and the name of the class of each.

    Args:
        clips, classes: of each clip, in one order.
        given: places in `clips` by the data's own words for splits.
        order: all classes in order; None sorts those that are there by name.
        source: the file or folder that is named where a class is wrong.
        empty: folders of a class that hold no clip, with its name.
    """

    root: Path
    format: str
    reason: str
    clips: list[ClipRecord] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    given: dict[str, list[int]] = field(default_factory=dict)
    order: list[str] | None = None
    source: Path | None = None
    empty: list[tuple[Path, str]] = field(default_factory=list)
    defects: list[Defect] = field(default_factory=list)

    def build(
        self,
        class_names: Sequence[str] | None = None,
        max_pixels: int | None = None,
        selection: ClassSelection | None = None,
    ) -> ClipDataset:
        """The dataset, its splits those of the data, or of whole groups as their names tell them.

        Raises:
            DataError: as `number_labels`; or clips of one film are on both sides of a split.
        """
        groups = [group_of(clip, None) for clip in self.clips]  # what is held out by name is held out by group
        labels = LabelRecords(
            self.root, self.root, self.format, self.reason, groups, self.classes, self.given, self.order, self.source,
            self.empty, self.defects,
        )  # fmt: skip
        found = number_labels(labels, class_names, selection)
        places = {old: place for place, old in enumerate(found.kept)}
        given = {word: [places[old] for old in olds if old in places] for word, olds in self.given.items()}
        return ClipDataset(
            self.root, self.format, self.reason, found.class_names, [self.clips[place] for place in found.kept],
            found.labels, given, found.defects, MAX_PIXELS if max_pixels is None else max_pixels,
        )  # fmt: skip
