"""`zorki export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from zorki.cli.flags.prediction import Classes, Conf, Iou, MaxDet


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
    conf: Conf = None,
    iou: Iou = None,
    max_det: MaxDet = None,
    classes: Classes = None,
) -> None:
    """Export a model as a file for other programs: from uint8 images to predictions.

    zorki export runs/fcos_squeezenet-1 --out model.onnx --height 240 --width 320
    """
    from zorki.engine.export.export import export as export_run

    export_run(
        run, out=out, height=height, width=width, weights=weights, conf=conf, iou=iou, max_det=max_det, classes=classes
    )
