"""What can be made once for all epochs is made before the first: in parallel, and telling how far it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from zorki.contracts import Dataset, Prepares
from zorki.engine.choices import cores
from zorki.engine.device import rank


def prepare(preprocess: Any, dataset: Dataset[Any], indices: Sequence[int], say: Callable[[str], None]) -> None:
    """Does the dear part of preprocessing for these samples in parallel, where there is one."""
    if isinstance(preprocess, Prepares) and rank() == 0:
        preprocess.prepare(partial(_image, dataset, list(indices)), len(indices), workers=cores(), say=say)


def _image(dataset: Dataset[Any], indices: Sequence[int], place: int) -> torch.Tensor:
    return dataset[indices[place]].image
