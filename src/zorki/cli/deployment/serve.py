"""`zorki serve`."""

from __future__ import annotations

import os
from typing import Annotated

from cyclopts import Parameter

from zorki.cli.flags.machine import Device
from zorki.cli.flags.prediction import Classes, Conf, Iou, MaxDet


def serve(
    run: Annotated[str, Parameter(help="A run's folder; or a model's name, with --weights; or an exported file.")],
    *,
    host: Annotated[
        str, Parameter(help="Address to listen at; 0.0.0.0 opens the server to the network.")
    ] = "127.0.0.1",
    port: Annotated[int, Parameter(help="Port; 0: one that is free.")] = 8000,
    token: Annotated[
        str | None,
        Parameter(help="What requests have to bring as Authorization: Bearer; also from ZORKI_TOKEN, unseen by ps."),
    ] = None,
    conf: Conf = None,
    iou: Iou = None,
    max_det: MaxDet = None,
    classes: Classes = None,
    weights: Annotated[str | None, Parameter(help="Weights, where a model is named instead of a run.")] = None,
    device: Device = None,
    batch_size: Annotated[int, Parameter(help="Images that are predicted at once, at most.")] = 16,
    max_wait: Annotated[float, Parameter(help="Milliseconds that an image waits for others of its batch.")] = 5.0,
    max_queue: Annotated[int, Parameter(help="Images that wait at most; further requests get 503.")] = 128,
    max_bytes: Annotated[int, Parameter(help="Bytes of a request's body at most; larger ones get 413.")] = 32_000_000,
    max_pixels: Annotated[int, Parameter(help="Pixels of an image at most; larger ones get 413.")] = 50_000_000,
    timeout: Annotated[float, Parameter(help="Seconds until a prediction, at most; later ones get 504.")] = 30.0,
    allow_urls: Annotated[
        bool, Parameter(help="Fetch images from addresses that clients name, of the public web alone.", negative="")
    ] = False,
    label_studio: Annotated[
        str | None,
        Parameter(help="Address of a Label Studio whose uploads are fetched; its key from LABEL_STUDIO_API_KEY."),
    ] = None,
) -> None:
    """Serve a model over HTTP: predictions, a page to try it, metrics, Label Studio's ML backend.

    zorki serve runs/fcos_squeezenet-1
    zorki serve model.onnx --port 8080 --conf 0.3 --token secret
    zorki serve model.onnx --host 0.0.0.0 --label-studio http://localhost:8080
    """
    from zorki.engine.serving.limits import ServerLimits
    from zorki.engine.serving.serve import serve as run_server

    limits = ServerLimits(max_bytes, max_pixels, min(32, max(1, max_queue)), max_queue, timeout)
    run_server(
        run, host=host, port=port, token=token or os.environ.get("ZORKI_TOKEN"), limits=limits, batch_size=batch_size,
        max_wait=max_wait / 1000, allow_urls=allow_urls, label_studio=label_studio,
        label_studio_key=os.environ.get("LABEL_STUDIO_API_KEY"), weights=weights, conf=conf, iou=iou, max_det=max_det,
        classes=classes, device=device,
    )  # fmt: skip
