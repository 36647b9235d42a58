"""What one run costs and what it is worth, measured in a process of its own.

`python -m zorki.engine.evaluation.benchmark_run RUN ...`

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
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zorki.devices import kind_of

if TYPE_CHECKING:
    from zorki.engine.evaluation.split import Watch

WARM_UP = 2  # images


def measure(
    folder: str | Path,
    data: str | Path | None,
    *,
    split: str | None,
    device: str | None,
    images: int,
    seconds: float,
    threads: int | None,
) -> dict[str, Any]:
    """Metrics on a split, and images a second one by one with all that it takes from decoded pixels to the prediction.

    Args:
        images: predicted at most for the timing.
        seconds: after which the timing ends, with two images predicted at least.

    Returns:
        Plain JSON: model, count, metrics, images_per_second, timed (images), parameters, peak_memory (bytes; of the
        GPU where one is used) of predicting one image at a time, the digest of the images, and `replicates` of the
        headline metrics by the bootstrap over images, see `ImageBlocks`, or why there are none.
    """
    import torch

    from zorki.engine.data_check import survey, usual_split
    from zorki.engine.data_source import data_of_run, read_data
    from zorki.engine.device import check_device
    from zorki.engine.evaluation.evaluate import evaluate_watched
    from zorki.engine.evaluation.image_blocks import ImageBlocks, image_digest
    from zorki.engine.run.open import load

    if threads is not None:
        torch.set_num_threads(threads)
    device = check_device(device)
    run = load(folder)
    source, _ = data_of_run(run.about, run.class_names, data)
    root = Path(source)
    form = run.recipe.format if data is None or str(root.resolve()) == run.about["data"] else None
    dataset = read_data(run.task, root, run.recipe, format=form, class_names=run.class_names)
    chosen = split or usual_split(dataset.splits)
    indices = survey(dataset, splits=[chosen]).readable(dataset, chosen)[: images + WARM_UP]
    run.on_device(device).eval()
    kept = os.environ.get("ZORKI_CACHE")
    with tempfile.TemporaryDirectory() as empty:
        # What was prepared and kept for training (proposals) is part of predicting a new image: it counts.
        os.environ["ZORKI_CACHE"] = empty
        timed = _time_frames if run.task.unit == "video" else _time
        spent = timed(run, dataset, indices, device, seconds)
    os.environ.pop("ZORKI_CACHE") if kept is None else os.environ.update(ZORKI_CACHE=kept)
    memory = peak_memory(device)
    blocks: list[ImageBlocks] = []
    digests: list[str] = []

    def watch(dataset: Any, indices: Sequence[int]) -> Watch:
        blocks.append(ImageBlocks(partial(run.task.evaluation.metric, run.info), indices))
        digests.append(image_digest(dataset, indices))
        return blocks[0].add

    result = evaluate_watched(run, root, split=chosen, device=device, format=form, watch=watch)
    replicates, lacking = blocks[0].replicates(run.task.evaluation.headline or (run.task.monitor,))
    return {
        "model": run.model_name,
        "task": run.task.name,
        "split": chosen,
        "count": result.count,
        "metrics": result.metrics.scalars(),
        "images_per_second": len(spent) / sum(spent),
        "timed": len(spent),
        "device": torch.cuda.get_device_name(device) if kind_of(device) == "cuda" else device,
        "threads": torch.get_num_threads(),
        "parameters": run.about["parameters"],
        "peak_memory": memory,
        "images": digests[0],
        "replicates": replicates,
        "replicates_missing": lacking,
    }


def _time_frames(run: Any, dataset: Any, indices: list[int], device: str, seconds: float) -> list[float]:
    """The same for each frame of videos behind the first ones, in which objects are followed."""
    import torch

    from zorki.engine.evaluation.units import track
    from zorki.errors import DataError

    spent: list[float] = []
    for index in indices:
        sample = dataset[index]
        followed = torch.inference_mode()(track)(run.model, sample.image, run.task.data.prompt(sample.target))
        next(followed)
        started = time.perf_counter()
        for place, _ in enumerate(followed):
            _wait(device)
            if place >= WARM_UP or len(sample.image) <= WARM_UP + 1:
                spent.append(time.perf_counter() - started)
            if len(spent) >= 2 and sum(spent) > seconds:
                return spent
            started = time.perf_counter()
    if not spent:
        raise DataError(
            f"{dataset.root}: none of {len(indices)} videos has frames in which something could be followed"
        )
    return spent


def _time(run: Any, dataset: Any, indices: list[int], device: str, seconds: float) -> list[float]:
    """Seconds for each image behind the first ones; at least two, then until so many seconds are over."""
    from zorki.engine.prediction.inference import predict_images
    from zorki.errors import DataError

    spent: list[float] = []
    for place, index in enumerate(indices):
        try:
            image = dataset[index].image
        except DataError:
            continue
        _wait(device)
        started = time.perf_counter()
        predict_images(run.model, [image], device)
        _wait(device)
        if place >= WARM_UP or len(indices) <= WARM_UP:
            spent.append(time.perf_counter() - started)
        if len(spent) >= 2 and sum(spent) > seconds:
            break
    if not spent:
        raise DataError(f"{dataset.root}: none of {len(indices)} images could be decoded")
    return spent


def peak_memory(device: str) -> int:
    """Bytes that this process has held at most: of the GPU where one is used, else of the computer's memory."""
    import torch

    if kind_of(device) == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    try:
        import resource
    except ImportError:  # Windows
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(most) * (1 if sys.platform == "darwin" else 1024)


def _wait(device: str) -> None:
    import torch

    if kind_of(device) == "cuda":
        torch.cuda.synchronize(device)


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run")
    parser.add_argument("--data")
    parser.add_argument("--split")
    parser.add_argument("--device")
    parser.add_argument("--images", type=int, default=64)
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
