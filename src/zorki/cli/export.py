"""`zorki export`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from zorki.output import say

if TYPE_CHECKING:
    from zorki.contracts import Preprocess


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
    from zorki.engine.export.description import about_run
    from zorki.engine.export.onnx_file import check_exportable, export_onnx, free_axes, graphs_of, part_path
    from zorki.engine.run.open import open_run
    from zorki.files import new_output

    opened = open_run(run, weights)
    check_exportable(opened.model)
    if height is None and width is None:
        height, width = _own_size(opened.model.preprocess)
    rows, columns = (int(one if one is not None else other or 0) for one, other in ((height, width), (width, height)))
    about = about_run(opened)
    if out is None:
        with new_output(None, "export") as folder:
            path = export_onnx(opened.model, folder / "model.onnx", rows, columns, opened.info, about)
    else:
        path = export_onnx(opened.model, out, rows, columns, opened.info, about)
    for part, graph in graphs_of(opened.model, rows, columns).items():
        file = part_path(path, part)
        taken = "; ".join(
            f'"{name}", {str(one.dtype).split(".")[1]} {_shape(one.shape, axes)}'
            for (name, one), axes in zip(graph.inputs.items(), free_axes(graph), strict=True)
        )
        say(f"{file}: {file.stat().st_size / 1e6:.1f} MB; takes {taken}")


def _shape(shape: Sequence[int], axes: Mapping[int, str]) -> str:
    return f"({', '.join(axes.get(place, str(size)) for place, size in enumerate(shape))})"


def _own_size(preprocess: Preprocess) -> tuple[int, int]:
    """What a square image of the network's own scale becomes: height and width."""
    import torch

    inputs, _ = preprocess([torch.zeros((3, 64, 64), dtype=torch.uint8)])
    images = inputs if isinstance(inputs, torch.Tensor) else inputs.images
    return int(images.shape[-2]), int(images.shape[-1])
