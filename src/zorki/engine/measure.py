"""What one run costs and what it is worth, measured in a process of its own: `python -m zorki.engine.measure RUN ...`.

A process of its own, because peak memory is a process's, and because what one model leaves in caches of the machine
or of PyTorch would be counted with the next.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

WARM_UP = 2  # pictures


def measure(
    folder: str | Path,
    data: str | Path | None,
    *,
    split: str | None,
    device: str | None,
    pictures: int,
    seconds: float,
    threads: int | None,
) -> dict[str, Any]:
    """Figures on a split, and pictures a second one by one with all that it takes from decoded pixels to the answer.

    Figures that training left behind on these data are not counted anew.

    Args:
        pictures: answered at most for the timing.
        seconds: after which the timing ends, with two pictures answered at least.

    Returns:
        Plain JSON: model, count, figures, pictures_per_second, timed (pictures), parameters, and peak_memory (bytes;
        of the GPU where one is used) of predicting one picture at a time.
    """
    import torch

    from zorki.engine.device import best_device, check_device, on_device
    from zorki.engine.evaluate import evaluate
    from zorki.engine.predict import answer_images
    from zorki.engine.run import load

    if threads is not None:
        torch.set_num_threads(threads)
    device = check_device(device or best_device()[0])
    run = load(folder)
    root = Path(data if data is not None else run.about["data"])
    dataset = run.task.read(root, class_names=run.class_names, max_pixels=run.recipe.max_pixels)
    chosen = split or ("test" if "test" in dataset.splits else "val")
    images = [dataset[index].image for index in dataset.splits[chosen][: pictures + WARM_UP]]
    model = on_device(run.model, device).eval()
    kept = os.environ.get("ZORKI_CACHE")
    with tempfile.TemporaryDirectory() as empty:
        # What was prepared and kept for training (proposals) is part of answering a new picture: it counts.
        os.environ["ZORKI_CACHE"] = empty
        for image in images[:WARM_UP]:
            answer_images(model, [image], device)
        _wait(device)
        done, started = 0, time.perf_counter()
        for image in images[WARM_UP:] or images:
            answer_images(model, [image], device)
            done += 1
            if done >= 2 and time.perf_counter() - started > seconds:
                break
        _wait(device)
        spent = time.perf_counter() - started
    os.environ.pop("ZORKI_CACHE") if kept is None else os.environ.update(ZORKI_CACHE=kept)
    memory = peak_memory(device)
    known = run.results.get(chosen) if data is None or str(root.resolve()) == run.about["data"] else None
    if known is None:
        result = evaluate([run], root, split=chosen, device=device)[-1]
        known = {"figures": result.figures, "count": result.count}
    plain = {name: value for name, value in known["figures"].items() if isinstance(value, int | float)}
    return {
        "model": run.model_name,
        "task": run.task.name,
        "split": chosen,
        "count": known["count"],
        "figures": plain,
        "pictures_per_second": done / spent,
        "timed": done,
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
        "threads": torch.get_num_threads(),
        "parameters": run.about["parameters"],
        "peak_memory": memory,
    }


def peak_memory(device: str) -> int:
    """Bytes that this process has held at most: of the GPU where one is used, else of the computer's memory."""
    import torch

    if device == "cuda":
        return int(torch.cuda.max_memory_allocated())
    try:
        import resource
    except ImportError:  # Windows
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(most) * (1 if sys.platform == "darwin" else 1024)


def _wait(device: str) -> None:
    import torch

    if device == "cuda":
        torch.cuda.synchronize()


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run")
    parser.add_argument("--data")
    parser.add_argument("--split")
    parser.add_argument("--device")
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--threads", type=int)
    given = vars(parser.parse_args())
    from zorki.errors import ZorkiError
    from zorki.files import plain

    try:
        found = measure(given.pop("run"), given.pop("data"), **given)
    except ZorkiError as error:
        print(json.dumps({"error": str(error)}))
        sys.exit(2)
    print(json.dumps(plain(found)))


if __name__ == "__main__":
    _main()
