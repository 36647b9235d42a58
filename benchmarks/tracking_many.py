"""ByteTrack's association: frames/s with many objects, and IDF1 where objects cross and hide.

    python benchmarks/tracking_many.py --objects 100
    python benchmarks/tracking_many.py --accuracy
    python benchmarks/tracking_many.py --crops FOLDER
    python benchmarks/tracking_many.py --accuracy --embed RUN

The speed is of `ByteTracker.step` alone, without a detector: objects walk at random in a large frame, a tenth of them
unseen in each frame. The accuracy is of four built-in clips of eight objects that walk both ways past a post, with the
boxes of what is seen of them: as they are, trembling, a fifth of them dropped, with one false box a frame, all of it.
Where boxes are dropped, no tracker that says where the detector's boxes are can reach the bound in the last column.
--crops writes other walkers than these, a folder each, on which a run of retrieval can learn how to tell walkers apart;
--embed compares looks by such a run, as `zorki predict --track --embed RUN` does.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from torch import Tensor

from zorki.data.images import write_image
from zorki.data.scenes.films.crossings import crossing_clip
from zorki.engine.prediction.tracks.options import AppearanceEmbedder
from zorki.metrics.tracks.many import TrackingScores, score_tracks
from zorki.metrics.tracks.sequence import SequenceOverlap, TrackTable, overlap_tracks
from zorki.tracks.tracker import ByteTracker, Detections, TrackerSettings
from zorki.types import TrackedBoxes

FRAMES, SIZE = 120, (90, 160)
SECOND = 1 / 25


def walkers(objects: int, frames: int) -> Iterator[Detections]:
    chance = np.random.default_rng(0)
    place, speed = chance.uniform(0, 2000, (objects, 2)), chance.normal(0, 3, (objects, 2))
    size = chance.uniform(30, 90, (objects, 2))
    for _ in range(frames):
        place = place + speed
        seen = chance.random(objects) > 0.1
        boxes = np.concatenate([place - size / 2, place + size / 2], 1) + chance.normal(0, 1, (objects, 4))
        scores = chance.uniform(0.2, 1.0, objects)
        yield Detections(boxes[seen], scores[seen], np.zeros(int(seen.sum()), dtype=np.int64))


def measure_speed(objects: int, frames: int = 300) -> None:
    tracker = ByteTracker(frame_seconds=SECOND)
    state, film = tracker.start(), list(walkers(objects, frames))
    times = []
    for number, detections in enumerate(film):
        started = time.perf_counter()
        state, _ = tracker.step(state, detections, number * SECOND)
        times.append(time.perf_counter() - started)
    median = float(np.median(times[10:]))
    print(f"{objects} objects: {1 / median:.0f} frames/s, {1000 * median:.2f} ms a frame (median of {frames})")


def seen(
    frames: Tensor,
    tracks: TrackedBoxes,
    *,
    noise: float,
    dropped: float,
    false: float,
    appearance: bool | AppearanceEmbedder,
) -> Iterator[tuple[Detections, np.ndarray]]:
    """The detections of each frame; noise is a share of the height, `false` boxes a frame.

    `appearance` are looks that tell all apart, or those of a network.
    """
    chance = np.random.default_rng(0)
    people = tracks.identities.unique().tolist()
    for frame in range(FRAMES):
        rows = (tracks.frames == frame).numpy() & (chance.random(len(tracks)) >= dropped)
        boxes = tracks.xyxy.double().numpy()[rows]
        boxes = boxes + chance.normal(0, 1, boxes.shape) * noise * (boxes[:, 3:] - boxes[:, 1:2])
        labels = tracks.labels.numpy()[rows]
        looks = np.eye(len(people) + 1)[[people.index(one) for one in tracks.identities[rows].tolist()]]
        count = chance.poisson(false)
        middle, side = chance.uniform(0, 1, (count, 2)) * SIZE[::-1], chance.uniform(10, 20, (count, 2))
        boxes = np.concatenate([boxes, np.concatenate([middle - side / 2, middle + side / 2], 1)])
        labels = np.concatenate([labels, chance.integers(0, 10, count)])
        scores = np.concatenate([np.full(rows.sum(), 0.9), chance.uniform(0.3, 0.9, count)])
        looks = np.concatenate([looks.reshape(-1, len(people) + 1), np.eye(len(people) + 1)[[-1] * count]])
        if isinstance(appearance, AppearanceEmbedder):
            looks = appearance(frames[frame], boxes) if len(boxes) else np.zeros((0, 1))
        yield Detections(boxes, scores, labels, looks if appearance else None), rows


def follow(
    frames: Tensor, tracks: TrackedBoxes, *, max_jump: float = 1.0, one_class: bool = False, **settings
) -> SequenceOverlap:
    choice = TrackerSettings(max_jump=max_jump, match_classes=not one_class)
    tracker, found = ByteTracker(choice, frame_seconds=SECOND), []
    state = tracker.start()
    for frame, (detections, _) in enumerate(seen(frames, tracks, **settings)):
        state, ids = tracker.step(state, detections, frame * SECOND)
        found += [(frame, one, *box) for one, box in zip(ids, detections.xyxy, strict=True) if one]
    rows = np.array(found)
    theirs = np.concatenate([tracks.frames[:, None], tracks.identities[:, None], tracks.xyxy.double()], 1)
    return overlap_tracks(table(theirs), table(rows), FRAMES)


def table(rows: np.ndarray) -> TrackTable:
    whole, ones = rows[:, :2].astype(np.int64), np.ones(len(rows))
    xywh = np.concatenate([rows[:, 2:4], rows[:, 4:] - rows[:, 2:4]], 1)
    return TrackTable(whole[:, 0], whole[:, 1], xywh, ones, ones.astype(np.int64))


def measure_accuracy(embedder: AppearanceEmbedder | None) -> None:
    kinds = ALL_KINDS if embedder is None else embedded_kinds(embedder)
    for words, width in (("narrow posts", 0.1), ("posts as wide as an object", 0.25)):
        films = [crossing_clip(0, index, size=SIZE, frames=FRAMES, post_width=width) for index in range(4)]
        print(f"{words}\n{'boxes':34} idf1   hota   mota   switches  bound of idf1")
        for name, settings in kinds.items():
            given = {"noise": 0.0, "dropped": 0.0, "false": 0.0, "appearance": False} | settings
            scores = score_tracks({str(number): follow(*film, **given) for number, film in enumerate(films)})
            bound = 2 * (1 - given["dropped"]) / (2 - given["dropped"])
            print(line(name, scores), f"{bound:9.3f}", flush=True)


def write_crops(folder: Path, clips: int = 8, every: int = 5) -> None:
    """Walkers of other clips than the measured ones, a folder each."""
    for index in range(clips):
        frames, tracks = crossing_clip(1, index, size=SIZE, frames=FRAMES)
        chosen = tracks[tracks.frames % every == 0]
        rows = zip(chosen.frames.tolist(), chosen.identities.tolist(), chosen.xyxy.round().int().tolist(), strict=True)
        for frame, identity, (left, top, right, bottom) in rows:
            if right - left > 3 and bottom - top > 3:
                path = folder / f"{identity:04d}" / f"{index}-{frame:03d}.png"
                write_image(path, frames[frame, :, top:bottom, left:right])


ALL_OF_THAT = {"noise": 0.03, "dropped": 0.2, "false": 1.0}
ALL_KINDS = {
    "as they are": {}, "trembling by 3 % of the height": {"noise": 0.03}, "a fifth dropped": {"dropped": 0.2},
    "one false box a frame": {"false": 1.0}, "all of that": {"noise": 0.03, "dropped": 0.2, "false": 1.0},
    "as they are, as in the paper": {"max_jump": 0.0},
    "all of that, as in the paper": {"noise": 0.03, "dropped": 0.2, "false": 1.0, "max_jump": 0.0},
    "as they are, jumps of 2 heights": {"max_jump": 2.0},
    "as they are, one class": {"one_class": True},
    "all of that, one class": {"noise": 0.03, "dropped": 0.2, "false": 1.0, "one_class": True},
    "one class, as in the paper": {"one_class": True, "max_jump": 0.0},
    "as they are, and looks": {"appearance": True},
    "all of that, and looks": {"noise": 0.03, "dropped": 0.2, "false": 1.0, "appearance": True},
}  # fmt: skip


def embedded_kinds(embedder: AppearanceEmbedder) -> dict[str, dict]:
    looks = {"appearance": embedder}
    return {
        "as they are": looks, "all of that": {**ALL_OF_THAT, **looks},
        "as they are, one class": {**looks, "one_class": True},
        "all of that, one class": {**ALL_OF_THAT, **looks, "one_class": True},
    }  # fmt: skip


def line(name: str, scores: TrackingScores) -> str:
    return f"{name:34} {scores.idf1:.3f}  {scores.hota:.3f}  {scores.mota:.3f}  {scores.id_switches:8d}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, nargs="+", default=[10, 100, 300])
    parser.add_argument("--accuracy", action="store_true")
    parser.add_argument("--embed", type=lambda run: AppearanceEmbedder(run, "cpu"))
    parser.add_argument("--crops", type=Path)
    words = parser.parse_args()
    if words.crops is not None:
        write_crops(words.crops)
    elif words.accuracy:
        measure_accuracy(words.embed)
    else:
        for objects in words.objects:
            measure_speed(objects)


if __name__ == "__main__":
    main()
