"""Whether maps of `zorki explain` tell about a network: both sanity checks, medians over images of a split.

    python benchmarks/explanation_sanity.py runs/resnet20-1 --count 32
    python benchmarks/explanation_sanity.py runs/fcos-1 --count 8 --methods occlusion

Images are taken evenly from the data that the run was trained on; those in which a detector finds nothing are left out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from zorki import explain
from zorki.engine.data_source import data_of_run, read_data
from zorki.engine.explanation.explain import METHODS
from zorki.engine.run.open import TrainedModel, open_run
from zorki.errors import ZorkiError


def paths_of(run: TrainedModel, split: str, count: int) -> list[Path]:
    data, _ = data_of_run(run.about, run.class_names, None)
    dataset = read_data(run.task, data, run.recipe)
    indices = dataset.splits[split]
    return [dataset.path(indices[place * len(indices) // count]) for place in range(min(count, len(indices)))]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run")
    parser.add_argument("--split", default="test")
    parser.add_argument("--count", type=int, default=16)
    parser.add_argument("--methods", default=",".join(METHODS))
    given = parser.parse_args()
    run = open_run(given.run)
    asked = None if given.methods == ",".join(METHODS) else given.methods.split(",")
    rows: dict[str, list[tuple[float, ...]]] = {}
    for path in paths_of(run, given.split, given.count):
        try:
            (found,) = explain(run, str(path), methods=asked)
        except ZorkiError as error:
            print(error, flush=True)
            continue
        for name, one in found.checks.items():
            alike = np.nan if one.random_correlation is None else one.random_correlation
            rows.setdefault(name, []).append((alike, one.drop, one.random_drop, float(one.drop > one.random_drop)))
    print("method, images, correlation with random weights, drop of the top tenth, of a random tenth, first larger in")
    for name, values in rows.items():
        table = np.array(values)
        drop, random = np.median(table[:, 1:3], axis=0)
        known = table[np.isfinite(table[:, 0]), 0]
        alike = f"{np.median(known):.3f} of {len(known)}" if len(known) else "none: one of both maps is flat"
        print(f"{name}, {len(table)}, {alike}, {drop:.3g}, {random:.3g}, {table[:, 3].mean():.0%}", flush=True)


if __name__ == "__main__":
    main()
