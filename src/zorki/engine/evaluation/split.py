"""One pass over a split without learning: the metric of the task, losses, and examples for the report."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch

from zorki.contracts import Dataset, Metric, Model, Preprocess, Results, Task
from zorki.contracts.capabilities import TakesReference
from zorki.data.loading.loader import Loader, Pipeline, share_of
from zorki.devices import kind_of
from zorki.engine.device import autocast, seeded
from zorki.engine.evaluation.units import eval_preprocess, predict_batch
from zorki.engine.run import defaults as choices
from zorki.engine.run.open import TrainedModel
from zorki.errors import DataError
from zorki.types import Batch, ClassInfo, Defect

Watch = Callable[[Sequence[int], Sequence[Any], Sequence[Any]], None]

WORST, SAMPLES = 24, 24  # images kept for the report


def eval_loader(
    run: TrainedModel,
    dataset: Dataset[Any],
    indices: Sequence[int],
    *,
    batch_size: int | None = None,
    workers: int | None = None,
    strict: bool = False,
    device: str = "cpu",
    rank: int = 0,
    world: int = 1,
    preprocess: Preprocess | None = None,
) -> Loader[Any]:
    """Batches in the data's order, without chance; as large as those of one device in training, where nobody said.

    Args:
        rank, world: the number of this process among those that evaluate together, each of which has a share.
        preprocess: None: that of evaluation.
    """
    if workers is None:
        workers = choices.worker_count(device, dataset)[0]
    pipeline = Pipeline(dataset, preprocess=preprocess or eval_preprocess(run.model, run.task), strict=strict)
    size = batch_size or max(1, (run.recipe.batch_size or 64) // run.recipe.world)
    share, size = share_of(indices, rank, world), max(1, size // world)
    return Loader(pipeline, share, batch_size=size, workers=workers, pin_memory=kind_of(device) == "cuda")


def reference_loader(
    run: TrainedModel, dataset: Dataset[Any], splits: Mapping[str, Sequence[int]], split: str, **settings: Any
) -> Loader[Any] | None:
    """Batches of what the metric sees before a split, see `Evaluation.reference_split`; None where it sees nothing.

    Args:
        settings: of `eval_loader`.

    Raises:
        DataError: the data have no such split.
    """
    name = run.task.evaluation.reference_split(split)
    if name is None:
        return None
    if not splits.get(name):
        there = ", ".join(f"{one} ({len(indices)})" for one, indices in splits.items())
        raise DataError(f"{dataset.root}: {split} is compared with {name}, of which no image is there; found {there}")
    # As predicted: what evaluation measures beside the prediction is asked of the split alone.
    return eval_loader(run, dataset, splits[name], preprocess=run.model.preprocess, **settings)


def evaluate_split(
    model: Model[Any, Any, Any],
    loader: Iterable[Batch[Any]],
    task: Task[Any, Any],
    info: ClassInfo,
    *,
    split: str,
    device: str | torch.device,
    precision: str = "32",
    keep: bool = True,
    sample_stride: int = 1,
    gather: bool = False,
    kept_predictions: dict[int, Any] | None = None,
    watch: Watch | None = None,
    seed: int | None = 0,
    reference: Iterable[Batch[Any]] | None = None,
) -> Results:
    """One pass without learning.

    Args:
        reference: batches that the metric sees before, see `Evaluation.reference_split`.
        keep: hold on to the most wrong predictions and to a few samples, for the report.
        sample_stride: a sample is kept from each so many images; data sorted by class show all classes then.
        gather: join what all processes of a distributed run found.
        kept_predictions: filled with each sample's prediction, where given.
        watch: told of the indices of samples, their predictions and their targets, batch by batch.
        seed: of what losses draw by chance (regions that learn), so that they are the same every time; None leaves the
            generators as they go, as a training does that has to be the same to the last bit.
    """
    tally = _Tally(task, info)
    examples = _Examples(task, info, sample_stride)
    was_training = model.training
    model.eval()
    with torch.inference_mode(), autocast(device, precision), seeded(device, seed):
        for batch in reference or ():
            tally.add_reference(predict_batch(model, batch.to(device), task)[1], batch)
        for batch in loader:
            batch = batch.to(device)
            losses, predictions = predict_batch(model, batch, task)
            tally.add(losses, predictions, batch)
            if kept_predictions is not None:
                kept_predictions.update(zip(batch.indices, predictions, strict=True))
            if watch is not None:
                watch(batch.indices, predictions, batch.targets)
            if keep:
                examples.add(predictions, batch)
    model.train(was_training)
    defects = list(loader.defects) if isinstance(loader, Loader) else []
    if gather:
        tally = _joined(tally)
    return tally.results(split, examples, defects, f"{task.unit}s")


class _Tally:
    """Metric, sums of losses and count of what was evaluated so far."""

    def __init__(self, task: Task[Any, Any], info: ClassInfo) -> None:
        self.metric: Metric[Any, Any] = task.evaluation.metric(info)
        self.sums: dict[str, float] = {}
        self.count = 0

    def add_reference(self, predictions: Sequence[Any], batch: Batch[Any]) -> None:
        assert isinstance(self.metric, TakesReference)
        self.metric.update_reference(predictions, batch.targets)

    def add(self, losses: Mapping[str, torch.Tensor], predictions: Sequence[Any], batch: Batch[Any]) -> None:
        self.metric.update(predictions, batch.targets)
        for name, loss in losses.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(loss) * len(batch)
        self.count += len(batch)

    def merge(self, other: _Tally) -> None:
        self.metric.merge(other.metric)
        for name, total in other.sums.items():
            self.sums[name] = self.sums.get(name, 0.0) + total
        self.count += other.count

    def results(self, split: str, examples: _Examples, defects: list[Defect], unit: str) -> Results:
        return Results(
            split=split,
            count=self.count,
            metrics=self.metric.compute(),
            losses={name: total / max(1, self.count) for name, total in self.sums.items()},
            worst=examples.worst(),
            samples=examples.samples,
            defects=defects,
            unit=unit,
        )


class _Examples:
    """The most wrong predictions, and a few as they come, each with the index of its sample."""

    def __init__(self, task: Task[Any, Any], info: ClassInfo, stride: int) -> None:
        self.evaluation, self.info, self.stride = task.evaluation, info, stride
        self.samples: list[tuple[int, Any]] = []
        self._heap: list[tuple[float, int, Any]] = []
        self._seen = 0

    def add(self, predictions: Sequence[Any], batch: Batch[Any]) -> None:
        for index, prediction, target in zip(batch.indices, predictions, batch.targets, strict=True):
            # The number of the sample makes entries differ, so that predictions are never compared.
            entry = (self.evaluation.error_score(prediction, target, self.info), -self._seen, (index, prediction))
            heapq.heappush(self._heap, entry) if len(self._heap) < WORST else heapq.heappushpop(self._heap, entry)
            if self._seen % self.stride == 0 and len(self.samples) < SAMPLES:
                self.samples.append((index, prediction))
            self._seen += 1

    def worst(self) -> list[tuple[int, Any]]:
        """Those with an error: of a task that has none for a single image there are no wrong ones."""
        return [item for error, _, item in sorted(self._heap, reverse=True) if error > 0]


def _joined(tally: _Tally) -> _Tally:
    """What all processes of a distributed run found."""
    parts: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(parts, tally)
    first: _Tally = parts[0]
    for other in parts[1:]:
        first.merge(other)
    return first
