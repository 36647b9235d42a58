"""The objects of one video, followed from frame to frame: ids for predictions, tails and counts for drawings."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from zorki.draw.palette import color
from zorki.draw.tracks import counted_place, tails
from zorki.engine.prediction.tracks.files import TrackFiles
from zorki.engine.prediction.tracks.options import TrackOptions
from zorki.errors import RecipeError
from zorki.tracks.counting import Counts, Crossing
from zorki.tracks.tracker import NO_ID, ByteTracker, Detections
from zorki.types import Rows
from zorki.types.arrays import array_of, is_tensor, tensor_of

TAIL = 1.0  # seconds of the way that is drawn behind an object


class Follower:
    """Gives ids to the predictions of a video's frames, one after the other.

    Of a prediction those objects stay that are on a track, with their `identities`. What is remembered is bounded by
    how many objects are in sight.

    Args:
        frame_seconds: of a frame, at the rate that the video states.
        files: what is written; None: nothing.
    """

    def __init__(self, options: TrackOptions, frame_seconds: float, files: TrackFiles | None) -> None:
        self._options, self._files = options, files
        self._tracker = ByteTracker(options.settings, frame_seconds)
        self._state = self._tracker.start()
        self.counts: Counts = options.counter.start()
        self._first: float | None = None  # the time of the first frame
        self._ways: dict[int, deque[tuple[float, float, float]]] = {}

    def follow(self, prediction: Any, image: np.ndarray, frame: int, time: float) -> Any:
        """The objects of the next frame that are on a track.

        Args:
            time: in seconds, from any moment.

        Raises:
            RecipeError: the prediction holds no boxes, or the first frame lies beside a line or zone.
        """
        rows = _with_boxes(prediction)
        if self._first is None:
            self._first = time
            _check_places(self._options, *image.shape[-2:])
        seconds = time - self._first
        found = self._detections(rows, image)
        self._state, ids = self._tracker.step(self._state, found, seconds)
        kept = ids != NO_ID
        ids, xyxy, labels = ids[kept], found.xyxy[kept], found.labels[kept]
        self.counts, crossings = self._options.counter.step(self.counts, ids, xyxy, labels, self._state.ids)
        self._remember(ids, xyxy, seconds)
        self._write(frame, seconds, ids, xyxy, labels, found.scores[kept], crossings)
        if not is_tensor(dict(rows.columns())["xyxy"]):
            return dataclasses.replace(rows[kept], identities=ids)  # type: ignore[type-var]
        return dataclasses.replace(rows[tensor_of(kept)], identities=tensor_of(ids))  # type: ignore[type-var]

    def background(self, image: np.ndarray) -> np.ndarray:
        """The frame with tails and counts, on which the objects are to be drawn."""
        ways = [([(x, y) for _, x, y in way], color(identity)) for identity, way in self._ways.items()]
        drawn = tails(image, ways)
        for number, place in enumerate(self._options.counter.places):
            text = _totals(self.counts, number, None, closed=place.closed)
            drawn = counted_place(drawn, place.points, text, closed=place.closed)
        return drawn

    def summary(self) -> list[str]:
        """What was counted, a line a place: "line 1: 3 in, 2 out (car 2 in, 1 out; bus 1 in, 1 out)"."""
        lines = []
        for number, place in enumerate(self._options.counter.places):
            names = self._options.info.names
            parts = [
                f"{names[label]} {_totals(self.counts, number, label, closed=place.closed)}"
                for label in self.counts.labels(number)
            ]
            total = _totals(self.counts, number, None, closed=place.closed)
            lines.append(f"{self._name(number)}: {total}" + (f" ({'; '.join(parts)})" if parts else ""))
        return lines

    def _detections(self, rows: Rows, image: np.ndarray) -> Detections:
        columns = dict(rows.columns())
        count = len(rows)
        xyxy = array_of(columns["xyxy"]).astype(np.float64)
        scores = array_of(columns["scores"]).astype(np.float64) if "scores" in columns else np.ones(count)
        labels = array_of(columns["labels"]) if "labels" in columns else np.zeros(count, dtype=np.int64)
        embedder, appearance = self._options.embedder, None
        sure = scores >= self._options.settings.high_score
        if embedder is not None and sure.any():
            vectors = embedder(image, xyxy[sure])
            appearance = np.full((count, vectors.shape[1]), np.nan)
            appearance[sure] = vectors
        return Detections(xyxy, scores, labels.astype(np.int64), appearance)

    def _remember(self, ids: np.ndarray, xyxy: np.ndarray, seconds: float) -> None:
        followed = set(self._state.ids.tolist())
        self._ways = {identity: way for identity, way in self._ways.items() if identity in followed}
        for identity, (left, top, right, bottom) in zip(ids.tolist(), xyxy.tolist(), strict=True):
            way = self._ways.setdefault(identity, deque())
            way.append((seconds, (left + right) / 2, (top + bottom) / 2))
        for way in self._ways.values():
            while way and seconds - way[0][0] > TAIL:
                way.popleft()

    def _write(
        self,
        frame: int,
        seconds: float,
        ids: np.ndarray,
        xyxy: np.ndarray,
        labels: np.ndarray,
        scores: np.ndarray,
        crossings: Sequence[Crossing],
    ) -> None:
        if self._files is None:
            return
        names = self._options.info.names
        columns = (ids.tolist(), labels.tolist(), xyxy.tolist(), scores.tolist())
        for identity, label, box, score in zip(*columns, strict=True):
            self._files.box(frame, seconds, identity, names[label], box, score)
        for one in crossings:
            totals = [self.counts.total(one.place, way, one.label) for way in ("in", "out")]
            zone = self._options.counter.places[one.place].closed
            cells = [*totals, self.counts.inside(one.place, one.label) if zone else ""]
            name = self._name(one.place)
            self._files.crossing(frame, seconds, [name, names[one.label], one.identity, one.direction, *cells])
        self._files.flush()

    def _name(self, number: int) -> str:
        """Such as "line 1" or "zone 1": each kind is numbered for itself, as they were told."""
        places = self._options.counter.places
        closed = places[number].closed
        kind = sum(place.closed == closed for place in places[: number + 1])
        return f"{'zone' if closed else 'line'} {kind}"


def _totals(counts: Counts, place: int, label: int | None, *, closed: bool) -> str:
    inside = f", {counts.inside(place, label)} inside" if closed else ""
    return f"{counts.total(place, 'in', label)} in, {counts.total(place, 'out', label)} out{inside}"


def _with_boxes(prediction: Any) -> Rows:
    """The prediction, which has boxes. Raises RecipeError where it has none, or holds no ids."""
    fields = {field.name for field in dataclasses.fields(prediction)}
    if isinstance(prediction, Rows) and {"xyxy", "identities"} <= fields:
        if "xyxy" in dict(prediction.columns()):
            return prediction
        raise RecipeError(
            f"{type(prediction).__name__} come without boxes here, and tracks are of boxes; say where objects are with "
            "--boxes-from and a detector's run"
        )
    kind = type(prediction).__name__
    raise RecipeError(
        f"the run predicts a {kind}, and no objects with boxes, which tracks are made of; name a detector"
    )


def _check_places(options: TrackOptions, height: int, width: int) -> None:
    """Raises RecipeError where a line or zone lies beside the frame: its numbers are of another video."""
    for place in options.counter.places:
        xs, ys = zip(*place.points, strict=True)
        if max(xs) <= 0 or max(ys) <= 0 or min(xs) >= width or min(ys) >= height:
            text = ",".join(f"{value:g}" for point in place.points for value in point)
            raise RecipeError(
                f"{text} lies outside of the frames of {width} x {height} pixels; expected pixels of these"
            )
