"""Objects followed through a video into files: the video with boxes drawn, a table, and text files of benchmarks."""

from __future__ import annotations

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
from zorki.engine.video_tracks.track_files import check_formats, track_writer
from zorki.errors import RecipeError
from zorki.files import output_folder
from zorki.types.arrays import array_of

TELL_SECONDS = 5.0  # between words on how far it is


@dataclass(frozen=True)
class TrackedVideo:
    """What was written.

    Attributes:
        frames: how many.
        seconds: that they took, drawing and files counted.
        paths: of the drawn video, where there is one, and of the table.
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
    if fps <= 0 or (max_frames is not None and max_frames < 1):
        raise RecipeError(f"fps is {fps:g} and max_frames {max_frames}; expected both above 0")
    check_formats(formats)
    prompts = parse_boxes(boxes)
    if boxes_from is not None:
        prompts = {0: detected_boxes(boxes_from, source, device=settings.get("device"), fps=fps)}
    opened = run if isinstance(run, TrainedModel) else open_run(run, weights, options=options)
    table, drawn = _outputs(out, formats)
    errors: list[BaseException] = []
    began, reported, count = time.monotonic(), time.monotonic(), 0
    with ExitStack() as stack:
        texts = {name: table.with_name(f"{table.stem}-{name}.txt") for name in formats}
        objects = max((len(one) for one in prompts.values()), default=0)
        write = stack.enter_context(track_writer(table, texts, objects))
        video = None if drawn is None else stack.enter_context(VideoWriter(drawn, rate_of(source, fps)))
        frames = follow(opened, source, prompts, fps=fps, max_frames=max_frames, **settings)
        for frame in until_error(frames, errors):
            count += 1
            write(frame)
            if video is not None:
                image = opened.task.presentation.draw(array_of(frame.image), frame.boxes, opened.info)
                video.write(image, frame.seconds)
            if time.monotonic() - reported > TELL_SECONDS:
                reported = time.monotonic()
                say(f"frame {frame.number} ({frame.seconds:.1f} s): {count / (reported - began):.1f} frames/s")
        if not count and errors:
            raise errors[0]
    paths = tuple(path for path in (drawn, table) if path is not None)
    return TrackedVideo(count, time.monotonic() - began, paths, errors[0] if errors else None)


def _outputs(out: Path | None, formats: Sequence[str]) -> tuple[Path, Path | None]:
    """Where the table and the drawn video come to lie."""
    if out is None:
        folder = output_folder(None, "track")
        return folder / "tracks.csv", folder / "tracked.mp4"
    paths = [out, out.with_suffix(".csv"), *(out.with_name(f"{out.stem}-{name}.txt") for name in formats)]
    if there := next((path for path in paths if path.exists()), None):
        raise RecipeError(f"{there}: is there already, and nothing is written over anything; name another --out")
    return out.with_suffix(".csv"), None if out.suffix == ".csv" else out
