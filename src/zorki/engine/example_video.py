"""A trained network on a built-in video: an object followed, or ids for all of them, with scores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from zorki.contracts.capabilities import Tracks
from zorki.contracts.example import ExampleVideo
from zorki.engine.evaluation.tracks_file import evaluate_tracks
from zorki.engine.prediction.predict import predict
from zorki.engine.prediction.video import VideoWriter
from zorki.engine.run.open import RunLike, TrainedModel, open_run
from zorki.engine.track import track_to_files
from zorki.files import write_text
from zorki.tracks.mot_text import mot_line
from zorki.types import TrackedBoxes
from zorki.types.arrays import array_of

RATE = 25  # frames a second


def try_on_video(run: RunLike, video: ExampleVideo, folder: Path, say: Callable[[str], None]) -> None:
    """Writes film.mp4 and gt.txt into a folder, tracks what is in it, and says how to do the same by hand.

    Raises:
        ZorkiError: PyAV is not installed, which writes videos.
    """
    opened = run if isinstance(run, TrainedModel) else open_run(run)
    frames, tracks = video.make()
    film, ground_truth = folder / "film.mp4", folder / "gt.txt"
    with VideoWriter(film, RATE) as writer:
        for frame in frames:
            writer.write(array_of(frame))
    write_text(ground_truth, _mot_text(tracks))
    if isinstance(opened.model, Tracks):
        left, top, right, bottom = tracks.xyxy[tracks.frames == 0][0].tolist()
        box = ",".join(f"{value:.0f}" for value in (left, top, right - left, bottom - top))
        track_to_files(opened, str(film), [box], out=folder / "tracked.mp4", formats=["mot"], say=say)
        say(f"\nA video, and what is followed in it: {folder / 'tracked.mp4'}. The same by hand:")
        say(f"    zorki track {opened.folder} {film} --box {box} --out tracked.mp4")
        found = folder / "tracked-mot.txt"
    else:
        # A network is built anew for options, from its folder.
        detector = opened.folder if video.settings.get("options") else opened
        predict(detector, str(film), track=True, out=folder / "tracked", quiet=True, **video.settings)  # type: ignore[arg-type]
        say(f"\nA video, and ids for what is in it: {folder / 'tracked' / 'film.mp4'}. The same by hand:")
        say(f"    zorki predict {opened.folder} {film} --track {video.flags} --out tracked")
        found = folder / "tracked" / "mot" / "film.txt"
    scores = evaluate_tracks(found, ground_truth).metrics.scalars()
    words = ", ".join(f"{name} {scores[name]:.3f}" for name in ("idf1", "hota", "mota") if scores.get(name) is not None)
    say(f"    zorki evaluate --tracks {found} {ground_truth}    # {words}")


def _mot_text(tracks: TrackedBoxes) -> str:
    rows = zip(tracks.frames.tolist(), tracks.identities.tolist(), tracks.xyxy.tolist(), strict=True)
    return "".join(mot_line(frame, identity, box, 1.0) + "\n" for frame, identity, box in rows)
