"""Answers for files, folders, globs, URLs and videos: drawn on the pictures, and in predictions.json."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zorki.contracts import Model, Task
from zorki.data.images import MAX_PIXELS, read_image, write_image
from zorki.data.sources import Source, VideoWriter, expand, frame_rate, frames
from zorki.engine import choices
from zorki.engine.evaluate import channels_last, open_run
from zorki.engine.run import Run
from zorki.errors import DataError
from zorki.files import write_json
from zorki.types import Defect

READERS = 4  # threads that decode ahead; decoding leaves Python's lock
PREDICTIONS = "predictions.json"


@dataclass
class Answer:
    """One picture's prediction: `source` as given, `frame` of a video, size in pixels, where it was drawn."""

    source: str
    prediction: Any
    height: int
    width: int
    frame: int | None = None
    drawn: Path | None = None
    facts: dict[str, Any] = field(default_factory=dict)  # the prediction with names of classes, in plain JSON


def predict(
    runs: Sequence[Run | str | Path],
    sources: Sequence[str],
    *,
    out: str | Path | None = None,
    weights: str | None = None,
    batch_size: int = 16,
    device: str | None = None,
    strict: bool = False,
    say: Callable[[str], None] | None = None,
) -> list[Answer]:
    """Answers for every picture and every frame, in the order of the sources.

    Args:
        runs: one run, or several that answer together; or a model's name with `weights`.
        sources: files, folders, globs, URLs, videos.
        out: folder for annotated pictures, annotated videos and predictions.json; None writes nothing.
        strict: stop at the first picture that cannot be read; else it is reported and left out.

    Raises:
        ZorkiError: no such run or source; or nothing at all could be read.
    """
    opened = [run if isinstance(run, Run) else open_run(run, weights) for run in runs]
    device = device or choices.best_device()[0]
    for run in opened:
        run.model.to(device).eval()
    task = opened[0].task
    folder = Path(out) if out is not None else None
    found = expand(list(sources))
    answers: list[Answer] = []
    defects: list[Defect] = []
    pictures = [source for source in found if source.kind != "video"]
    for batch in _read(pictures, batch_size, defects, strict):
        for (source, image), prediction in zip(
            batch, _answer(opened, [image for _, image in batch], device), strict=True
        ):
            answer = _answered(task, source, image, prediction)
            if folder is not None:
                answer.drawn = _free(folder / f"{Path(source.name).stem}.{_suffix(image)}", answers)
                write_image(answer.drawn, task.draw(image, prediction))
            answers.append(answer)
    for source in found:
        if source.kind == "video":
            answers += _video(opened, task, source, folder, batch_size, device, answers)
    if say is not None:
        for defect in defects:
            say(f"left out: {defect}")
    if not answers:
        raise DataError(f"nothing could be read of {len(found)} sources; the first reason: {defects[0]}")
    if folder is not None:
        write_json(folder / PREDICTIONS, _page(opened, task, answers, defects, folder))
    return answers


def _read(
    sources: Sequence[Source], batch_size: int, defects: list[Defect], strict: bool
) -> Iterator[list[tuple[Source, Tensor]]]:
    """Batches of decoded pictures; the next batch is decoded while this one is answered."""

    def read(source: Source) -> Tensor | DataError:
        try:
            return read_image(source.path, max_pixels=MAX_PIXELS)
        except DataError as error:
            return error

    with ThreadPoolExecutor(READERS) as pool:
        groups = [list(group) for group in _batched(sources, batch_size)]
        waiting = [(group, [pool.submit(read, source) for source in group]) for group in groups[:2]]
        for place in range(len(groups)):
            group, futures = waiting.pop(0)
            if place + 2 < len(groups):
                waiting.append((groups[place + 2], [pool.submit(read, source) for source in groups[place + 2]]))
            batch = []
            for source, future in zip(group, futures, strict=True):
                image = future.result()
                if isinstance(image, DataError):
                    if strict:
                        raise image
                    defects.append(Defect(source.path, str(image).removeprefix(f"{source.path}: ")))
                else:
                    batch.append((source, image))
            if batch:
                yield batch


def _batched(items: Iterable[Any], size: int) -> Iterator[tuple[Any, ...]]:
    """Itertools' `batched`, which came with Python 3.12."""
    iterator = iter(items)
    while group := tuple(islice(iterator, size)):
        yield group


def _answer(runs: Sequence[Run], images: Sequence[Tensor], device: str) -> list[Any]:
    every = [answer_images(run.model, images, device) for run in runs]
    if len(every) == 1:
        return every[0]
    return [runs[0].task.ensemble(list(answers)) for answers in zip(*every, strict=True)]


def answer_images(
    model: Model[Any, Any, Any], images: Sequence[Tensor], device: str | torch.device = "cpu"
) -> list[Any]:
    """Predictions for uint8 RGB pictures (3, H, W) of any sizes, in the pixels of each."""
    inputs, placements = model.preprocess(images)
    with torch.inference_mode():
        return model.decode(model(channels_last(inputs.to(device))), placements)


def _video(
    runs: Sequence[Run],
    task: Task[Any, Any],
    source: Source,
    folder: Path | None,
    batch_size: int,
    device: str,
    earlier: Sequence[Answer],
) -> list[Answer]:
    answers: list[Answer] = []
    path = None if folder is None else _free(folder / f"{Path(source.name).stem}.mp4", earlier)
    stream = frames(source.path)
    first = next(stream, None)
    if first is None:
        raise DataError(f"{source.name}: the video has no frame that can be read")
    writer = None if path is None else VideoWriter(path, frame_rate(source.path))
    try:
        if writer is not None:
            writer.__enter__()
        for group in _batched(chain([first], stream), batch_size):
            images = [image for _, image in group]
            for (number, image), prediction in zip(group, _answer(runs, images, device), strict=True):
                answer = _answered(task, source, image, prediction)
                answer.frame, answer.drawn = number, path
                answers.append(answer)
                if writer is not None:
                    writer.write(task.draw(image, prediction))
    except BaseException as error:
        if writer is not None:
            writer.__exit__(type(error), error, error.__traceback__)
        raise
    if writer is not None:
        writer.__exit__(None, None, None)
    return answers


def _answered(task: Task[Any, Any], source: Source, image: Tensor, prediction: Any) -> Answer:
    height, width = image.shape[-2:]
    return Answer(source.name, prediction, height, width, facts=task.describe(prediction))


def _suffix(image: Tensor) -> str:
    return "png" if max(image.shape[-2:]) <= 256 else "jpg"


def _free(path: Path, earlier: Sequence[Answer]) -> Path:
    """A name that no other answer of this call has: two folders may hold files of one name."""
    taken = {answer.drawn for answer in earlier}
    number, wanted = 2, path
    while path in taken or path.name == PREDICTIONS:
        path = wanted.with_stem(f"{wanted.stem}-{number}")
        number += 1
    return path


def _page(
    runs: Sequence[Run], task: Task[Any, Any], answers: Sequence[Answer], defects: Sequence[Defect], folder: Path
) -> dict[str, Any]:
    return {
        "runs": [str(run.folder) for run in runs],
        "task": task.name,
        "class_names": task.class_names,
        "predictions": [
            {
                "source": answer.source,
                **({} if answer.frame is None else {"frame": answer.frame}),
                "height": answer.height,
                "width": answer.width,
                "drawn": answer.drawn.relative_to(folder).as_posix() if answer.drawn else None,
                **answer.facts,
            }
            for answer in answers
        ],
        "defects": [str(defect) for defect in defects],
    }
