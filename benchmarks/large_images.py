"""Peak memory and seconds of photos that are large beside the network: a batch of a dataset, and prediction.

Photos of 24 megapixels are written into a temporary folder. Processes of their own measure the peak of the modules
alone, of one evaluation batch of all photos, and of predicting them with drawings and without; network: 32 x 32.

python benchmarks/large_images.py
python benchmarks/large_images.py --count 48 --width 6000 --height 4000
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from zorki.data.loading.pipeline import LoaderWork, Pipeline
from zorki.engine.data_source import read_data
from zorki.engine.evaluation.benchmark_run import peak_memory
from zorki.engine.prediction.predict import predict
from zorki.engine.run.open import TrainedModel
from zorki.recipe import Recipe
from zorki.registry import find
from zorki.types import ClassInfo

WHAT = ("modules", "batch", "predict", "predict, drawn")


def write_photos(folder: Path, count: int, height: int, width: int) -> None:
    rows, columns = np.arange(height)[:, None], np.arange(width)[None]
    pixels = np.empty((height, width, 3), np.uint8)  # filled by bands: a process begins with its parent's peak
    for band in range(0, height, 100):
        some = rows[band : band + 100]
        waves = [np.sin(some / a + columns / b) for a, b in ((37, 61), (53, -41), (97, 29))]
        pixels[band : band + 100] = 128 + 100 * np.stack(waves, -1)
    for number in range(count):
        path = folder / ("cat", "dog")[number % 2] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        if number < 2:
            Image.fromarray(pixels[:, :: 1 - 2 * number]).save(path, quality=85)
        else:
            path.write_bytes((folder / ("cat", "dog")[number % 2] / f"{number % 2}.jpg").read_bytes())


def measure(what: str, folder: Path, count: int) -> None:
    torch.set_num_threads(1)
    entry = find("lenet5")
    model = entry.build(2).eval()
    data = read_data(entry.task, folder, Recipe())
    started = time.perf_counter()
    if what == "batch":
        numbers = list(range(count))
        Pipeline(data, model.preprocess)(LoaderWork(0, 0, numbers, numbers))
    elif what != "modules":
        info = ClassInfo(("cat", "dog"))
        run: Any = TrainedModel(Path("lenet5"), "lenet5", entry.task, info, Recipe(), {}, model)
        with tempfile.TemporaryDirectory() as out:
            drawn = Path(out, "out") if what == "predict, drawn" else None
            for _ in predict([run], str(folder), stream=True, out=drawn, quiet=True):
                pass
    print(f"{what:<16}{peak_memory('cpu') / 1e6:8.0f} MB{time.perf_counter() - started:8.1f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=48)
    parser.add_argument("--width", type=int, default=6000)
    parser.add_argument("--height", type=int, default=4000)
    parser.add_argument("--what", choices=WHAT)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.what:
        measure(given.what, given.folder, given.count)
        return
    with tempfile.TemporaryDirectory() as folder:
        write_photos(Path(folder), given.count, given.height, given.width)
        for what in WHAT:
            command = [sys.executable, __file__, "--what", what, "--folder", folder, "--count", str(given.count)]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
