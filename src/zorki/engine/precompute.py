"""What can be made once for all epochs is made before the first: in parallel, and telling how far it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from zorki.contracts import Dataset
from zorki.contracts.capabilities import Precomputes
from zorki.engine.device import all_have_started, rank
from zorki.engine.run.defaults import cores


def precompute(
    preprocess: Any, dataset: Dataset[Any], indices: Sequence[int], say: Callable[[str], None], *, world: int = 1
) -> None:
    """Does the expensive part of preprocessing for these samples in parallel, where there is one.

    Of `world` processes that run already each does its share, since none waits longer than minutes for another;
    where they are still to come, the first does all.
    """
    if not isinstance(preprocess, Precomputes):
        return
    if all_have_started(world):
        mine = list(indices)[rank() % world :: world]
    elif rank() == 0:
        mine = list(indices)
    else:
        return
    workers = max(1, cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    preprocess.precompute(partial(_image, dataset, mine), len(mine), workers=workers, say=say)


def _image(dataset: Dataset[Any], indices: Sequence[int], place: int) -> torch.Tensor:
    return dataset[indices[place]].image
