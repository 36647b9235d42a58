"""Networks as ONNX files: uint8 pixels in, predictions out, and nothing of Python between."""

from __future__ import annotations

import copy
import logging
import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from zorki.contracts import Model, Preprocess
from zorki.contracts.capabilities import Exportable, ExportGraph, ExportsParts, FitsCanvas
from zorki.engine.export.description import description, properties
from zorki.engine.export.runtimes import need
from zorki.engine.export.translations import translations
from zorki.errors import RecipeError, ZorkiError
from zorki.files import whole
from zorki.types import ClassInfo

OPSET = 20
STEP = 32  # pixels, of free heights and widths: where sizes of maps are halves of halves, PyTorch can solve for them


def check_exportable(model: Model[Any, Any, Any]) -> None:
    """Raises ZorkiError where the network has no form as a graph."""
    if not isinstance(model, Exportable | ExportsParts):
        raise ZorkiError(f"{name_of(model)} has no form as a graph of tensors; run it by zorki")


def export_onnx(
    model: Model[Any, Any, Any],
    path: Path | str,
    height: int,
    width: int,
    info: ClassInfo,
    about: Mapping[str, Any] | None = None,
) -> Path:
    """Writes a network as ONNX, for batches of images of one size, or of any where its graph allows it.

    The graph takes "images", uint8 (B, 3, height, width), prepared as `model.preprocess` does; what else it takes and
    gives, the model's `export_graph` says and docs/export.md tells. All that is needed beside pixels stands among the
    file's properties, see `description`. It has nothing but standard operators, of opset 20.

    Args:
        model: on any device; the graph is made on the CPU from its float32 weights.
        path: of the file, which is there whole or not at all. Of a model that `ExportsParts` there is a file for each
            part: model.exemplar.onnx and model.search.onnx for model.onnx.
        height, width: of the input, in pixels; trackers have their own.
        about: further properties, such as the task and the registered name; see `description`.

    Returns:
        The path; of several files that of the first.

    Raises:
        ZorkiError: packages are missing, the network cannot be written as ONNX, or the file cannot be written.
    """
    need_onnx()
    path = Path(path)
    paths = []
    for part, graph in graphs_of(model, height, width).items():
        paths.append(part_path(path, part))
        texts = properties(description(model, graph, info) | dict(about or {}))
        write_onnx(graph, paths[-1], texts, name_of(model))
    return paths[0]


def write_onnx(graph: ExportGraph, path: Path, texts: Mapping[str, str], named: str) -> None:
    """One graph as a file with these properties; see `export_onnx`."""
    program = _converted(graph, named)
    program.model.metadata_props.update(texts)
    with whole(path) as aside:
        program.save(str(aside), external_data=False)


def graphs_of(model: Model[Any, Any, Any], height: int, width: int) -> dict[str, ExportGraph]:
    """The graphs of a copy of the network on the CPU, by the names of their parts; "" is the only one's."""
    check_exportable(model)
    if min(height, width) < 1:
        raise ZorkiError(
            f"{name_of(model)}: expected an input of at least 1x1 pixels, but was asked for {height}x{width}"
        )
    if isinstance(model, Exportable):
        model.export_graph(height, width)  # refuses before anything is copied
    network: Any = copy.deepcopy(model).cpu().float().eval()
    if isinstance(network, ExportsParts):
        return dict(network.export_parts())
    return {"": network.export_graph(height, width)}


def part_path(path: Path, part: str) -> Path:
    """The file of a part, beside that of the whole."""
    return path.with_name(f"{path.stem}.{part}{path.suffix}") if part else path


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
                dynamic_shapes=dynamic_shapes(graph),
                custom_translation_table=translations(),
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


def free_axes(graph: ExportGraph) -> tuple[dict[int, str], ...]:
    """Names of the free axes of every input: the batch, height and width where the graph allows, and its own."""
    axes = []
    for name, value in graph.inputs.items():
        free = graph.size_step is not None and name == "images"
        sizes = {value.ndim - 2: "height", value.ndim - 1: "width"} if free else {}
        axes.append({0: "batch", **graph.free.get(name, {}), **sizes})
    return tuple(axes)


def dynamic_shapes(graph: ExportGraph) -> tuple[dict[int, Any], ...]:
    """The free axes as `torch.export` takes them.

    Height and width are told to be multiples, for sizes of maps are then solved for by halves, and not by inequalities
    of their rounding, at which PyTorch gives up or takes long.
    """
    named = free_axes(graph)
    if graph.size_step in (None, 1):
        return named
    steps = {name: graph.size_step * torch.export.Dim(f"{name}_steps") for name in ("height", "width")}
    return tuple({place: steps.get(name, torch.export.Dim.DYNAMIC) for place, name in one.items()} for one in named)


def input_size(preprocess: Preprocess, height: int, width: int) -> tuple[int, int]:
    """Height and width of what an image of that size becomes."""
    inputs, _ = preprocess([torch.zeros((3, height, width), dtype=torch.uint8)])
    images = inputs if isinstance(inputs, torch.Tensor) else inputs.images
    return int(images.shape[-2]), int(images.shape[-1])


def size_step(preprocess: Preprocess) -> int:
    """Of what free heights and widths are multiples.

    Raises:
        RecipeError: images of all shapes become inputs of one size.
    """
    if not isinstance(preprocess, FitsCanvas) or input_size(preprocess, 64, 64) == input_size(preprocess, 64, 32):
        raise RecipeError(
            f"--any-size: {type(preprocess).__name__} of this run makes images of one size; a file without it takes all"
        )
    return math.lcm(STEP, preprocess.stride)


def need_onnx() -> None:
    """Raises ZorkiError where packages that write ONNX are missing."""
    need("onnx", "onnxscript", extra="export", what="writing ONNX")


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
