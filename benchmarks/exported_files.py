"""ONNX files beside each other: CPU milliseconds a batch of one, in turn, in ONNX Runtime with one thread.

Of whatever tool: inputs are random, free axes are 1. For a detector of zorki beside ultralytics' (AGPL-3.0: install it
into an environment of its own):

    yolo export model=yolo11n.yaml format=onnx imgsz=320
    python benchmarks/exported_files.py model.onnx yolo11n.onnx
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import numpy as np
import onnxruntime

RANDOM = np.random.default_rng(0)


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--repeats", type=int, default=60)
    options = parser.parse_args()
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, settings.log_severity_level = 1, 3
    sessions = [onnxruntime.InferenceSession(path, settings) for path in options.files]
    feeds = [{one.name: example(one) for one in session.get_inputs()} for session in sessions]
    times: list[list[float]] = [[] for _ in sessions]
    for _ in range(options.repeats):
        for session, feed, own in zip(sessions, feeds, times, strict=True):
            start = time.process_time()
            session.run(None, feed)
            own.append(1000 * (time.process_time() - start))
    first = statistics.median(times[0])
    for path, session, own in zip(options.files, sessions, times, strict=True):
        shapes = ", ".join(f"{one.name} {one.shape}" for one in session.get_inputs())
        median = statistics.median(own)
        print(f"{path}: {median:.2f} ms, {median / first:.2f} times the first; {shapes}")


def example(given: Any) -> np.ndarray:
    """An input of random values: pixels, or floats of 0..1; "frames" are the whole canvas."""
    shape = [side if isinstance(side, int) else 1 for side in given.shape]
    if given.type == "tensor(uint8)":
        return RANDOM.integers(0, 256, shape, dtype=np.uint8)
    if given.name == "frames":
        return np.array([[0, 0, 32, 32]], np.float32)
    return RANDOM.random(shape, dtype=np.float32)


if __name__ == "__main__":
    main()
