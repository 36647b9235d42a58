"""Images in files with a class each: the dataset that formats of labels are read into."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from zorki.contracts import Dataset
from zorki.data.images import MAX_PIXELS, check_image, read_image
from zorki.types import Defect, Label, Sample


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
        path = self.path(index)
        return Sample(read_image(path, max_pixels=self.max_pixels), self.target(index), path)

    def target(self, index: int) -> Label:
        return Label(self.labels[index])

    def path(self, index: int) -> Path:
        return self.folder / self.names[index]

    def check(self, index: int) -> Defect | None:
        reason = check_image(self.path(index), self.max_pixels)
        return None if reason is None else Defect(self.path(index), reason)
