"""HOTA, IDF1 and CLEAR MOT against TrackEval, on random files in MOTChallenge's format: every number, every digit.

    pip install trackeval
    python benchmarks/tracking_scores.py --rounds 40

Files have objects that hide and come back, tracks that switch, break and are false, empty frames, distractors and boxes
that do not count.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
import time
from pathlib import Path

import numpy as np
import trackeval

from zorki.engine.evaluation.tracks_file import evaluate_tracks

NAMES = {
    "HOTA": {"hota": "HOTA", "det_a": "DetA", "ass_a": "AssA", "det_re": "DetRe", "det_pr": "DetPr", "ass_re": "AssRe",
             "ass_pr": "AssPr", "loc_a": "LocA"},
    "Identity": {"idf1": "IDF1", "idp": "IDP", "idr": "IDR"},
    "CLEAR": {"mota": "MOTA", "motp": "MOTP", "recall": "CLR_Re", "precision": "CLR_Pr", "id_switches": "IDSW",
              "fragmentations": "Frag", "false_positives": "CLR_FP", "false_negatives": "CLR_FN",
              "mostly_tracked": "MT", "partly_tracked": "PT", "mostly_lost": "ML"},
}  # fmt: skip


def write_sequence(root: Path, name: str, chance: np.random.Generator, frames: int, objects: int) -> None:
    """Ground truth and a tracker's results of one video."""
    truth, found, whose = [], [], np.arange(objects) + 1
    place, size = chance.uniform(0, 400, (objects, 2)), chance.uniform(20, 120, (objects, 2))
    speed, labels = chance.normal(0, 4, (objects, 2)), chance.choice([1, 1, 1, 1, 2, 3, 7, 8, 12], objects)
    for frame in range(1, frames + 1):
        place = place + speed
        if chance.random() < 0.15 and objects > 1:  # two tracks switch
            pair = chance.choice(objects, 2, replace=False)
            whose[pair] = whose[pair[::-1]]
        if chance.random() < 0.1:  # a track begins anew
            whose[chance.integers(objects)] = whose.max() + 1
        blank = chance.random() < 0.1
        for row in range(objects):
            if chance.random() > 0.1:
                box = ",".join(f"{value:.2f}" for value in (*place[row], *size[row]))
                truth.append(f"{frame},{row + 1},{box},{int(chance.random() > 0.1)},{labels[row]},1")
            if chance.random() > 0.2 and not blank:
                moved = np.concatenate([place[row], size[row]]) + chance.normal(0, 6, 4)
                box = ",".join(f"{value:.2f}" for value in moved)
                found.append(f"{frame},{whose[row]},{box},{chance.random():.3f},-1,-1,-1")
        if chance.random() < 0.5 and not blank:
            box = ",".join(f"{value:.2f}" for value in chance.uniform(5, 300, 4))
            found.append(f"{frame},{1000 + frame // 4},{box},0.5,-1,-1,-1")
    folder = root / "gt" / name
    (folder / "gt").mkdir(parents=True)
    (folder / "gt" / "gt.txt").write_text("\n".join(truth) + "\n")
    (folder / "seqinfo.ini").write_text(f"[Sequence]\nname={name}\nseqLength={frames}\n")
    (root / "found" / "ours" / "data").mkdir(parents=True, exist_ok=True)
    (root / "found" / "ours" / "data" / f"{name}.txt").write_text("\n".join(found) + "\n")


def reference(root: Path, names: list[str]) -> dict[str, dict[str, object]]:
    """TrackEval's numbers of all videos together, by metric."""
    dataset = trackeval.datasets.MotChallenge2DBox(
        {"GT_FOLDER": str(root / "gt"), "TRACKERS_FOLDER": str(root / "found"), "SKIP_SPLIT_FOL": True,
         "SEQ_INFO": dict.fromkeys(names), "TRACKERS_TO_EVAL": ["ours"], "PRINT_CONFIG": False}
    )  # fmt: skip
    quiet = {"PRINT_CONFIG": False}
    metrics = [trackeval.metrics.HOTA(), trackeval.metrics.Identity(quiet), trackeval.metrics.CLEAR(quiet)]
    evaluator = trackeval.Evaluator(
        {"PRINT_RESULTS": False, "PRINT_CONFIG": False, "OUTPUT_SUMMARY": False, "OUTPUT_DETAILED": False,
         "PLOT_CURVES": False, "TIME_PROGRESS": False, "BREAK_ON_ERROR": True}
    )  # fmt: skip
    results, _ = evaluator.evaluate([dataset], metrics)
    return results["MotChallenge2DBox"]["ours"]["COMBINED_SEQ"]["pedestrian"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--frames", type=int, default=60)
    rounds, frames = vars(parser.parse_args()).values()
    largest, compared, times = 0.0, 0, [0.0, 0.0]
    for seed in range(rounds):
        chance = np.random.default_rng(seed)
        with tempfile.TemporaryDirectory() as folder:
            root, names = Path(folder), [f"video-{number}" for number in range(int(chance.integers(1, 4)))]
            for name in names:
                write_sequence(root, name, chance, frames, int(chance.integers(1, 15)))
            started = time.perf_counter()
            with contextlib.redirect_stdout(io.StringIO()):
                theirs = reference(root, names)
            middle = time.perf_counter()
            ours = evaluate_tracks(root / "found" / "ours" / "data", root / "gt").metrics.to_json()
            times = [times[0] + middle - started, times[1] + time.perf_counter() - middle]
        for metric, fields in NAMES.items():
            for name, other in fields.items():
                expected = float(np.mean(theirs[metric][other]))
                difference = abs(expected - (ours[name] or 0))
                if difference:
                    print(f"seed {seed}: {name} {ours[name]!r}, TrackEval {expected!r}")
                largest, compared = max(largest, difference), compared + 1
    print(
        f"{compared} numbers of {rounds} rounds: largest difference {largest:g}; {times[0]:.1f} s and {times[1]:.1f} s"
    )


if __name__ == "__main__":
    main()
