"""One box an image without a detector: an exported localizer beside exported SSD, of the same backbone and size.

    python benchmarks/exported_localizer.py --sizes 160 320
    python benchmarks/exported_localizer.py --sizes 160 --runs runs/localizer_squeezenet1_0-1 runs/ssd_squeezenet-1

Both are ONNX files in ONNX Runtime with one thread, from uint8 pixels to boxes in pixels, so SSD's NMS is in its graph.
Without `--runs` both have random weights and as many classes. They are timed in one process, turn and turn about: what
the machine does besides hits both. Milliseconds are medians, and so is the ratio, of those of single turns.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zorki import registry
from zorki.contracts import Model
from zorki.engine.export.onnx_file import export_onnx
from zorki.engine.run.open import load
from zorki.types import ClassInfo

PAIRS = {
    "SqueezeNet 1.0": ("localizer_squeezenet1_0", "ssd_squeezenet"),
    "ResNet-18": ("localizer_resnet18", "ssd_resnet18"),
}
WARM = 5  # calls before the first that is timed


def models(pair: tuple[str, str], classes: int, runs: list[str] | None) -> list[tuple[Model[Any, Any, Any], ClassInfo]]:
    """The localizer and SSD, of runs or built anew."""
    if runs is not None:
        return [(run.model, run.info) for run in map(load, runs)]
    info = ClassInfo(tuple(f"class {number}" for number in range(classes)))
    torch.manual_seed(0)
    return [(registry.build(name, classes).eval(), info) for name in pair]


def session(model: Model[Any, Any, Any], info: ClassInfo, size: int, threads: int) -> Callable[[np.ndarray], Any]:
    """A network as ONNX Runtime runs it, from pixels to predictions."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = threads, 1
    with tempfile.TemporaryDirectory() as folder:
        path = export_onnx(model, Path(folder) / "model.onnx", size, size, info)
        run = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    name = run.get_inputs()[0].name
    others = [one.name for one in run.get_inputs()[1:]]
    return lambda image: run.run(None, {name: image, **{other: whole_frame(image) for other in others}})


def whole_frame(image: np.ndarray) -> np.ndarray:
    """That the image fills its canvas: float32 (1, 4)."""
    return np.array([[0, 0, image.shape[3], image.shape[2]]], np.float32)


def image_of(size: int) -> np.ndarray:
    """Random, and smooth enough to be an image: uint8 (1, 3, size, size)."""
    coarse = torch.randint(0, 256, (1, 3, size // 16, size // 16), generator=torch.Generator().manual_seed(0)).float()
    return torch.nn.functional.interpolate(coarse, (size, size), mode="bilinear").byte().numpy()


def milliseconds(work: Callable[[np.ndarray], Any], image: np.ndarray) -> float:
    start = time.perf_counter()
    work(image)
    return (time.perf_counter() - start) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[160, 320], help="sides of square images, in pixels")
    parser.add_argument("--classes", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--runs", nargs=2, metavar=("LOCALIZER", "SSD"), help="trained ones, in place of random ones")
    options = parser.parse_args()
    print("| backbone | size | localizer [ms] | SSD [ms] | times as fast |\n|---|---:|---:|---:|---:|")
    for backbone, pair in PAIRS.items() if options.runs is None else [("of the runs", ("", ""))]:
        networks = models(pair, options.classes, options.runs)
        for size in options.sizes:
            image = image_of(size)
            localizer, ssd = (session(*network, size, options.threads) for network in networks)
            for work in (localizer, ssd) * WARM:
                work(image)
            turns = [(milliseconds(localizer, image), milliseconds(ssd, image)) for _ in range(options.repeats)]
            ours, theirs = (statistics.median(times) for times in zip(*turns, strict=True))
            ratio = statistics.median(second / first for first, second in turns)
            print(f"| {backbone} | {size} | {ours:.1f} | {theirs:.1f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
