"""`zorki track`."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from zorki.cli.flags.prediction import Options
from zorki.errors import RecipeError
from zorki.output import say

TELL_SECONDS = 5.0  # between lines that say how far it is

Box = Annotated[
    list[str] | None,
    Parameter(
        help="x,y,width,height of an object in the first frame, in pixels; FRAME:x,y,width,height begins anew there. "
        "Several boxes in a frame are several objects."
    ),
]
Texts = Annotated[
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
    text: Texts = None,
    weights: Annotated[str | None, Parameter(help="Weights, where a model is named instead of a run.")] = None,
    device: Annotated[
        str | None, Parameter(help="cpu, cuda, cuda:1 (or 1), mps; empty: the fastest available.")
    ] = None,
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
    from zorki.engine.prediction.video import VideoWriter
    from zorki.engine.run.open import open_run
    from zorki.engine.video_tracks.follow import detected_boxes, follow, rate_of, until_error
    from zorki.engine.video_tracks.prompts import parse_boxes
    from zorki.engine.video_tracks.track_files import check_formats, track_writer

    if (box is None) == (boxes_from is None):
        raise RecipeError("expected the boxes of objects: --box x,y,width,height, or --boxes-from RUN")
    if fps <= 0 or (max_frames is not None and max_frames < 1):
        raise RecipeError(f"fps is {fps:g} and max_frames {max_frames}; expected both above 0")
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    check_formats(names)
    prompts = parse_boxes(box or [])
    if boxes_from is not None:
        prompts = {0: detected_boxes(boxes_from, source, device=device, fps=fps)}
    opened = open_run(run, weights, options=options)
    target, drawn = _outputs(out, names)
    errors: list[BaseException] = []
    began, count = time.monotonic(), 0
    settings: dict[str, Any] = {"device": device, "precision": precision, "fps": fps, "max_frames": max_frames}
    with ExitStack() as stack:
        texts = {name: target.with_name(f"{target.stem}-{name}.txt") for name in names}
        objects = max(len(boxes) for boxes in prompts.values())
        write = stack.enter_context(track_writer(target, texts, objects))
        video = stack.enter_context(VideoWriter(drawn, rate_of(source, fps))) if drawn is not None else None
        told = began
        for frame in until_error(follow(opened, source, prompts, **settings), errors):
            count += 1
            write(frame)
            if video is not None:
                image = opened.task.presentation.draw(frame.image, frame.boxes, opened.info)
                video.write(image, frame.seconds)
            if time.monotonic() - told > TELL_SECONDS:
                told = time.monotonic()
                say(f"frame {frame.number} ({frame.seconds:.1f} s): {count / (told - began):.1f} frames/s", flush=True)
        if not count and errors:
            raise errors[0]
    spent = time.monotonic() - began
    kept = ", ".join(str(path) for path in (drawn, target) if path is not None)
    say(f"{count} frames at {count / max(spent, 1e-9):.1f} frames/s, drawing and files counted: {kept}")
    if errors:
        raise errors[0]


def _outputs(out: Path | None, names: list[str]) -> tuple[Path, Path | None]:
    """Where the table and the drawn video come to lie."""
    from zorki.files import output_folder

    if out is None:
        folder = output_folder(None, "track")
        return folder / "tracks.csv", folder / "tracked.mp4"
    paths = [out, out.with_suffix(".csv"), *(out.with_name(f"{out.stem}-{name}.txt") for name in names)]
    if there := next((path for path in paths if path.exists()), None):
        raise RecipeError(f"{there}: is there already, and nothing is written over anything; name another --out")
    return out.with_suffix(".csv"), None if out.suffix == ".csv" else out
