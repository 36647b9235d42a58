"""`zorki export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from zorki.cli.flags.prediction import Classes, Conf, Iou, MaxDet
from zorki.output import say


def export(
    run: Annotated[str, Parameter(help="A run's folder; or a model's name, with --weights.")],
    *,
    to: Annotated[
        str, Parameter(help="onnx; openvino; torch, a program of torch.export; int8, ONNX in 8 bits.")
    ] = "onnx",
    out: Annotated[
        Path | None,
        Parameter(help="File to write; empty: model.onnx (.xml, .pt2) in runs/export-1, -2, ..."),
    ] = None,
    height: Annotated[
        int | None, Parameter(help="Height of the input in pixels; empty: the model's own for square images.")
    ] = None,
    width: Annotated[int | None, Parameter(help="Width of the input in pixels; empty: as --height.")] = None,
    any_size: Annotated[
        bool,
        Parameter(negative="", help="Height and width are free, as in the run; the export takes a minute or more."),
    ] = False,
    weights: Annotated[str | None, Parameter(help="Weights, where a model is named instead of a run.")] = None,
    conf: Conf = None,
    iou: Iou = None,
    max_det: MaxDet = None,
    classes: Classes = None,
    data: Annotated[str | None, Parameter(help="Data on whose images outputs are compared; empty: the run's.")] = None,
    images: Annotated[int, Parameter(help="Images that are compared, of val or test; 0: none.")] = 32,
    allow_loss: Annotated[
        bool, Parameter(negative="", help="Keep an int8 file whose metric falls by more than a point.")
    ] = False,
) -> None:
    """Export a model as a file for other programs: from uint8 images to predictions.

    zorki export runs/fcos_squeezenet-1 --out model.onnx --height 240 --width 320
    """
    from zorki.engine.export.export import export as export_run
    from zorki.engine.export.parity import ParityError

    try:
        export_run(
            run, to=to, out=out, height=height, width=width, any_size=any_size, weights=weights, conf=conf, iou=iou,
            max_det=max_det, classes=classes, data=data, images=images, allow_loss=allow_loss,
        )  # fmt: skip
    except ParityError as error:
        say(f"error: {error}")
        raise SystemExit(1) from error
