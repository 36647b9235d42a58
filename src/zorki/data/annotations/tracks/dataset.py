"""Videos as folders of images, and one object in each, by its box in every frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zorki.contracts import Dataset
from zorki.data.images import MAX_PIXELS, check_image, image_size, read_image
from zorki.errors import DataError
from zorki.types import Defect, Frames, Sample, TrackedBoxes

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from torch import Tensor

Array = np.ndarray[Any, np.dtype[Any]]

OBJECT = "object"
"""The one class of what is tracked: a tracker is shown what it is."""


@dataclass(frozen=True)
class FrameFiles(Frames):
    """The frames of a video that lie in files of their own."""

    paths: Sequence[Path]
    max_pixels: int = MAX_PIXELS

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> UInt8[Tensor, "3 H W"]:
        return read_image(self.paths[number], max_pixels=self.max_pixels)

    @property
    def size(self) -> tuple[int, int]:
        return image_size(self.paths[0])


@dataclass(frozen=True)
class TrackRecord:
    """One object in one sequence.

    Attributes:
        name: of the sequence, and of the object where it has several, as the benchmark's files of results call it.
        folder: of the sequence.
        frames: its images, in order.
        xyxy: (T, 4) in pixels; rows of NaN where the object is not annotated. Only the first may be known.
        split: as the data say; empty: they do not.
    """

    name: str
    folder: Path
    frames: Sequence[Path]
    xyxy: Array
    split: str = ""


class TrackDataset(Dataset[TrackedBoxes]):
    """One object of one sequence a sample; a sequence of several objects is as many samples.

    A target has a row for each frame in which the object is annotated.
    """

    def __init__(
        self,
        root: Path,
        format: str,
        reason: str,
        tracks: Sequence[TrackRecord],
        splits: dict[str, list[int]],
        split_reason: str,
        defects: list[Defect],
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        self.root, self.format, self.reason = root, format, reason
        self.class_names = [OBJECT]
        self.tracks, self.splits, self.split_reason = tracks, splits, split_reason
        self.defects, self.max_pixels = defects, max_pixels

    def __len__(self) -> int:
        return len(self.tracks)

    def __getitem__(self, index: int) -> Sample[TrackedBoxes]:
        """The frames, which are decoded one by one as they are asked for."""
        track = self.tracks[index]
        return Sample(FrameFiles(track.frames, self.max_pixels), self.target(index), track.folder)

    def target(self, index: int) -> TrackedBoxes:
        import torch

        track = self.tracks[index]
        boxes = track.xyxy
        annotated = np.flatnonzero(np.isfinite(boxes).all(1))
        frames = torch.from_numpy(annotated)
        xyxy = torch.from_numpy(boxes[annotated].astype(np.float32))
        return TrackedBoxes(frames, torch.zeros_like(frames), xyxy, sequence=track.name)

    def path(self, index: int) -> Path:
        """The folder of the sequence."""
        return self.tracks[index].folder

    def name(self, index: int) -> str:
        """Of the sequence and object, as the benchmark's files of results are called."""
        return self.tracks[index].name

    def check(self, index: int) -> Defect | None:
        """A look at the first frame: whoever reads all of them looks at thousands."""
        first = self.tracks[index].frames[0]
        try:
            reason = check_image(first, self.max_pixels)
        except DataError as error:
            reason = str(error).removeprefix(f"{first}: ")
        return None if reason is None else Defect(first, reason)

    def mark(self, index: int) -> str:
        """The boxes and the number of frames."""
        boxes = self.tracks[index].xyxy
        return f"{len(self.tracks[index].frames)} {boxes.tolist()}"
