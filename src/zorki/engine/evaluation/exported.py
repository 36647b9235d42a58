"""An exported file evaluated on a split of a dataset: in numpy, with torch where a metric asks for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from zorki.contracts import Dataset, Results
from zorki.data.loading.unreadable import defect_of
from zorki.engine.data_check import survey, usual_split
from zorki.engine.data_source import read_data
from zorki.engine.prediction.predictors.exported import ExportedModel
from zorki.engine.prediction.rows import keep_rows
from zorki.engine.prediction.selection import Classes, keep_selected, selection_of
from zorki.errors import DataError, RecipeError
from zorki.exported.file import choose_device
from zorki.types import Defect

BATCH = 16  # images a step, where nobody said


def evaluate_exported(
    model: ExportedModel,
    data: Any,
    *,
    split: str | None = None,
    format: str | None = None,
    batch_size: int | None = None,
    device: str | int | None = None,
    strict: bool = False,
    conf: float | None = None,
    iou: float | None = None,
    max_det: int | None = None,
    classes: Classes | None = None,
) -> Results:
    """As `zorki.evaluate` of a run, without losses, which a file knows nothing of, and without a baseline.

    Args:
        data: the dataset; a file does not say what its network was trained on.

    Raises:
        ZorkiError: no data are named or they cannot be read, or a setting that the file does not have.
    """
    if data is None:
        raise RecipeError(f"{model.folder} is an exported file, which knows no data; name them behind it")
    selection = selection_of(conf, iou, max_det, classes, model.info.names)
    predictor = model.predictor(selection, choose_device(device))
    dataset = read_data(model.task, data, model.recipe, format=format, class_names=model.class_names)
    model.task.data.check_evaluation(dataset, model.info)
    split = split or usual_split(dataset.splits)
    found = survey(dataset, strict=strict, splits=[split])
    defects: list[Defect] = []
    metric = model.task.evaluation.metric(model.info)
    count = 0
    samples = _samples(dataset, found.readable(dataset, split), strict, defects)
    while batch := list(islice(samples, batch_size or BATCH)):
        inputs = predictor.prepare([sample.image for sample in batch])
        predictions = [keep_selected(one, selection) for one in predictor.predict(*inputs)]
        targets = [sample.target for sample in batch]
        if selection.labels is not None:
            targets = [keep_rows(target, labels=selection.labels) for target in targets]
        if not metric.takes_arrays:
            predictions, targets = ([one.tensors() for one in some] for some in (predictions, targets))
        metric.update(predictions, targets)
        count += len(batch)
    return Results(
        split=split,
        count=count,
        metrics=metric.compute(),
        losses={},
        defects=[*found.defects, *defects],
        unit=f"{model.task.unit}s",
    )


def _samples(dataset: Dataset[Any], indices: Sequence[int], strict: bool, defects: list[Defect]) -> Iterator[Any]:
    """In numpy, but for those whose files are broken. Raises DataError where `strict`."""
    for index in indices:
        try:
            yield dataset.arrays(index)
        except DataError as error:
            defects.append(defect_of(dataset, index, error, strict=strict))
