"""`zorki predict`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from zorki.cli.flags.machine import Device, Strict
from zorki.cli.flags.prediction import (
    BoxesFrom,
    Classes,
    Conf,
    CountLine,
    CountZone,
    Embed,
    Iou,
    MaxDet,
    Options,
    Overlap,
    Smooth,
    Tile,
    Track,
    Tracker,
)
from zorki.cli.flags.shards import Format, On, Resume, ShardSize, Workers, is_sharded, predict_into_shards
from zorki.errors import RecipeError
from zorki.output import say

PRINTED_RESULTS = 20  # results that are printed one by one


def predict(
    run: Annotated[
        str | None, Parameter(help="A run's folder; or a model's name, with --weights; or an exported file.")
    ] = None,
    *sources: Annotated[
        str,
        Parameter(help="Files, folders, globs, URLs of images and videos, a camera's number, rtsp://..."),
    ],
    conf: Conf = None,
    iou: Iou = None,
    max_det: MaxDet = None,
    classes: Classes = None,
    out: Annotated[
        str | None,
        Parameter(help="New folder for annotated images and predictions.json; empty: runs/predict-1, -2, ..."),
    ] = None,
    resume: Resume = None,
    format: Format = None,
    shard_size: ShardSize = None,
    on: On = "local",
    workers: Workers = None,
    to: Annotated[
        str | None,
        Parameter(help="Also write annotations for a labeling tool into --out: label_studio, coco, cvat, yolo, ..."),
    ] = None,
    weights: Annotated[str | None, Parameter(help="Weights, where a model is named instead of a run.")] = None,
    batch_size: Annotated[
        int | None, Parameter(help="Batch size in images, 16; for cameras 1; with --tile in tiles, 4.")
    ] = None,
    device: Device = None,
    strict: Strict = False,
    max_frames: Annotated[
        int | None, Parameter(help="Maximum number of frames of each video or camera; empty: all, until Ctrl-C.")
    ] = None,
    tile: Tile = None,
    overlap: Overlap = None,
    boxes_from: BoxesFrom = None,
    smooth: Smooth = None,
    track: Track = False,
    tracker: Tracker = None,
    embed: Embed = None,
    count_line: CountLine = None,
    count_zone: CountZone = None,
    timeline: Annotated[
        float | None,
        Parameter(
            help="Of long films: seconds from a window to the next; writes what is shown when, and nothing else."
        ),
    ] = None,
    window: Annotated[float | None, Parameter(help="Seconds of a window of --timeline; empty: twice its step.")] = None,
    smooth_seconds: Annotated[float, Parameter(help="Seconds over which --timeline averages scores.")] = 0.0,
    min_seconds: Annotated[float, Parameter(help="Seconds of a segment of --timeline, at least.")] = 0.0,
    options: Options = None,
) -> int | None:
    """Run inference on images, folders, URLs, videos and cameras.

    zorki predict runs/resnet18-1 cat.jpg --out predictions
    zorki predict runs/fcos_squeezenet-1 street.jpg --conf 0.5 --classes person,car
    zorki predict runs/resnet18-1 'photos/*.jpg' film.mp4 https://example.org/dog.jpg
    zorki predict model.onnx 'photos/*.jpg'
    zorki predict runs/fcos_squeezenet-1 0
    zorki predict runs/fcos_squeezenet-1 rtsp://10.0.0.7/live --max-frames 1000
    zorki predict runs/unet_resnet18-1 huge.tif --tile 512 --overlap 64
    zorki predict runs/mask_rcnn_squeezenet_fpn-1 cells.png --options.image_size 832 --options.max_boxes 400
    zorki predict runs/deep_pose_resnet18-1 street.jpg --boxes-from runs/fcos_squeezenet-1
    zorki predict runs/deep_pose_resnet18-1 film.mp4 --boxes-from runs/fcos_squeezenet-1 --smooth one-euro
    zorki predict runs/fcos_squeezenet-1 film.mp4 --track
    zorki predict runs/fcos_squeezenet-1 street.mp4 --track --count-line 0,400,1280,400 --classes car,bus
    zorki predict runs/c3d_bn-1 film.mp4 --timeline 1 --smooth-seconds 3 --min-seconds 2
    zorki predict runs/fcos_squeezenet-1 unlabeled/ --to label_studio --out drafts
    zorki predict --resume runs/predict-1
    zorki predict model.onnx photos/ --out shards --format jsonl --resume
    zorki predict model.onnx s3://bucket/photos --out s3://bucket/shards --resume
    """
    from zorki.engine.prediction.predict import predict as stream

    settings: dict[str, Any] = {
        "conf": conf, "iou": iou, "max_det": max_det, "classes": classes, "weights": weights,
        "max_frames": max_frames, "tile": tile, "overlap": overlap, "options": options,
        "boxes_from": None if boxes_from is None else str(boxes_from), "smooth": smooth,
        "track": tracker if track and tracker else track, "embed": None if embed is None else str(embed),
        "count_lines": count_line, "count_zones": count_zone,
    }  # fmt: skip
    if timeline is not None:
        if resume is not None or run is None or any(value for name, value in settings.items() if name != "weights"):
            raise RecipeError("--timeline takes a run and videos, --window, --smooth-seconds, --min-seconds and --out")
        _timelines(run, sources, timeline, window, smooth_seconds, min_seconds, out, weights, device)
        return None
    if tracker and not track:
        raise RecipeError("--tracker has the thresholds of --track: say --track as well")
    shards = {"format": format, "shard_size": shard_size}
    if on == "ray" or is_sharded([*sources, out], resume, shards):
        if strict or to is not None:
            raise RecipeError(f"{'--strict' if strict else '--to'} goes without shards; leave it or --format out")
        machine = {"batch_size": batch_size, "device": device, "on": on, "workers": workers}
        return predict_into_shards(run, sources, out, resume, settings, shards, machine)
    if workers is not None:
        raise RecipeError("--workers is of --on ray; leave it out")
    if resume is not None:
        given = ["RUN"] * (run is not None) + [
            f"--{name.replace('_', '-')}" for name, value in settings.items() if value
        ]
        if given or out is not None:
            raise RecipeError(f"--resume goes on as the prediction began; leave out {(given or ['--out'])[0]}")
        run, sources, settings = _begun(Path(str(resume)))
    if run is None or not sources:
        raise RecipeError("expected at least one source behind the run, such as: zorki predict runs/resnet18-1 cat.jpg")
    if to is not None:
        from zorki.engine.prediction.preannotations import annotation_format

        if resume is not None:
            raise RecipeError("--to with --resume: what was predicted before the stop would be missing; start anew")
        to = annotation_format(to)
    folder = str(resume) if resume is not None else True if out is None else out
    more: dict[str, Any] = {
        "out": folder,
        "resume": resume is not None,
        "batch_size": batch_size,
        "device": device,
        "strict": strict,
    }
    results = stream([run], list(sources), stream=True, **more, **settings)
    _print(results if to is None else _with_annotations(results, to))
    return None


def _with_annotations(results: Iterator[Any], to: str) -> Iterator[Any]:
    """The results, and at their end the file or folder of annotations, beside what is drawn."""
    from zorki.engine.prediction.preannotations import AnnotatedImage, write_annotations

    images, folder, info = [], None, None
    for result in results:
        if result.frame is not None:
            raise RecipeError(f"{result.path}: --to is for images, and this is a video; save its frames first")
        shown = result.shown()
        images.append(AnnotatedImage(Path(result.path), result.height, result.width, shown.annotation))
        folder, info = folder or result.drawn, result.info
        yield result
    if folder is None or info is None:
        return
    path, lost = write_annotations(images, info, to, Path(folder).parent)
    for line in lost:
        say(f"warning: {line}")
    say(f"annotations of {len(images)} images: {path}")


def _timelines(
    run: str,
    sources: tuple[str, ...],
    step: float,
    window: float | None,
    smooth: float,
    shortest: float,
    out: str | None,
    weights: str | None,
    device: str | None,
) -> None:
    from zorki.engine.timeline import timelines

    for found in timelines(
        run,
        sources,
        step=step,
        length=window,
        smooth=smooth,
        shortest=shortest,
        out=out,
        weights=weights,
        device=device,
    ):
        count = len(found.segments)
        say(f"{found.path}: {count} segment{'' if count == 1 else 's'} in {found.table}, .json and .png")


def _begun(folder: Path) -> tuple[str, tuple[str, ...], dict[str, Any]]:
    """Run, sources and settings of the prediction that was stopped in a folder."""
    from zorki.engine.prediction.journal import PART, read_command

    command = read_command(folder / PART)
    for name in ("folder", "sha256"):  # which are compared, not given
        command.pop(name, None)
    runs, sources = command.pop("runs"), command.pop("sources")
    return runs[0], tuple(sources), command


def _print(results: Any) -> None:
    try:
        for count, result in enumerate(results):
            if count < PRINTED_RESULTS:
                frame = "" if result.frame is None else f" frame {result.frame}"
                words = f": {result.caption}" if result.caption else ""  # an embedding has none
                say(f"{result.path}{frame}{words}")
            elif count == PRINTED_RESULTS:
                say("...")
    except KeyboardInterrupt as stop:  # while one was printed; else the results have ended by it, and raise it again
        results.throw(stop)
