"""Annotations that a run speaks against, ranked, on a page, and in the format of a labeling tool."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zorki.contracts import Dataset, Section
from zorki.contracts.capabilities import FindsLabelErrors, LabelError
from zorki.data.annotations.boxes.dataset import BoxDataset
from zorki.data.annotations.instances.dataset import InstanceDataset
from zorki.data.annotations.subset import subset_boxes, subset_instances
from zorki.data.formats.writers import write_boxes, write_instances
from zorki.draw.blocks import Thumbnail, image_grid, table
from zorki.draw.images import boxes, shrink
from zorki.draw.report import page, write_page
from zorki.engine.data_check import survey, usual_split
from zorki.engine.device import check_device
from zorki.engine.evaluation.evaluate import evaluation_dataset
from zorki.engine.evaluation.split import eval_loader, evaluate_split
from zorki.engine.precompute import precompute
from zorki.engine.prediction.label_studio import to_label_studio
from zorki.engine.prediction.preannotations import LABEL_STUDIO, annotation_format
from zorki.engine.run.open import RunLike, TrainedModel, open_all
from zorki.errors import DataError, RecipeError
from zorki.files import write_json, write_text
from zorki.output import say as say_aloud

SHOWN = 100  # errors on the page
SIDE = 224
MARK = (0, 190, 255)


@dataclass
class Mistakes:
    """Probable errors of the annotation of one split.

    Attributes:
        errors: the most likely first; `place` is the index in the dataset.
        count: samples that were looked at.
    """

    run: TrainedModel
    dataset: Dataset[Any]
    split: str
    count: int
    errors: list[LabelError]
    predictions: dict[int, Any] = field(repr=False, default_factory=dict)

    @property
    def images(self) -> list[int]:
        """Samples with an error, the most likely first, each once."""
        return list(dict.fromkeys(error.place for error in self.errors))

    def rows(self) -> list[dict[str, Any]]:
        """A row for each: rank, image, kind, label, suggested, score, and the box's edges in pixels."""
        return [
            {
                "rank": rank, "image": self.dataset.path(one.place).as_posix(), "kind": one.kind,
                "label": self._name(one.label), "suggested": self._name(one.suggested), "score": round(one.score, 6),
                "box": None if one.box is None else [round(value, 2) for value in one.box],
            }
            for rank, one in enumerate(self.errors, 1)
        ]  # fmt: skip

    def _name(self, label: int | None) -> str | None:
        names = self.dataset.class_names
        return None if label is None else names[label] if 0 <= label < len(names) else str(label)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"run": str(self.run.folder), "split": self.split, "count": self.count, "mistakes": self.rows()}


def find_mistakes(
    run: RunLike,
    data: Any = None,
    *,
    split: str | None = None,
    weights: str | Path | None = None,
    format: str | None = None,
    batch_size: int | None = None,
    device: str | int | None = None,
    workers: int | None = None,
    options: Mapping[str, str] | None = None,
    quiet: bool = False,
) -> Mistakes:
    """Ranks annotations that a run's predictions speak against. Of data that the run has not learned.

    Args:
        run: a run, its folder, or a model's name with `weights`.
        data: the dataset; None: the run's own.
        split: None: test, else val, else all.
        quiet: print nothing.

    Raises:
        ZorkiError: as `zorki.evaluate`; or nothing tells label errors of this task.
    """
    device = check_device(device)
    (opened,) = open_all(run, weights, data, format, options)
    evaluation = opened.task.evaluation
    if not isinstance(evaluation, FindsLabelErrors):
        raise RecipeError(f"{opened.task.name} has no rule for label errors; classes, boxes and masks have one")
    dataset = evaluation_dataset(opened, data, format)
    split = split or usual_split(dataset.splits)
    tell: Callable[[str], None] = _silent if quiet else say_aloud
    if split in ("train", "all") and opened.about.get("data") is not None:
        tell(f"{split} holds what the run may have learned, errors too; those of held-out images are more certain")
    indices = survey(dataset, splits=[split]).readable(dataset, split)
    precompute(opened.model.preprocess, dataset, indices, tell)
    loader = eval_loader(opened, dataset, indices, batch_size=batch_size, workers=workers, device=device)
    found: dict[int, Any] = {}
    evaluate_split(
        opened.on_device(device), loader, opened.task, opened.info, split=split, device=device, keep=False,
        kept_predictions=found,
    )  # fmt: skip
    places = [index for index in indices if index in found]
    errors = evaluation.label_errors(
        [found[index] for index in places], [dataset.target(index) for index in places], opened.info
    )
    placed = [_placed(error, places) for error in errors]
    return Mistakes(opened, dataset, split, len(places), placed, found)


def _silent(words: str) -> None:
    """Says nothing."""


def _placed(error: LabelError, places: Sequence[int]) -> LabelError:
    return LabelError(places[error.place], error.kind, error.score, error.label, error.suggested, error.box)


def write_mistakes(found: Mistakes, out: Path, to: str | None = None) -> list[str]:
    """Writes mistakes.csv, mistakes.json and index.html into a folder, and the images for a labeling tool.

    Label Studio's tasks hold the annotation beside the prediction; other formats the annotation of the images with
    errors, to be corrected. Returns in words what the format cannot keep.

    Args:
        to: a format, see `annotation_format`; None: none.

    Raises:
        RecipeError: the data cannot be written in the format.
    """
    lost = [] if to is None or not found.errors else _write_for_tool(found, out, annotation_format(to))
    write_json(out / "mistakes.json", found.to_json())
    write_text(out / "mistakes.csv", _csv(found))
    write_page(out / "index.html", _page(found))
    return lost


def _csv(found: Mistakes) -> str:
    text = io.StringIO()
    columns = ["rank", "image", "kind", "label", "suggested", "score", "left", "top", "right", "bottom"]
    writer = csv.DictWriter(text, columns, lineterminator="\n", restval="")
    writer.writeheader()
    for row in found.rows():
        box = row.pop("box")
        writer.writerow(row | dict(zip(("left", "top", "right", "bottom"), box or (), strict=False)))
    return text.getvalue()


def _write_for_tool(found: Mistakes, out: Path, to: str) -> list[str]:
    if to == LABEL_STUDIO:
        write_json(out / f"{LABEL_STUDIO}.json", [_task(found, index) for index in found.images])
        return []
    data = found.dataset
    if isinstance(data, BoxDataset):
        return write_boxes(subset_boxes(data, found.images), out / to, to, images=None)
    if isinstance(data, InstanceDataset):
        return write_instances(subset_instances(data, found.images), out / to, to, images=None)
    raise RecipeError(f"--to {to} is for boxes and masks of objects in files; expected --to {LABEL_STUDIO}")


def _task(found: Mistakes, index: int) -> dict[str, Any]:
    """An image with its annotation, and what the run predicts, as Label Studio imports both."""
    sample, names = found.dataset[index], found.dataset.class_names
    height, width = sample.image.shape[-2:]
    place = str(sample.path.absolute())
    shown = found.run.task.presentation.shown(found.predictions[index], found.run.info)
    task = to_label_studio(shown, found.run.info.names, height, width, place, version=found.run.model_name)
    own = to_label_studio(sample.target, names, height, width, place)
    errors = [row for row, error in zip(found.rows(), found.errors, strict=True) if error.place == index]
    return {**task, "annotations": [{"result": own["predictions"][0]["result"]}], "meta": {"mistakes": errors}}


def _page(found: Mistakes) -> str:
    cells = []
    for error, row in list(zip(found.errors, found.rows(), strict=True))[:SHOWN]:
        try:
            image = found.dataset.arrays(error.place).image
        except DataError:
            continue
        small = shrink(np.asarray(image), SIDE)
        if error.box is not None:
            scale = small.shape[2] / image.shape[2]
            small = boxes(small, np.array([error.box]) * scale, colors=[MARK])
        words = f"{row['kind']}\n{row['label'] or 'nothing'} → {row['suggested'] or 'nothing'}\n{error.score:.3f}"
        cells.append(Thumbnail(small, words, name=Path(row["image"]).name))
    counts: dict[str, int] = {}
    for error in found.errors:
        counts[error.kind] = counts.get(error.kind, 0) + 1
    note = "The most likely first: as annotated → as the run sees it, and how likely it is an error."
    more = f" The first {SHOWN} are shown." if len(found.errors) > SHOWN else ""
    sections = [
        Section("Probable label errors", image_grid(cells), note + more),
        Section("Counts", table([{"kind": kind, "count": count} for kind, count in counts.items()])),
    ]
    facts = {"run": found.run.model_name, "split": found.split, "images": str(found.count),
             "with an error": str(len(found.images))}  # fmt: skip
    return page("Probable label errors", sections, subtitle=str(found.dataset.root), facts=facts)
