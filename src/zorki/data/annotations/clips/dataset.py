"""Clips of films, and one class each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from zorki.contracts import Dataset
from zorki.data.annotations.clips.clip_record import ClipRecord
from zorki.data.annotations.clips.groups import group_of, refuse_torn, torn_groups
from zorki.data.annotations.splits import complete_splits
from zorki.data.images import MAX_PIXELS
from zorki.data.video.films import check_film, open_film
from zorki.errors import DataError, did_you_mean
from zorki.types import ArraySample, Defect, Label, Sample


class ClipDataset(Dataset[Label]):
    """Films, which are decoded where somebody asks for frames, with a class each. Picklable.

    Args:
        given: clips by the data's own words for splits; where some are missing, whole groups are held out.
        group: what clips of one group have in common, see `group_of`; None: what data and names tell. Where it is
            given, groups that the data's splits tear apart are held out anew, as a whole.
        held_out: the only group in test; all others are in train, and val is empty.

    Raises:
        DataError: clips of one group are on both sides of a split, or no clip is of the group to be held out.
    """

    def __init__(
        self,
        root: Path,
        format: str,
        reason: str,
        class_names: list[str],
        clips: Sequence[ClipRecord],
        labels: Sequence[int],
        given: Mapping[str, Sequence[int]],
        defects: list[Defect],
        max_pixels: int = MAX_PIXELS,
        *,
        group: str | None = None,
        held_out: str | None = None,
    ) -> None:
        self.root, self.format, self.reason = root, format, reason
        self.class_names, self.defects = class_names, defects
        self.clips, self.labels, self.max_pixels = clips, labels, max_pixels
        self._given = given
        self._group = group
        self._groups = [group_of(clip, group) for clip in clips]
        self.splits, self.split_reason = self._split(held_out)

    @property
    def has_own_splits(self) -> bool:
        """Whether the data themselves name splits."""
        return bool(self._given)

    def _split(self, held_out: str | None) -> tuple[dict[str, list[int]], str]:
        if held_out is not None:
            return self._held_out(held_out)
        given, groups = self._given, self._groups
        if self._group not in (None, "none") and torn_groups(groups, given):
            given = {}
        refuse_torn(self.root, groups, given, lambda index: self.clips[index].key)
        splits, why = complete_splits(given, groups, unit="film" if len(set(groups)) == len(groups) else "group")
        return splits, f"{why}; {len(set(groups))} groups of {len(groups)} clips"

    def _held_out(self, group: str) -> tuple[dict[str, list[int]], str]:
        if group not in self._groups:
            there = sorted(set(self._groups))
            raise DataError(
                f"{self.root}: no clip is of the group {group!r}; there are {', '.join(there[:10])}"
                f"{', ...' if len(there) > 10 else ''}.{did_you_mean(group, there)}"
            )
        members = [index for index, own in enumerate(self._groups) if own == group]
        others = [index for index, own in enumerate(self._groups) if own != group]
        return {"train": others, "test": members}, f"test: the group {group}, {len(members)} clips; train: all others"

    def groups(self) -> list[str]:
        """What each clip has in common with others; see `group_of`."""
        return list(self._groups)

    def regrouped(self, group: str | None) -> ClipDataset:
        """The same with groups by what the user says. Raises as the class."""
        return self._again(group, None)

    def hold_out(self, group: str) -> ClipDataset:
        """The same with this group as test, and all others as train. Raises DataError where there is none."""
        return self._again(self._group, group)

    def _again(self, group: str | None, held_out: str | None) -> ClipDataset:
        return ClipDataset(
            self.root, self.format, self.reason, self.class_names, self.clips, self.labels, self._given, self.defects,
            self.max_pixels, group=group, held_out=held_out,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> Sample[Label]:
        """The film, of which no frame is decoded yet."""
        clip = self.clips[index]
        return Sample(open_film(clip.path, clip.start, clip.end, self.max_pixels), self.target(index), clip.path)

    def arrays(self, index: int) -> ArraySample:
        return self[index].numpy()

    def target(self, index: int) -> Label:
        return Label(self.labels[index])

    def path(self, index: int) -> Path:
        return self.clips[index].path

    def check(self, index: int) -> Defect | None:
        reason = check_film(self.clips[index].path, self.max_pixels)
        return None if reason is None else Defect(self.clips[index].path, reason)

    def mark(self, index: int) -> str:
        """Class and part."""
        return f"{self.clips[index].key} {self.labels[index]}"
