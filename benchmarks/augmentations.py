"""MixUp, CutOut, CutMix and none: the same recipe and seeds, one thing changed; a table with mean and deviation.

    python benchmarks/augmentations.py DATA --epochs 20 --seeds 0 1 2

Figures are the test split's top-1 of the weights with the best metric on validation. Runs that are finished are not run
again, so a broken series goes on where it was.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any

import zorki
from zorki.engine.run.folder import RESULTS
from zorki.engine.run.open import load

WAYS: dict[str, dict[str, Any]] = {
    "none": {},
    "MixUp, a = 0.2": {"mixup": 0.2},
    "CutOut, half the side": {"cutout": 0.5},
    "CutMix, a = 1": {"cutmix": 1.0},
}


def accuracy(way: str, seed: int, options: argparse.Namespace) -> float:
    """Test top-1 of one run."""
    name = f"{way.split(',')[0].lower()}-{seed}"
    folder = Path(options.out) / name
    if (folder / RESULTS).exists():
        run = load(folder)
    else:
        settings = {"epochs": options.epochs, "seed": seed, "out": options.out, "name": name, **WAYS[way]}
        run = zorki.train(options.model, options.data, quiet=True, **settings)
    return float(run.results["test"]["metrics"]["top1"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--model", default="cifar_resnet20")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", default="runs/augmentations")
    options = parser.parse_args()
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    for seed in options.seeds:  # seeds outside, so that a series cut short still compares all ways
        for way in WAYS:
            found[way].append(accuracy(way, seed, options))
            print(f"{way}, seed {seed}: {found[way][-1]:.4f}", flush=True)
    print("\n| way | test top-1, mean | deviation | seeds |\n|---|---|---|---|")
    for way, values in found.items():
        deviation = f"{statistics.stdev(values):.4f}" if len(values) > 1 else "-"
        print(f"| {way} | {statistics.mean(values):.4f} | {deviation} | {', '.join(f'{v:.4f}' for v in values)} |")


if __name__ == "__main__":
    main()
