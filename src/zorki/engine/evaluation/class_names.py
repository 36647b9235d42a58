"""What a file of weights knows beside its tensors: class names, or at least their number, and preprocessing."""

from __future__ import annotations

import json
from typing import Any

import torch

from zorki.errors import WeightsError
from zorki.registry import Entry
from zorki.weights import Weights


def class_names_of(weights: Weights) -> list[str] | None:
    """The names that a run wrote into its weights; None in anybody else's file."""
    text = weights.metadata.get("class_names")
    return None if text is None else list(json.loads(text))


def preprocess_of(weights: Weights, entry: Entry) -> dict[str, Any] | None:
    """The preprocessing that a run of this model wrote into its weights; None in anybody else's file."""
    text = weights.metadata.get("preprocess") if weights.metadata.get("model") == entry.name else None
    return None if text is None else dict(json.loads(text))


def num_classes_of(weights: Weights, entry: Entry) -> int:
    """How many classes a file was trained for, read off its head's shape.

    The head is what changes shape when the model is built with another number of classes.

    Raises:
        WeightsError: the file has no head.
    """
    with torch.device("meta"):
        few, many = (entry.build(count) for count in (7, 11))
    theirs = {few.weight_map.rename(name, few): value for name, value in weights.tensors.items()}
    shapes = {name: value.shape for name, value in many.state_dict().items()}
    for name, value in few.state_dict().items():
        if value.shape != shapes[name] and name in theirs:
            place = next(i for i, (a, b) in enumerate(zip(value.shape, shapes[name], strict=True)) if a != b)
            # Heads may have several rows a class, and rows besides: two counts of classes tell how many.
            rows_a_class = (shapes[name][place] - value.shape[place]) // (11 - 7)
            return 7 + (theirs[name].shape[place] - value.shape[place]) // rows_a_class
    raise WeightsError(
        f"{weights.path}: holds no head of {entry.name}, so the number of classes is unknown; train one first"
    )
