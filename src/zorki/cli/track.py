"""`zorki track`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from zorki.cli.flags.machine import Device
from zorki.cli.flags.prediction import Options
from zorki.errors import RecipeError
from zorki.output import say

Box = Annotated[
    list[str] | None,
    Parameter(
        help="x,y,width,height of an object in the first frame, in pixels; FRAME:x,y,width,height begins anew there. "
        "Several boxes in a frame are several objects.",
        allow_leading_hyphen=True,
    ),
]
Text = Annotated[
    str | None, Parameter(help="Text files of benchmarks beside it, by commas: otb, got10k, vot, mot.", name="--text")
]


def track(
    run: Annotated[str, Parameter(help="A run's folder; or a model's name, with --weights.")],
    source: Annotated[str, Parameter(help="A video, a folder of frames, a camera's number, rtsp://...")],
    *,
    box: Box = None,
    boxes_from: Annotated[str | None, Parameter(help="A detector's run: its boxes in the first frame.")] = None,
    out: Annotated[
        Path | None,
        Parameter(help="Video with the boxes drawn, and .csv beside it; or a .csv alone; empty: in runs/track-1, ..."),
    ] = None,
    text: Text = None,
    weights: Annotated[str | None, Parameter(help="Weights, where a model is named instead of a run.")] = None,
    device: Device = None,
    precision: Annotated[
        Literal["32", "bf16"] | None, Parameter(help="Of the network; empty: bf16 where the device is quick at it.")
    ] = None,
    fps: Annotated[float, Parameter(help="Frames a second of a folder of images.")] = 25.0,
    max_frames: Annotated[int | None, Parameter(help="Maximum number of frames; empty: all, until Ctrl-C.")] = None,
    options: Options = None,
) -> None:
    """Follow objects through a video, given their boxes in a frame.

    zorki track runs/siamfc-1 film.mp4 --box 10,20,50,80 --out tracked.mp4
    zorki track runs/siamfc-1 frames/ --box 0:10,20,50,80 --box 120:14,20,50,80
    zorki track runs/siamfc-1 film.mp4 --boxes-from runs/fcos_squeezenet-1 --text otb,mot
    zorki track siamese_features_squeezenet film.mp4 --weights imagenet --box 10,20,50,80
    """
    from zorki.engine.track import track_to_files

    if box is not None and boxes_from is not None:
        raise RecipeError("--box and --boxes-from both tell the boxes of objects; leave one of them out")
    if box is None and boxes_from is None:
        raise RecipeError("expected the boxes of objects: --box x,y,width,height, or --boxes-from RUN")
    done = track_to_files(
        run,
        source,
        box or [],
        boxes_from=boxes_from,
        out=out,
        formats=[name.strip() for name in (text or "").split(",") if name.strip()],
        say=partial(say, flush=True),
        weights=weights,
        options=options,
        fps=fps,
        max_frames=max_frames,
        device=device,
        precision=precision,
    )
    rate = done.frames / max(done.seconds, 1e-9)
    kept = ", ".join(map(str, done.paths))
    say(f"{done.frames} frames at {rate:.3g} frames/s, drawing and files counted: {kept}")
    if done.error is not None:
        raise done.error
