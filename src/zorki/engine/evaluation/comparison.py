"""A simpler model beside a run, made of the weights that the run began with; see `Compared`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import torch

from zorki.contracts import Dataset
from zorki.contracts.capabilities import Compared
from zorki.engine.device import on_device
from zorki.engine.evaluation.split import eval_loader
from zorki.engine.run.open import TrainedModel, open_run
from zorki.errors import ZorkiError


def comparisons(
    run: TrainedModel, dataset: Dataset[Any], indices: Sequence[int], device: str
) -> dict[str, dict[str, int | float]]:
    """Scores of the simpler model, by its name; empty where the run has none.

    Or where the weights are no longer there, or do not fill it: nothing is downloaded for a row of a table. Where they
    have other classes than the run, only those scores are left that do not hang on classes.
    """
    name = run.model.comparison_model() if isinstance(run.model, Compared) else None
    if name is None or run.recipe.weights is None or not Path(run.recipe.weights).exists():
        return {}
    try:
        other = open_run(name, run.recipe.weights, options={"image_size": str(run.model.preprocess.size)})
    except ZorkiError:
        return {}
    network, metric = on_device(other.model, device).eval(), run.task.evaluation.metric(run.info)
    with closing(eval_loader(other, dataset, indices, workers=0, device=device)) as loader, torch.inference_mode():
        for batch in loader:  # without losses: what it was trained on has other labels
            metric.update(network.decode(network(batch.to(device).inputs), batch.placements), batch.targets)
    scores = metric.compute().scalars()
    if other.info.names != run.info.names:
        scores = {key: value for key, value in scores.items() if key in run.task.evaluation.classless}
    return {name: scores}
