"""`zorki export`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from zorki.output import say

if TYPE_CHECKING:
    from zorki.contracts import Model, Preprocess


def export(
    run: Annotated[str, Parameter(help="A run's folder; or a model's name, with --weights.")],
    *,
    out: Annotated[
        Path | None, Parameter(help="ONNX file to write; empty: runs/export-1/model.onnx, or the next that is free.")
    ] = None,
    height: Annotated[
        int | None, Parameter(help="Height of the input in pixels; empty: the model's own for square images.")
    ] = None,
    width: Annotated[int | None, Parameter(help="Width of the input in pixels; empty: as --height.")] = None,
    weights: Annotated[str | None, Parameter(help="Weights, where a model is named instead of a run.")] = None,
) -> None:
    """Export a model to ONNX: from uint8 images of one size to boxes, maps of classes, or class scores.

    zorki export runs/fcos_squeezenet-1 --out model.onnx --height 240 --width 320
    """
    from zorki.contracts.capabilities import Exportable, Precomputes
    from zorki.engine.export import check_exportable, export_onnx
    from zorki.engine.run.open import open_run
    from zorki.errors import ZorkiError
    from zorki.files import new_output

    opened = open_run(run, weights)
    if isinstance(opened.model.preprocess, Precomputes) and not _takes_more_than_images(opened.model):
        raise ZorkiError(
            f"{run}: takes regions that are searched in each image beforehand, which no ONNX file can do. "
            "Export a network that takes pixels alone, such as ssd, retinanet, fcos, yolo1, yolo3 or detr"
        )
    check_exportable(opened.model)
    if height is None and width is None:
        height, width = _own_size(opened.model.preprocess)
    rows, columns = (int(one if one is not None else other or 0) for one, other in ((height, width), (width, height)))
    if out is None:
        with new_output(None, "export") as folder:
            path = export_onnx(opened.model, folder / "model.onnx", rows, columns, opened.info)
    else:
        path = export_onnx(opened.model, out, rows, columns, opened.info)
    assert isinstance(opened.model, Exportable)  # or it was refused
    graph = opened.model.export_graph(rows, columns)
    taken = "; ".join(
        f'"{name}", {str(one.dtype).split(".")[1]} {_shape(one.shape, graph.any_size)}'
        for name, one in graph.inputs.items()
    )
    say(f"{path}: {path.stat().st_size / 1e6:.1f} MB; takes {taken}")


def _takes_more_than_images(model: Model[Any, Any, Any]) -> bool:
    """Whether the graph has an input for what is worked out of images beforehand, such as optical flow."""
    from zorki.contracts.capabilities import Exportable

    size = model.preprocess.size
    return isinstance(model, Exportable) and len(model.export_graph(size, size).inputs) > 1


def _shape(shape: Sequence[int], any_size: bool) -> str:
    sizes = [*map(str, shape[:-2]), "height", "width"] if any_size else map(str, shape)
    return f"({', '.join(sizes)})"


def _own_size(preprocess: Preprocess) -> tuple[int, int]:
    """What a square image of the network's own scale becomes: height and width."""
    import torch

    inputs, _ = preprocess([torch.zeros((3, 64, 64), dtype=torch.uint8)])
    images = inputs if isinstance(inputs, torch.Tensor) else inputs.images
    return int(images.shape[-2]), int(images.shape[-1])
