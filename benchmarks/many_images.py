"""Peak memory and images/s of predictions in shards, at more and more images.

Images of 64 x 64 pixels in folders of 100, and an untrained exported network of 32 x 32; a process of its own for each
count.

python benchmarks/many_images.py
python benchmarks/many_images.py --counts 1000 10000 100000 --format parquet
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image


def write_images(folder: Path, count: int) -> None:
    """Links to a few files: what is read is as much as of files of their own."""
    pixels = np.random.default_rng(0).integers(0, 256, (10, 64, 64, 3), np.uint8)
    for number in range(count):
        path = folder / f"{number // 100:05d}" / f"{number % 100:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        if number < len(pixels):
            Image.fromarray(pixels[number]).save(path)
        else:
            os.link(folder / "00000" / f"{number % len(pixels):02d}.png", path)


def write_model(path: Path) -> None:
    import torch

    import zorki
    from zorki.engine.api import Run
    from zorki.recipe import Recipe
    from zorki.registry import find
    from zorki.types import ClassInfo

    torch.manual_seed(0)
    entry = find("lenet5")
    model = entry.build(2).eval()
    run = Run(
        path.parent / "run",
        "lenet5",
        entry.task,
        ClassInfo(("cat", "dog")),
        Recipe(),
        {"model": "lenet5", "data": None},
        model,
    )
    zorki.export(run, out=path)


def measure(model: Path, images: Path, out: Path, format: str) -> None:
    """In a process of its own: prints peak memory in MB and images/s."""
    from zorki import ShardSettings, predict_shards

    started = time.perf_counter()
    summary = predict_shards(model, images, out, ShardSettings(format=format), quiet=True)  # type: ignore[arg-type]
    seconds = time.perf_counter() - started
    # Not ru_maxrss, which begins with the peak of the process that started this one.
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    print(peak / 1e3, summary.images / seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 10000])
    parser.add_argument("--format", default="jsonl")
    parser.add_argument("--measure", nargs=3, type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        measure(*given.measure, given.format)
        return
    first = None
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder, "model.onnx")
        write_model(model)
        for count in given.counts:
            images = Path(folder, str(count))
            write_images(images, count)
            words = [
                sys.executable,
                __file__,
                "--format",
                given.format,
                "--measure",
                model,
                images,
                Path(folder, f"out-{count}"),
            ]
            printed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
            memory, speed = map(float, printed.split())
            first = first or memory
            print(
                f"{count:>9,} images: {memory:.0f} MB, {memory / first:.3f} of the first; {speed:.0f} images/s",
                flush=True,
            )


if __name__ == "__main__":
    main()
