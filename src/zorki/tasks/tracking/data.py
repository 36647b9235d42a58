"""Data for tracking: videos with the box of one object, or images with boxes in their place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zorki.class_selection import ClassSelection
from zorki.contracts import Dataset, TaskData
from zorki.contracts.statistics import DatasetStatistics, StatisticsTable
from zorki.errors import DataError
from zorki.tasks.tracking.settings import TrackingSettings
from zorki.types import Boxes, ClassInfo, Sample, TrackedBoxes

if TYPE_CHECKING:
    import torch

    from zorki.contracts.sampler import Sampler


class TrackingData(TaskData[TrackedBoxes]):
    """Videos of single objects; each format of boxes on images serves for training as well."""

    needs = ("tracks",)
    usual_classes = 1

    def read(
        self,
        root: Path,
        *,
        format: str | None = None,
        class_names: Sequence[str] | None = None,
        max_pixels: int | None = None,
        selection: ClassSelection | None = None,
    ) -> Dataset[TrackedBoxes]:
        """Sequences, images with boxes, folders of both; or the built-in clips.

        What an object is called is of no account: a tracker is shown what to follow.

        Raises:
            DataError: as the readers, or classes are to be selected among sequences.
        """
        from zorki.data.scenes.tracks import parse
        from zorki.tasks.tracking.sources import read_any

        scenes = parse(str(root)) if format in (None, "scenes") else None
        return scenes if scenes is not None else read_any(root, format, max_pixels, selection)

    def augment(
        self, sample: Sample[TrackedBoxes], recipe: TrackingSettings, info: ClassInfo, generator: torch.Generator
    ) -> Sample[TrackedBoxes]:
        """Two frames of the video with the object in each, varied: the exemplar, and where it is looked for."""
        from zorki.tasks.tracking.pairs import draw_pair

        return draw_pair(sample, recipe, generator)

    def check(self, dataset: Dataset[TrackedBoxes], train: Sequence[int]) -> None:
        """There must be an object to learn from."""
        if not any(len(dataset.target(index)) for index in train):
            raise DataError(f"{dataset.root}: no training video has an annotated object; expected boxes, a frame each")

    def sampler(self, targets: Sequence[TrackedBoxes], recipe: TrackingSettings, info: ClassInfo) -> Sampler | None:
        """Each video as often as the recipe's `pairs` say."""
        from zorki.data.loading.samplers import RepeatedSampler

        return RepeatedSampler(len(targets), recipe.pairs)

    def prompt(self, target: TrackedBoxes) -> Boxes:
        """The box of the first frame."""
        import torch

        first = target.frames == target.frames.min()
        return Boxes(target.xyxy[first][:1], torch.zeros(1, dtype=torch.int64))

    def statistics(self, dataset: Dataset[TrackedBoxes]) -> DatasetStatistics:
        """Videos and annotated frames by split."""
        tables: dict[str, dict[str, int]] = {}
        counts: dict[str, list[int]] = {}
        for split, indices in dataset.splits.items():
            targets = [dataset.target(index) for index in indices]
            counts[split] = [len(indices)]
            tables[split] = {
                "boxes": sum(map(len, targets)),
                "longest": max((int(target.frames.max()) + 1 for target in targets if len(target)), default=0),
            }
        columns = {"boxes": "annotated boxes", "longest": "frames of the longest track"}
        table = StatisticsTable("tracks", "Tracks", columns, tables, brief=True)
        return DatasetStatistics(dataset.class_names, counts, counted="tracks", tables=(table,))

    def default_classes(self, num_classes: int) -> ClassInfo:
        """The one class: whatever is shown."""
        from zorki.data.annotations.tracks.dataset import OBJECT

        return ClassInfo((OBJECT,))
