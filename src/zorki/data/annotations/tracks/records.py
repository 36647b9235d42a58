"""What the files of a format say of sequences and the objects in them, and the dataset that becomes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from zorki.data.annotations.splits import complete_splits, split_name
from zorki.data.annotations.tracks.dataset import TrackDataset, TrackRecord
from zorki.data.images import MAX_PIXELS
from zorki.errors import DataError
from zorki.types import Defect


@dataclass
class TrackRecords:
    """The sequences of a dataset; of a benchmark `split` is what all of them are for where nothing else is said."""

    root: Path
    format: str
    reason: str
    tracks: list[TrackRecord]
    split: str = ""
    defects: list[Defect] = field(default_factory=list)

    def build(self, max_pixels: int | None = None) -> TrackDataset:
        """The dataset.

        Raises:
            DataError: no object is left.
        """
        if not self.tracks:
            first = f": {self.defects[0]}" if self.defects else ""
            raise DataError(f"{self.root}: no sequence with an annotated object is left{first}")
        given: dict[str, list[int]] = {}
        for index, track in enumerate(self.tracks):
            word = split_name(track.split) or self.split
            if word:
                given.setdefault(word, []).append(index)
        names = [track.folder.name for track in self.tracks]
        splits, reason = complete_splits(given, names, unit="sequence")
        if given and self.split and set(given) == {self.split}:
            reason = f"{self.split}: {self.format} is for evaluation; folders named train, val and test say otherwise"
        return TrackDataset(
            self.root, self.format, self.reason, self.tracks, splits, reason, self.defects, max_pixels or MAX_PIXELS
        )
