"""Objects followed through a video into files: the video with boxes drawn, a table, and text files of benchmarks."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zorki.engine.prediction.video import VideoWriter
from zorki.engine.run.open import RunLike, TrainedModel, open_run
from zorki.engine.video_tracks.follow import detected_boxes, follow, rate_of, until_error
from zorki.engine.video_tracks.prompts import parse_boxes
from zorki.engine.video_tracks.track_files import check_formats, text_paths, track_writer
from zorki.errors import RecipeError
from zorki.files import new_output
from zorki.types.arrays import array_of

TELL_SECONDS = 5.0  # between words on how far it is


@dataclass(frozen=True)
class TrackedVideo:
    """What was written.

    Attributes:
        frames: how many.
        seconds: that they took, drawing and files counted.
        paths: of the drawn video, where there is one, of the table, and of the text files.
        error: that ended it, where it is not whole.
    """

    frames: int
    seconds: float
    paths: tuple[Path, ...]
    error: BaseException | None = None


def track_to_files(
    run: RunLike,
    source: Any,
    boxes: Sequence[str] = (),
    *,
    boxes_from: RunLike | None = None,
    out: Path | None = None,
    formats: Sequence[str] = (),
    say: Callable[[str], None],
    weights: str | Path | None = None,
    options: Mapping[str, str] | None = None,
    fps: float = 25.0,
    max_frames: int | None = None,
    **settings: Any,
) -> TrackedVideo:
    """Follows objects, and writes what becomes of them as it comes; a video that breaks off leaves what was followed.

    Args:
        boxes: as they are typed, see `parse_boxes`; or those of the detector `boxes_from`.
        out: the video, or a table alone (.csv); None: both in runs/track-1, or the next that is free.
        formats: of text files beside it.
        settings: of `follow`.

    Raises:
        ZorkiError: as `follow` before the first frame, or a file cannot be written, or is there already.
    """
    if not 0 < fps < math.inf:
        raise RecipeError(f"fps is {fps:g}; expected a number above 0")
    if max_frames is not None and max_frames < 1:
        raise RecipeError(f"max_frames is {max_frames}; expected at least 1")
    check_formats(formats)
    prompts = parse_boxes(boxes)
    if boxes_from is not None:
        prompts = {0: detected_boxes(boxes_from, source, device=settings.get("device"), fps=fps)}
        say(f"objects that were found in the first frame: {len(prompts[0])}")
    opened = run if isinstance(run, TrainedModel) else open_run(run, weights, options=options)
    objects = max((len(one) for one in prompts.values()), default=0)
    errors: list[BaseException] = []
    began, reported, count, followed = time.monotonic(), time.monotonic(), 0, 0
    with ExitStack() as stack:
        if out is None:
            folder = stack.enter_context(new_output(None, "track"))
            drawn, table = [folder / "tracked.mp4"], folder / "tracks.csv"
        else:
            drawn, table = [] if out.suffix == ".csv" else [out], out.with_suffix(".csv")
        texts = text_paths(table, formats, objects)
        paths = [*drawn, table, *(path for own in texts.values() for path in own)]
        check_free(paths)
        write = stack.enter_context(track_writer(table, texts))
        videos = [stack.enter_context(VideoWriter(path, rate_of(source, fps))) for path in drawn]
        frames = follow(opened, source, prompts, fps=fps, max_frames=max_frames, **settings)
        for frame in until_error(frames, errors):
            count += 1
            followed += len(frame.boxes) > 0
            write(frame)
            for video in videos:
                image = opened.task.presentation.draw(array_of(frame.image), frame.boxes, opened.info)
                video.write(image, frame.seconds)
            if time.monotonic() - reported > TELL_SECONDS:
                reported = time.monotonic()
                say(f"frame {frame.number} ({frame.seconds:.1f} s): {count / (reported - began):.3g} frames/s")
        if not followed and errors:
            raise errors[0]
    return TrackedVideo(count, time.monotonic() - began, tuple(paths), errors[0] if errors else None)


def check_free(paths: Sequence[Path]) -> None:
    """Raises RecipeError where a file is there already."""
    if there := next((path for path in paths if path.exists()), None):
        raise RecipeError(f"{there}: is there already, and nothing is written over anything; name another --out")
