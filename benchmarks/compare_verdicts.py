"""How often `zorki compare` is wrong, and how often it finds a difference: verdicts on scores of real runs.

    zorki train lenet5 fashion-mnist/ --limit 6000 --limit-val 2000 --epochs 2 --workers 0 --seeds 10 --name ten
    python benchmarks/compare_verdicts.py runs/ten --split test

Runs of any task serve. Ten runs that differ in the seed alone are evaluated once, with the replicates over images that
`compare` draws. Then five of them are held against the other five, in all 252 ways: whatever is called better or worse
is wrong. And again with a number of deviations added to the second five: whatever is called better is found. Last with
as many seeds as asked for, drawn from a normal distribution with the mean and the deviation of the ten.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections import Counter
from pathlib import Path

import numpy as np

from zorki.engine.comparison.compare import all_runs
from zorki.engine.comparison.verdict import Scores, verdict
from zorki.engine.evaluation.benchmark_run import measure
from zorki.registry import tasks


def scores_of(folder: Path, split: str) -> Scores:
    """Of all runs in a folder."""
    values, rows = [], []
    for run in all_runs([folder]):
        found = measure(run, None, split=split, device="cpu", images=2, seconds=0, threads=1)
        monitor = tasks()[found["task"]].monitor
        values.append(found["metrics"][monitor])
        rows.append(found["replicates"][monitor])
        print(f"{run}: {monitor} {values[-1]:.4f} on {found['count']} images", flush=True)
    return Scores(tuple(values), np.array(rows, dtype=float))


def part(scores: Scores, places: tuple[int, ...], shift: float = 0.0) -> Scores:
    """Some of the runs, with a number added to their scores."""
    replicates = scores.replicates[list(places)] + shift
    return Scores(tuple(scores.values[place] + shift for place in places), replicates)


def words(scores: Scores, deviations: float) -> Counter:
    """The verdicts of every half against the other."""
    count, found = len(scores.values), Counter()
    for first in itertools.combinations(range(count), count // 2):
        second = tuple(place for place in range(count) if place not in first)
        shift = deviations * scores.deviation
        found[verdict(part(scores, first), part(scores, second, shift)).word] += 1
    return found


def drawn(scores: Scores, deviations: float, seeds: int, trials: int = 1000) -> float:
    """The share of trials in which normal scores of the same deviation are called better."""
    rng, wins = np.random.default_rng(0), 0
    for _ in range(trials):
        first, second = rng.normal(scores.mean, scores.deviation, (2, seeds))
        second = second + deviations * scores.deviation
        wins += verdict(Scores(tuple(first.tolist())), Scores(tuple(second.tolist()))).word == "better"
    return wins / trials


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    scores = scores_of(given.runs, given.split)
    images = scores.replicates.std(1, ddof=1).mean()
    print(
        f"mean {scores.mean:.4f}, deviation between seeds {scores.deviation:.4f}, by the choice of images {images:.4f}"
    )
    rows = []
    for deviations in (0.0, 1.0, 2.0, 2.5, 3.0):
        found = words(scores, deviations)
        rows.append({"deviations": deviations, "real runs": dict(found), "total": sum(found.values())})
        print(f"{deviations:g} deviations: {dict(found)} of {sum(found.values())}")
    for seeds in (5, 6, 7, 10):
        share = drawn(scores, 2.0, seeds)
        rows.append({"deviations": 2.0, "seeds": seeds, "better": share})
        print(f"2 deviations, {seeds} seeds, drawn: better in {share:.1%}")
    if given.out is not None:
        given.out.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
