"""`zorki predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from zorki.cli.flags.prediction import Classes, Conf, Iou, MaxDet, Options, Overlap, Tile
from zorki.errors import RecipeError
from zorki.output import say

PRINTED_RESULTS = 20  # results that are printed one by one


def predict(
    run: Annotated[str, Parameter(help="A run's folder; or a model's name, with --weights.")],
    *sources: Annotated[
        str,
        Parameter(help="Files, folders, globs, URLs of images and videos, a camera's number, rtsp://..."),
    ],
    conf: Conf = None,
    iou: Iou = None,
    max_det: MaxDet = None,
    classes: Classes = None,
    out: Annotated[
        Path | None,
        Parameter(help="New folder for annotated images and predictions.json; empty: runs/predict-1, -2, ..."),
    ] = None,
    weights: Annotated[str | None, Parameter(help="Weights, where a model is named instead of a run.")] = None,
    batch_size: Annotated[
        int | None, Parameter(help="Batch size in images, 16; for cameras 1; with --tile in tiles, 4.")
    ] = None,
    device: Annotated[
        str | None, Parameter(help="cpu, cuda, cuda:1 (or 1), mps; empty: the fastest available.")
    ] = None,
    strict: Annotated[bool, Parameter(help="Stop at the first broken image.", negative="")] = False,
    max_frames: Annotated[
        int | None, Parameter(help="Maximum number of frames of each video or camera; empty: all, until Ctrl-C.")
    ] = None,
    tile: Tile = None,
    overlap: Overlap = None,
    options: Options = None,
) -> None:
    """Run inference on images, folders, URLs, videos and cameras.

    zorki predict runs/lenet5-1 cat.jpg --out predictions
    zorki predict runs/fcos_squeezenet-1 street.jpg --conf 0.5 --classes person,car
    zorki predict runs/lenet5-1 'photos/*.jpg' film.mp4 https://example.org/dog.jpg
    zorki predict runs/fcos_squeezenet-1 0
    zorki predict runs/fcos_squeezenet-1 rtsp://10.0.0.7/live --max-frames 1000
    zorki predict runs/unet_resnet18-1 huge.tif --tile 512 --overlap 64
    zorki predict runs/mask_rcnn_squeezenet_fpn-1 cells.png --options.image_size 832 --options.max_boxes 400
    """
    from zorki.engine.prediction.predict import predict as stream

    if not sources:
        raise RecipeError("expected at least one source, such as: zorki predict runs/lenet5-1 cat.jpg")
    results = stream(
        [run],
        list(sources),
        stream=True,
        conf=conf,
        iou=iou,
        max_det=max_det,
        classes=classes,
        out=True if out is None else out,
        weights=weights,
        batch_size=batch_size,
        device=device,
        strict=strict,
        max_frames=max_frames,
        tile=tile,
        overlap=overlap,
        options=options,
    )
    for count, result in enumerate(results):
        if count < PRINTED_RESULTS:
            frame = "" if result.frame is None else f" frame {result.frame}"
            say(f"{result.path}{frame}: {result.caption}")
        elif count == PRINTED_RESULTS:
            say("...")
