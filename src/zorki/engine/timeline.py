"""Long films: which class is shown when, as a table, as Label Studio's timeline, and as a strip of frames."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zorki.data.images import MAX_PIXELS, write_image
from zorki.data.preprocess.resize_image import resize_image
from zorki.data.video.films import FrameFolder, Strip, VideoFile, open_film
from zorki.draw.images import caption
from zorki.engine.device import check_device, on_device
from zorki.engine.film_segments import (
    FilmSegment,
    label_studio_timeline,
    segments_of,
    smoothed,
    window_starts,
)
from zorki.engine.prediction.inference import predict_inputs
from zorki.engine.prediction.sources import expand
from zorki.engine.run.open import RunLike, open_all
from zorki.errors import DataError, RecipeError
from zorki.files import output_folder, whole, write_json
from zorki.types import ClassInfo, Label
from zorki.types.arrays import array_of, tensor_of

AT_ONCE = 8  # windows a step
SHOWN_SIDE, MOST_SHOWN = 160, 24  # pixels of a frame's height on the strip, and frames on it


@dataclass(frozen=True)
class Timeline:
    """A film's segments, and the files that tell of them."""

    path: Path
    segments: list[FilmSegment]
    table: Path
    label_studio: Path
    strip: Path


def timelines(
    run: RunLike,
    sources: Sequence[str],
    *,
    step: float,
    length: float | None = None,
    smooth: float = 0.0,
    shortest: float = 0.0,
    out: str | Path | None = None,
    weights: str | None = None,
    device: str | int | None = None,
) -> Iterator[Timeline]:
    """What each video shows when, written as NAME.csv, NAME.json (Label Studio) and NAME.png (a strip of frames).

    Args:
        step: seconds from a window to the next.
        length: seconds of a window; None: twice the step.
        smooth: seconds over which scores are averaged.
        shortest: seconds of a segment, at least.
        out: new folder; None: runs/predict-1, or the next that is free.

    Raises:
        ZorkiError: no such run or video, the run is not about films, or a number is none that can be.
    """
    for name, value in (("timeline", step), ("window", length)):
        if value is not None and not 0 < value < 1e6:
            raise RecipeError(f"{name} is {value} seconds; expected more than 0")
    (opened,) = open_all([run], weights)
    if opened.task.unit != "clip":
        raise RecipeError(f"timelines are of films, and {opened.task.name} is about {opened.task.unit}s; leave it out")
    device = check_device(device)
    model = on_device(opened.model, device).eval()
    found = expand(list(sources), films=True)
    folder = output_folder(out, "predict")
    length = 2 * step if length is None else length
    for source in found:
        if source.path is None or source.kind != "video":
            raise DataError(f"{source}: timelines are of videos in files")
        limit = opened.recipe.max_pixels or MAX_PIXELS
        film = open_film(source.path, max_pixels=limit)
        starts = window_starts(film.duration, length, step)
        scores: list[np.ndarray] = []  # type: ignore[type-arg]
        for first in range(0, len(starts), AT_ONCE):
            parts = [open_film(source.path, start, start + length, limit) for start in starts[first : first + AT_ONCE]]
            inputs, placements = model.preprocess(parts)  # type: ignore[arg-type]  # films for models of clips
            for label in predict_inputs(model, inputs, placements, device):
                assert isinstance(label, Label)
                assert label.scores is not None
                scores.append(label.scores.double().numpy())
        rows = smoothed(np.stack(scores), 1 + 2 * round(smooth / step / 2))
        segments = segments_of(rows, starts, length, film.duration, shortest=shortest)
        yield _write(folder / Path(source.name).stem, film, segments, opened.info)


def _write(stem: Path, film: VideoFile | FrameFolder | Strip, segments: list[FilmSegment], info: ClassInfo) -> Timeline:
    table, labels, strip = (stem.with_name(f"{stem.name}{suffix}") for suffix in (".csv", ".json", ".png"))
    table.parent.mkdir(parents=True, exist_ok=True)
    with whole(table) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("start", "end", "label", "score"))
        for one in segments:
            writer.writerow((f"{one.start:.3f}", f"{one.end:.3f}", info.names[one.label], f"{one.score:.4f}"))
    write_json(labels, [label_studio_timeline(segments, info.names, path=str(film.path), rate=film.rate)])
    write_image(strip, strip_of(film, segments, info))
    return Timeline(film.path, segments, table, labels, strip)


def strip_of(film: VideoFile | FrameFolder | Strip, segments: list[FilmSegment], info: ClassInfo) -> np.ndarray:  # type: ignore[type-arg]
    """The middle frame of each segment, side by side, with its class, times and score under it; the longest ones."""
    longest = sorted(segments, key=lambda one: one.start - one.end)[:MOST_SHOWN]
    shown = sorted(longest, key=lambda one: one.start)
    frames = film.at([(one.start + one.end) / 2 for one in shown])
    height, width = frames.shape[-2:]
    size = SHOWN_SIDE, max(1, round(width * SHOWN_SIDE / height))
    tiles = []
    for one, frame in zip(shown, frames, strict=True):
        text = f"{info.names[one.label]} {one.score:.0%}\n{one.start:.1f} to {one.end:.1f} s"
        tiles.append(caption(array_of(resize_image(tensor_of(frame), *size)), text))
    least = min(tile.shape[1] for tile in tiles)
    return np.concatenate([tile[:, :least] for tile in tiles], axis=2)
