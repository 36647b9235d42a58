"""Runs as files that other programs run: `zorki export`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zorki.contracts import Preprocess
from zorki.engine.export.description import about_run
from zorki.engine.export.onnx_file import check_exportable, export_onnx, free_axes, graphs_of, part_path
from zorki.engine.prediction.selection import Classes, select, selection_of
from zorki.engine.run.open import RunLike, open_all
from zorki.files import new_output
from zorki.output import say


def export(
    run: RunLike,
    *,
    out: str | Path | None = None,
    height: int | None = None,
    width: int | None = None,
    weights: str | Path | None = None,
    conf: float | None = None,
    iou: float | None = None,
    max_det: int | None = None,
    classes: Classes | None = None,
) -> Path:
    """Writes a run, or a model with weights, as an ONNX file, and returns its path; docs/export.md.

    Args:
        run: a run's folder, or a `Run`; or a model's name, with `weights`.
        out: of the file; None: model.onnx in the next free folder runs/export-N.
        height, width: of the input, in pixels; None: of what the network makes of a square image, or as the other.
        conf, iou, max_det, classes: thresholds that become part of the graph, as of `zorki.predict`.

    Raises:
        ZorkiError: no such run; packages are missing; it has no graph; or the file cannot be written.
    """
    (opened,) = open_all(run, weights)
    model = select(opened.model, selection_of(conf, iou, max_det, classes, opened.info.names))
    check_exportable(model)
    rows, columns = _size(model.preprocess, height, width)
    with _target(out) as path:
        written = export_onnx(model, path, rows, columns, opened.info, about_run(opened))
    for part, graph in graphs_of(model, rows, columns).items():
        file = part_path(path, part)
        taken = "; ".join(
            f'"{name}", {str(one.dtype).split(".")[1]} {_shape(one.shape, axes)}'
            for (name, one), axes in zip(graph.inputs.items(), free_axes(graph), strict=True)
        )
        say(f"{file}: {file.stat().st_size / 1e6:.1f} MB; takes {taken}")
    return written


@contextmanager
def _target(out: str | Path | None) -> Iterator[Path]:
    if out is not None:
        yield Path(out)
        return
    with new_output(None, "export") as folder:
        yield folder / "model.onnx"


def _shape(shape: Sequence[int], axes: Mapping[int, str]) -> str:
    return f"({', '.join(axes.get(place, str(size)) for place, size in enumerate(shape))})"


def _size(preprocess: Preprocess, height: int | None, width: int | None) -> tuple[int, int]:
    """Height and width: those asked for, one for both where the other is left out, else of a square image."""
    if height is None and width is None:
        return _own_size(preprocess)
    first: Any = height if height is not None else width
    return int(first), int(width if width is not None else first)


def _own_size(preprocess: Preprocess) -> tuple[int, int]:
    """What a square image of the network's own scale becomes: height and width."""
    import torch

    inputs, _ = preprocess([torch.zeros((3, 64, 64), dtype=torch.uint8)])
    images = inputs if isinstance(inputs, torch.Tensor) else inputs.images
    return int(images.shape[-2]), int(images.shape[-1])
