"""What a file of weights knows beside its tensors: class names, or at least their number, and preprocessing."""

from __future__ import annotations

from typing import Any

import torch

from zorki.errors import DataError, WeightsError
from zorki.input_files.json_files import parse_json
from zorki.registry import Entry
from zorki.weights import Weights


def class_names_of(weights: Weights) -> list[str] | None:
    """The names that a run wrote into its weights; None in anybody else's file. Raises WeightsError."""
    names = _noted(weights, "class_names")
    if names is None:
        return None
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise WeightsError(f"{weights.path}: the metadata class_names are {names!r:.80}; expected a list of names")
    return names


def preprocess_of(weights: Weights, entry: Entry) -> dict[str, Any] | None:
    """The preprocessing that a run of this model wrote into its weights; None in anybody else's file.

    Raises WeightsError.
    """
    found = _noted(weights, "preprocess") if weights.metadata.get("model") == entry.name else None
    if found is not None and not isinstance(found, dict):
        raise WeightsError(f"{weights.path}: the metadata preprocess are {found!r:.80}; expected an object")
    return found


def _noted(weights: Weights, name: str) -> Any:
    """What a run wrote into its weights under a name; None where it wrote nothing."""
    text = weights.metadata.get(name)
    try:
        return None if text is None else parse_json(text, f"{weights.path}: the metadata {name}")
    except DataError as error:
        raise WeightsError(str(error)) from error


def num_classes_of(weights: Weights, entry: Entry) -> int:
    """How many classes a file was trained for, read off its head's shape.

    The head is what changes shape when the model is built with another number of classes. A model of which nothing does
    so, such as one that is shown what to look for, has as many as are usual for its task.

    Raises:
        WeightsError: the file has no head.
    """
    with torch.device("meta"):
        few, many = (entry.build(count) for count in (7, 11))
    theirs = {few.weight_map.rename(name, few): value for name, value in weights.tensors.items()}
    shapes = {name: value.shape for name, value in many.state_dict().items()}
    if all(value.shape == shapes[name] for name, value in few.state_dict().items()):
        return entry.task.data.usual_classes
    for name, value in few.state_dict().items():
        if value.shape != shapes[name] and name in theirs:
            place = next(i for i, (a, b) in enumerate(zip(value.shape, shapes[name], strict=True)) if a != b)
            # Heads may have several rows a class, and rows besides: two counts of classes tell how many.
            rows_a_class = (shapes[name][place] - value.shape[place]) // (11 - 7)
            return 7 + (theirs[name].shape[place] - value.shape[place]) // rows_a_class
    raise WeightsError(
        f"{weights.path}: holds no head of {entry.name}, so the number of classes is unknown; train one first"
    )
