"""Simpler models beside a run: made of the weights that it began with, see `Compared`, or its own first stages."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import torch

from zorki import registry
from zorki.contracts import Dataset, Preprocess, Results
from zorki.contracts.capabilities import Compared, ReducesInputs, TrainsInStages
from zorki.engine.evaluation.split import eval_loader
from zorki.engine.run.open import TrainedModel, open_run
from zorki.errors import WeightsError, ZorkiError
from zorki.weights import published


def compare_simpler(
    result: Results, run: TrainedModel, dataset: Dataset[Any], indices: Sequence[int], device: str
) -> None:
    """Puts the scores of the simpler model into the run's result, by its name, or a line that says why there are none.

    Neither where the run has no such model. Nothing is downloaded for a row of a table. Where the weights have other
    classes than the run, only those scores are left that do not hang on classes. Of a model that is trained in stages
    each but the last, by which the run predicts, has a row; and so has the model on inputs with less in them.
    """
    result.comparisons = {
        **_of_stages(run, dataset, indices, device),
        **_of_reduced_inputs(run, dataset, indices, device),
    }
    name = run.model.comparison_model() if isinstance(run.model, Compared) else None
    if name is None:
        return
    try:
        other = _simpler(run, name)
    except ZorkiError as error:
        result.comparison_missing = _missing(run, name, str(error).splitlines()[0].rstrip(":"))
        return
    result.comparisons[name] = _scores(run, other, dataset, indices, device)


def _of_stages(
    run: TrainedModel, dataset: Dataset[Any], indices: Sequence[int], device: str
) -> dict[str, dict[str, int | float]]:
    model = run.model
    if not isinstance(model, TrainsInStages):
        return {}
    parts = {f"stage {count}": model.with_stages(count) for count in range(1, model.trained_stages())}
    return {
        name: _scores(run, dataclasses.replace(run, model=part), dataset, indices, device)
        for name, part in parts.items()
    }


def _of_reduced_inputs(
    run: TrainedModel, dataset: Dataset[Any], indices: Sequence[int], device: str
) -> dict[str, dict[str, int | float]]:
    preprocess = run.model.preprocess
    if not isinstance(preprocess, ReducesInputs):
        return {}
    return {name: _scores(run, run, dataset, indices, device, one) for name, one in preprocess.reduced_inputs().items()}


def _scores(
    run: TrainedModel,
    other: TrainedModel,
    dataset: Dataset[Any],
    indices: Sequence[int],
    device: str,
    preprocess: Preprocess | None = None,
) -> dict[str, int | float]:
    evaluation = run.task.evaluation
    network, metric = other.on_device(device).eval(), evaluation.metric(run.info)
    foreign = other.info.names != run.info.names
    loader = eval_loader(other, dataset, indices, workers=0, device=device, preprocess=preprocess)
    with closing(loader), torch.inference_mode():
        for batch in loader:  # without losses: what it was trained on has other labels
            found = network.decode(network(batch.to(device).inputs), batch.placements)
            metric.update([evaluation.unnamed(one) for one in found] if foreign else found, batch.targets)
    scores = metric.compute().scalars()
    return {key: value for key, value in scores.items() if key in evaluation.classless} if foreign else scores


def _simpler(run: TrainedModel, name: str) -> TrainedModel:
    """Raises ZorkiError, whose first line is the reason, where it cannot be made."""
    weights = run.recipe.weights
    if weights is None:
        raise WeightsError("the run began without weights")
    file = _local(weights, registry.find(name).weights)
    if file is None:
        raise WeightsError(f"the run's weights, {weights}, are not on this machine")
    return open_run(name, file, options={"image_size": str(run.model.preprocess.size)})


def _local(weights: str, sources: Mapping[str, str]) -> Path | None:
    """The file, or what was fetched before for the word."""
    if weights in sources:
        return published({weights: sources[weights]})[0].cached
    return Path(weights) if Path(weights).exists() else None


def _missing(run: TrainedModel, name: str, reason: str) -> str:
    data = run.about.get("data")
    learned = f"zorki train {name} {'DATA' if data is None else shlex.quote(str(data))}"
    return f"{name} has no row: {reason}; {learned} learns it from the classes alone, zorki compare shows both"
