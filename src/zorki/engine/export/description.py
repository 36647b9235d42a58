"""What an exported file tells of itself, beside its graph: all that its predictions need."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from zorki.contracts import Model
from zorki.contracts.capabilities import ExportGraph
from zorki.engine.publishing.weights_source import weights_source
from zorki.engine.run.open import TrainedModel
from zorki.exported.file import FORMAT, PREFIX
from zorki.types import ClassInfo


def description(model: Model[Any, Any, Any], graph: ExportGraph, info: ClassInfo) -> dict[str, Any]:
    """Plain values by name: classes, preprocessing, thresholds and the meaning of the outputs."""
    return {
        "format": FORMAT,
        "version": version("zorki"),
        "num_classes": info.output_count,
        "class_names": info.names,
        "class_info": info.to_json(),
        "preprocess": model.preprocess.to_json(),
        "decoding": graph.decoding.to_json(),
        "thresholds": dict(graph.decoding.thresholds),
        "size_step": graph.size_step,
        "precision": "float32",
    }


def about_run(run: TrainedModel) -> dict[str, Any]:
    """What a run knows beside its network: task, name of the model, licence of the weights that it began with."""
    return {
        "task": run.task.name,
        "model": run.model_name,
        "weights": weights_source(run.model_name, run.recipe.weights),
        "max_pixels": run.recipe.max_pixels,
        "settings": {"options": dict(run.recipe.options)},  # with which the network can be built again
    }


def properties(values: Mapping[str, Any]) -> dict[str, str]:
    """As the properties of a file: names with `PREFIX`, values as JSON."""
    return {PREFIX + name: json.dumps(value) for name, value in values.items() if value is not None}
