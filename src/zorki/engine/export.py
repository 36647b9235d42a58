"""Networks as ONNX files: uint8 pixels in, predictions out, and nothing of Python between."""

from __future__ import annotations

import copy
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from zorki.contracts import Model
from zorki.contracts.capabilities import Exportable, ExportGraph
from zorki.errors import ZorkiError
from zorki.files import whole
from zorki.types import ClassInfo

OPSET = 20


def check_exportable(model: Model[Any, Any, Any]) -> None:
    """Raises ZorkiError where the network has no form as ONNX."""
    if not isinstance(model, Exportable):
        raise ZorkiError(f"{name_of(model)} has no form as ONNX; run it by zorki")


def export_onnx(model: Model[Any, Any, Any], path: Path | str, height: int, width: int, info: ClassInfo) -> Path:
    """Writes a network as ONNX, for one image of one size, or of any where its graph allows it, and returns the path.

    The graph takes "images", uint8 (1, 3, height, width), prepared as `model.preprocess` does, which stands under
    "zorki.preprocess" among the file's properties, beside "zorki.model", "zorki.num_classes" and "zorki.class_names".
    What else it takes and what it gives, the model's `export_graph` says. It has nothing but standard operators, of
    opset 20.

    Args:
        model: on any device; the graph is made on the CPU from its float32 weights.
        path: of the file, which is there whole or not at all.
        height, width: of the input, in pixels.

    Raises:
        ZorkiError: packages are missing, the network cannot be written as ONNX, or the file cannot be written.
    """
    need_onnx()
    check_exportable(model)
    assert isinstance(model, Exportable)
    if min(height, width) < 1:
        raise ZorkiError(
            f"{name_of(model)}: expected an input of at least 1x1 pixels, but was asked for {height}x{width}"
        )
    model.export_graph(height, width)  # refuses before anything is copied
    network: Any = copy.deepcopy(model).cpu().float().eval()
    program = _converted(network.export_graph(height, width), name_of(model))
    description = {
        "num_classes": model.num_classes,
        "preprocess": model.preprocess.to_json(),
        "class_names": info.names,
    }
    program.model.metadata_props["zorki.model"] = type(model).__name__
    program.model.metadata_props.update({f"zorki.{name}": json.dumps(value) for name, value in description.items()})
    path = Path(path)
    with whole(path) as aside:
        program.save(str(aside), external_data=False)
    return path


def name_of(model: Model[Any, Any, Any]) -> str:
    """What a network is called in messages."""
    backbone = dict(model.named_children()).get("backbone")
    return type(model).__name__ + (f" on {type(backbone).__name__}" if backbone is not None else "")


def _converted(graph: ExportGraph, named: str) -> torch.onnx.ONNXProgram:
    try:
        with _quietly(), torch.no_grad():
            program = torch.onnx.export(
                graph.network.eval(),
                tuple(graph.inputs.values()),
                dynamo=True,
                opset_version=OPSET,
                input_names=list(graph.inputs),
                output_names=list(graph.outputs),
                dynamic_shapes=_free_sizes(graph) if graph.any_size else None,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        reasons = str(error.__cause__ or error).strip().splitlines()
        raise ZorkiError(
            f"{named} cannot be written as ONNX: {reasons[0] if reasons else error}. Export it on another backbone, "
            "or for an input of another size"
        ) from error
    assert program is not None  # None is what the older exporter returns
    return program


def _free_sizes(graph: ExportGraph) -> tuple[dict[int, Any], ...]:
    """That the last two axes of every input are free."""
    free = torch.export.Dim.DYNAMIC
    return tuple({value.ndim - 2: free, value.ndim - 1: free} for value in graph.inputs.values())


def need_onnx() -> None:
    """Raises ZorkiError where packages that write ONNX are missing."""
    import importlib.util

    missing = [package for package in ("onnx", "onnxscript") if importlib.util.find_spec(package) is None]
    if missing:
        raise ZorkiError(f"writing ONNX needs {' and '.join(missing)}: install them with pip install 'zorki[export]'")


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the warnings about its own insides that PyTorch's exporter gives on every graph."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
