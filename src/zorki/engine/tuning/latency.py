"""How long a network takes for one image, by which trials may be bounded."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from zorki.engine.data_check import survey
from zorki.engine.data_source import data_of_run, read_data
from zorki.engine.device import check_device
from zorki.engine.prediction.inference import predict_images
from zorki.engine.run.open import load
from zorki.errors import DataError

WARM_UP, IMAGES = 3, 30


def latency(folder: Path, device: str | None = None) -> float:
    """Seconds from a decoded image of the validation split to its prediction: the median of some, one at a time.

    Raises:
        ZorkiError: the run cannot be opened, or no image can be read.
    """
    where = check_device(device)
    run = load(folder)
    source, names = data_of_run(run.about, run.class_names)
    dataset = read_data(run.task, source, run.recipe, format=run.recipe.format, class_names=names)
    indices = survey(dataset, splits=["val"]).readable(dataset, "val")[: IMAGES + WARM_UP]
    model = run.on_device(where).eval()
    spent = []
    for index in indices:
        image = dataset[index].image
        began = time.perf_counter()
        predict_images(model, [image], where)  # back in memory: the device was waited for
        spent.append(time.perf_counter() - began)
    if not spent:
        raise DataError(f"{dataset.root}: no image of val can be read, by which latency would be measured")
    return statistics.median(spent[WARM_UP:] or spent)


def latency_of(text: str) -> float | None:
    """Seconds of a latency with its unit, such as 30ms or 0.1s; None: it is none. A number alone is milliseconds.

    >>> latency_of("30ms"), latency_of("30"), latency_of("0.5s"), latency_of("soon")
    (0.03, 0.03, 0.5, None)
    """
    words = text.strip().lower()
    factor = 1e-3
    if words.endswith("ms"):
        words = words[:-2]
    elif words.endswith("s"):
        words, factor = words[:-1], 1.0
    try:
        found = float(words) * factor
    except ValueError:
        return None
    return found if 0 < found < float("inf") else None
