"""ByteTrack: every detection box goes on a track, the sure ones first (Zhang et al., 2022).

From frame to frame, what a tracker knows is a value: `start` gives the first, `step` takes it with the detections of a
frame and gives the next; its size depends on how many objects are followed, not on how long.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
from numpy import ndarray

from zorki.errors import RecipeError
from zorki.tracks.assignment import APART, assign
from zorki.tracks.motion import (
    Motion,
    join_motions,
    predict_motion,
    start_motion,
    stop_growth,
    surprise,
    to_measured,
    update_motion,
)
from zorki.tracks.overlap import box_iou

if TYPE_CHECKING:  # takes longer to load than an exported file to answer
    from jaxtyping import Bool, Float64, Int64

NO_ID = 0
"""In the place of an id: the detection is on no track, or on one that is still to be confirmed."""

_GATE = 9.4877  # 95 % of a chi-squared distribution with 4 degrees of freedom (Wojke et al., 2017, section 2.2)
_NEAR = 3.0  # heights, within which a place is possible however sure the filter is of another
_MEMORY = 0.9  # share of the old appearance after each sight (Aharon et al., 2022, equation 9)


@dataclass(frozen=True)
class TrackerSettings:
    """Thresholds of `ByteTracker`; the defaults are those of the paper and its code.

    Attributes:
        high_score: detections that score so much are associated first, and alone begin tracks. In `zorki predict` the
            score from which the run shows boxes, or `--conf`.
        low_score: those that score less are left out; between the two they can only go on with tracks.
        min_iou: of a sure detection and where a track is expected.
        min_iou_low: of one that is not sure.
        min_iou_new: of a second detection that confirms a track.
        max_jump: of a sure detection from where a track is expected, in heights of the larger box, where neither has
            found another: behind an occluder a box shrinks, and its center stays behind. 0 as in the paper.
        duplicate_iou: of a track and a lost one that are taken for the same; the younger one ends.
        max_lost: seconds that a track is kept without a detection.
        match_classes: a track goes on with detections of its own class alone.
        max_cosine_distance: of appearances, where these are compared: (1 - cosine) / 2, 0..1.
    """

    high_score: float = 0.5
    low_score: float = 0.1
    min_iou: float = 0.2
    min_iou_low: float = 0.5
    min_iou_new: float = 0.3
    max_jump: float = 1.0
    duplicate_iou: float = 0.85
    max_lost: float = 1.0
    match_classes: bool = True
    max_cosine_distance: float = 0.25

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name in ("max_lost", "max_jump"):
                if not 0 <= value < float("inf"):
                    unit = "seconds" if name == "max_lost" else "heights"
                    raise RecipeError(f"tracker's {name} is {value}; expected {unit}, 0 or more")
            elif not 0 <= value <= 1:
                raise RecipeError(f"tracker's {name} is {value}; expected 0 to 1")
        if self.low_score > self.high_score:
            raise RecipeError(
                f"tracker's low_score is {self.low_score}, above its high_score {self.high_score}; expected less"
            )


@dataclass(frozen=True)
class Detections:
    """What a detector says of one frame.

    `appearance` has unit vectors, where appearances are compared; rows of NaN are not known.
    """

    xyxy: Float64[ndarray, "N 4"]
    scores: Float64[ndarray, " N"]
    labels: Int64[ndarray, " N"]
    appearance: Float64[ndarray, "N D"] | None = None


@dataclass(frozen=True)
class TrackRows:
    """What is followed: columns of one length.

    Attributes:
        ids: from 1 on; `NO_ID` until a second detection confirms a track.
        labels: of the class.
        begun, seen: seconds of the first and of the last detection.
        lost: whether the last frame had none.
        appearance: unit vectors; of width 0 where appearances are not compared.
    """

    motion: Motion
    ids: Int64[ndarray, " N"]
    labels: Int64[ndarray, " N"]
    begun: Float64[ndarray, " N"]
    seen: Float64[ndarray, " N"]
    lost: Bool[ndarray, " N"]
    appearance: Float64[ndarray, "N D"]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: ndarray) -> TrackRows:
        """Rows by a mask or an index."""
        return TrackRows(*(getattr(self, field.name)[rows] for field in fields(self)))


@dataclass(frozen=True)
class TrackerState:
    """What is known after a frame; `seconds` is its time, None before the first."""

    tracks: TrackRows
    next_id: int = 1
    seconds: float | None = None

    @property
    def ids(self) -> Int64[ndarray, " N"]:
        """Of the objects that are followed, seen or lost."""
        return self.tracks.ids[self.tracks.ids != NO_ID]


class ByteTracker:
    """Gives ids to detections, frame by frame.

        state = tracker.start()
        for seconds, detections in film:
            state, ids = tracker.step(state, detections, seconds)

    As in the paper, sure detections are matched with all tracks, then the others with tracks that were just seen, by
    the IoU with where a Kalman filter expects them. From its code: a new track is confirmed by a second detection in
    the next frame, in the first frame at once; of a track and a lost one that coincide the younger ends. Here the
    filter moves by time stamps, classes are kept apart, the boxes of a track are the detector's own, and what begins a
    track in the paper first goes on with a free one that was expected within `max_jump` of it.

    With `Detections.appearance`, a sure detection may also be matched by what it looks like, where the filter does not
    exclude that it is there (Wojke et al., 2017, equations 1 to 3), or it lies near: the cost is the smaller of the two
    distances (Aharon et al., 2022, equation 13). Who looks otherwise does not jump.

    Args:
        frame_seconds: of one frame, in which the filter's noise is told.
    """

    def __init__(self, settings: TrackerSettings | None = None, frame_seconds: float = 1 / 25) -> None:
        self.settings = settings or TrackerSettings()
        self.frame_seconds = frame_seconds

    def start(self) -> TrackerState:
        """Before the first frame."""
        return TrackerState(_begin(Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, dtype=np.int64)), 0.0, 0))

    def step(
        self, state: TrackerState, detections: Detections, seconds: float
    ) -> tuple[TrackerState, Int64[ndarray, " N"]]:
        """The state after a frame at that time, and the id of each detection, `NO_ID` where it has none."""
        settings, tracks = self.settings, self._moved(state, seconds)
        high = detections.scores >= settings.high_score
        low = (detections.scores >= settings.low_score) & ~high
        matching = _Matching(tracks, detections, settings)
        confirmed = tracks.ids != NO_ID
        matching.match(confirmed, high, settings.min_iou, by_appearance=True)
        matching.match(confirmed & ~tracks.lost, low, settings.min_iou_low)
        matching.recover(confirmed, high)
        matching.match(~confirmed, high, settings.min_iou_new, by_appearance=True)
        followed, next_id = _followed(tracks, detections, matching.track, seconds, state.next_id)
        fresh = (matching.track < 0) & high
        first = state.seconds is None
        ids = np.arange(next_id, next_id + fresh.sum()) if first else NO_ID
        next_id += int(fresh.sum()) if first else 0
        parts = [followed, _begin(_rows(detections, fresh), seconds, ids)]
        every = self._kept(_join(parts), seconds)
        given = np.full(len(detections.scores), NO_ID, dtype=np.int64)
        given[matching.track >= 0] = followed.ids[matching.track[matching.track >= 0]]
        given[fresh] = ids
        return TrackerState(every, next_id, seconds), given

    def _moved(self, state: TrackerState, seconds: float) -> TrackRows:
        if state.seconds is None:
            return state.tracks
        passed = (seconds - state.seconds) / self.frame_seconds
        frames = passed if passed > 0 else 1.0  # time stamps that stand still or go back
        motion = predict_motion(stop_growth(state.tracks.motion, state.tracks.lost), frames)
        return dataclasses.replace(state.tracks, motion=motion)

    def _kept(self, tracks: TrackRows, seconds: float) -> TrackRows:
        """Without those that are lost for too long, that were never confirmed, or that are there twice."""
        unconfirmed = tracks.lost & (tracks.ids == NO_ID)
        tracks = tracks[~unconfirmed & (seconds - tracks.seen <= self.settings.max_lost + 1e-9)]
        confirmed = tracks.ids != NO_ID
        seen, lost = (np.flatnonzero(confirmed & mask) for mask in (~tracks.lost, tracks.lost))
        boxes = tracks.motion.xyxy
        same = box_iou(boxes[seen], boxes[lost]) > self.settings.duplicate_iou
        if self.settings.match_classes:
            same &= tracks.labels[seen][:, None] == tracks.labels[lost][None]
        kept = np.ones(len(tracks), dtype=bool)
        lives = tracks.seen - tracks.begun
        for row, column in np.argwhere(same):
            older = lives[seen[row]] > lives[lost[column]]
            kept[lost[column] if older else seen[row]] = False
        return tracks[kept]


class _Matching:
    """Who goes on with whom in one frame; filled pass by pass."""

    def __init__(self, tracks: TrackRows, detections: Detections, settings: TrackerSettings) -> None:
        self.track = np.full(len(detections.scores), -1, dtype=np.int64)  # of each detection
        self._free = np.ones(len(tracks), dtype=bool)
        self._tracks, self._detections, self._settings = tracks, detections, settings
        self._cost = 1 - box_iou(tracks.motion.xyxy, detections.xyxy)
        if settings.match_classes:
            self._cost[tracks.labels[:, None] != detections.labels[None]] = APART

    def match(self, which: ndarray, detections: ndarray, min_iou: float, *, by_appearance: bool = False) -> None:
        """Pairs those tracks and detections that are still free."""
        rows = np.flatnonzero(which & self._free)
        columns = np.flatnonzero(detections & (self.track < 0))
        cost = self._cost[np.ix_(rows, columns)]
        if by_appearance:
            cost = np.minimum(cost, self._appearance_cost(rows, columns))
        self._pair(rows, columns, cost, 1 - min_iou)

    def recover(self, which: ndarray, detections: ndarray) -> None:
        """Pairs those that are still free by the distance of their centers, nearest first in sum."""
        rows = np.flatnonzero(which & self._free)
        columns = np.flatnonzero(detections & (self.track < 0))
        jump = self._jumps(rows, columns)
        looks = self._looks(rows, columns)
        if looks is not None:
            jump[looks > self._settings.max_cosine_distance] = APART
        jump[self._cost[np.ix_(rows, columns)] == APART] = APART
        self._pair(rows, columns, jump, self._settings.max_jump)

    def _pair(self, rows: ndarray, columns: ndarray, cost: ndarray, limit: float) -> None:
        first, second = assign(cost, limit)
        self.track[columns[second]] = rows[first]
        self._free[rows[first]] = False

    def _jumps(self, rows: ndarray, columns: ndarray) -> Float64[ndarray, "N M"]:
        """From where each track is expected to each detection, in heights of the larger box."""
        place, seen = self._tracks.motion.place[rows], to_measured(self._detections.xyxy[columns])
        moved = place[:, None] - seen[None]
        return np.hypot(moved[..., 0], moved[..., 1]) / np.maximum(place[:, None, 3], seen[None, :, 3])

    def _looks(self, rows: ndarray, columns: ndarray) -> Float64[ndarray, "N M"] | None:
        """Half the cosine distance of appearances, NaN where one is not known; None where they are not compared."""
        appearances, ours = self._detections.appearance, self._tracks.appearance[rows]
        if appearances is None or ours.shape[1] != appearances.shape[1]:
            return None
        return (1 - ours @ appearances[columns].T) / 2

    def _appearance_cost(self, rows: ndarray, columns: ndarray) -> Float64[ndarray, "N M"]:
        """What they look like, where it is near enough and the motion allows it."""
        looks = self._looks(rows, columns)
        if looks is None:
            return np.full((len(rows), len(columns)), APART)
        unlikely = surprise(self._tracks.motion[rows], to_measured(self._detections.xyxy[columns])) > _GATE
        far = unlikely & (self._jumps(rows, columns) > _NEAR)
        other = self._cost[np.ix_(rows, columns)] == APART
        return np.where(far | other | ~(looks <= self._settings.max_cosine_distance), APART, looks)


def _followed(
    tracks: TrackRows, detections: Detections, matched: Int64[ndarray, " N"], seconds: float, next_id: int
) -> tuple[TrackRows, int]:
    """The tracks after their detections, in their order, and the id that is free after these."""
    columns = np.flatnonzero(matched >= 0)
    rows = matched[columns]
    updated = update_motion(tracks.motion[rows], to_measured(detections.xyxy[columns]))
    motion = Motion(*(getattr(tracks.motion, field.name).copy() for field in fields(Motion)))
    for field in fields(Motion):
        getattr(motion, field.name)[rows] = getattr(updated, field.name)
    ids, labels, seen = tracks.ids.copy(), tracks.labels.copy(), tracks.seen.copy()
    fresh = rows[ids[rows] == NO_ID]
    ids[fresh] = np.arange(next_id, next_id + len(fresh))
    labels[rows], seen[rows] = detections.labels[columns], seconds
    lost = np.ones(len(tracks), dtype=bool)
    lost[rows] = False
    appearance = _remembered(tracks.appearance, rows, detections.appearance, columns)
    return TrackRows(motion, ids, labels, tracks.begun, seen, lost, appearance), next_id + len(fresh)


def _remembered(
    appearance: Float64[ndarray, "N D"], rows: ndarray, appearances: Float64[ndarray, "M D"] | None, columns: ndarray
) -> Float64[ndarray, "N D"]:
    """Moving means of what tracks look like, of unit length."""
    if appearances is None or appearance.shape[1] != appearances.shape[1]:
        return appearance
    has_one = ~np.isnan(appearances[columns]).any(1)
    rows, new, mixed = rows[has_one], appearances[columns[has_one]], appearance.copy()
    old = np.where(np.isnan(mixed[rows]), new, mixed[rows])
    joined = _MEMORY * old + (1 - _MEMORY) * new
    mixed[rows] = joined / np.maximum(np.linalg.norm(joined, axis=1, keepdims=True), 1e-12)
    return mixed


def _begin(detections: Detections, seconds: float, ids: Int64[ndarray, " N"] | int) -> TrackRows:
    count = len(detections.scores)
    appearance = np.zeros((count, 0)) if detections.appearance is None else detections.appearance
    return TrackRows(
        start_motion(to_measured(detections.xyxy)),
        np.broadcast_to(np.asarray(ids, dtype=np.int64), (count,)),
        detections.labels,
        np.full(count, seconds),
        np.full(count, seconds),
        np.zeros(count, dtype=bool),
        appearance,
    )


def _rows(detections: Detections, which: ndarray) -> Detections:
    appearances = detections.appearance
    return Detections(
        detections.xyxy[which],
        detections.scores[which],
        detections.labels[which],
        None if appearances is None else appearances[which],
    )


def _join(parts: list[TrackRows]) -> TrackRows:
    parts = [part for part in parts if len(part)] or parts[-1:]
    columns = [field.name for field in fields(TrackRows) if field.name != "motion"]
    joined = [np.concatenate([getattr(part, name) for part in parts]) for name in columns]
    return TrackRows(join_motions([part.motion for part in parts]), *joined)
