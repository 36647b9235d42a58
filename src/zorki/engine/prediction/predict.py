"""Answers for files, folders, globs, URLs and videos: drawn on the images, and in predictions.json."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zorki.contracts import Model, Task
from zorki.data.images import MAX_PIXELS, TooManyPixels, write_image
from zorki.data.windows import WINDOWED_PIXELS, HeldImage, WindowedImage, open_windows
from zorki.engine.device import best_device, channels_last, check_device, on_device
from zorki.engine.evaluation.evaluate import open_all
from zorki.engine.prediction.sources import Source, expand
from zorki.engine.prediction.tiling import AT_ONCE, Tiling, answer_tiles, can_tile, plan_tiling, small_copy
from zorki.engine.prediction.video import VideoWriter
from zorki.engine.run.open import Run
from zorki.errors import DataError, RecipeError
from zorki.files import write_json
from zorki.types import ClassInfo, Defect, map_tensors

BATCH = 16  # images a step, where nobody said
AHEAD = 3  # batches in work: one answered, two decoded
SMALL = 256  # pixels: larger answers are written as JPEG
READERS = 4  # threads that decode ahead; decoding leaves Python's lock
MANY_TILES = 100  # of an image, from which it is told of beforehand
PREDICTIONS = "predictions.json"


@dataclass
class Answer:
    """One image's prediction: `source` as given, `frame` of a video, size in pixels, where it was drawn."""

    source: str
    prediction: Any
    height: int
    width: int
    frame: int | None = None
    drawn: Path | None = None
    words: str = ""  # the prediction for a person
    facts: dict[str, Any] = field(default_factory=dict)  # the prediction with names of classes, in plain JSON


def predict(
    runs: Sequence[Run | str | Path] | Run | str | Path,
    sources: Sequence[str] | str,
    *,
    out: str | Path | None = None,
    weights: str | Path | None = None,
    batch_size: int | None = None,
    device: str | None = None,
    strict: bool = False,
    keep: bool = True,
    tile: int | None = None,
    overlap: int | None = None,
    options: Mapping[str, str] | None = None,
    say: Callable[[str], None] | None = None,
) -> list[Answer]:
    """Answers for every image and every frame, in the order of the sources.

    Args:
        runs: one run, or several that answer together; or a model's name with `weights`.
        sources: files, folders, globs, URLs, videos.
        out: folder for annotated images, annotated videos and predictions.json; None writes nothing.
        strict: stop at the first source that cannot be read; else it is reported and left out.
        keep: hold on to the predictions; without, those that no file of answers needs become None when they are drawn
            and described, for the maps of an hour's film do not fit into memory.
        batch_size: images a step, 16 where None; with `tile` tiles, 4 where None.
        tile: images of any size are answered by tiles of so many pixels a side, read by windows where their format
            allows it, and joined. As large as the training images is right: each is shown to the network as an
            image. Of images above 4096 pixels a side a smaller copy is drawn.
        overlap: pixels that neighboring tiles share; None: an eighth of `tile`, or more where the network needs it.
        options: arguments of the model's builder, in the place of those that a run was trained with: a larger `size`
            of images, more answers.

    Raises:
        ZorkiError: no such run or source; nothing at all could be read; or there is a `tile`, and it does not go with
            the overlap, or the answers are about whole images.
    """
    listed = [runs] if isinstance(runs, str | Path | Run) else list(runs)
    if batch_size is None:
        batch_size = BATCH if tile is None else AT_ONCE
    if batch_size < 1:
        raise RecipeError(f"batch_size is {batch_size}; expected at least 1")
    device = check_device(device or best_device()[0])
    opened = open_all(listed, weights, options=options)
    for run in opened:
        on_device(run.model, device).eval()
    tiling = plan_tiling([run.model for run in opened], tile, overlap)
    if say is not None and tiling is not None and overlap is None:
        say(str(tiling))
    most = MAX_PIXELS if tiling is None else WINDOWED_PIXELS
    found = expand([sources] if isinstance(sources, str) else list(sources), max_pixels=most)
    task, info = opened[0].task, opened[0].info
    keep = keep or bool(task.presentation.exchange_format and not task.presentation.exchanges_records)
    work = _Work(
        opened, task, info, device, batch_size, strict, Path(out) if out is not None else None, keep, tiling, say
    )
    # Images are never written over their originals.
    work.taken = {os.path.abspath(source.path) for source in found if source.path}
    answers: list[Answer] = []
    for kind, members in groupby(found, key=lambda source: source.kind):
        group = list(members)
        images = _images if tiling is None else _large_images
        answers.extend(_videos(work, group) if kind != "image" else images(work, group))
    if say is not None:
        for defect in work.defects:
            say(f"left out: {defect}")
    if not answers:
        raise DataError(f"nothing could be read of {len(found)} sources; the first reason: {work.defects[0]}")
    if work.out is not None:
        write_json(work.out / PREDICTIONS, _page(work, answers))
    return answers


@dataclass
class _Work:
    """What one call works with."""

    runs: list[Run]
    task: Task[Any, Any]
    info: ClassInfo
    device: str
    batch_size: int
    strict: bool
    out: Path | None
    keep: bool
    tiling: Tiling | None
    say: Callable[[str], None] | None
    defects: list[Defect] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)

    def place(self, name: str, folder: str = "") -> Path:
        """A path for a file of an answer that is nobody else's: two folders may hold files of one name."""
        assert self.out is not None
        wanted = self.out / folder / Path(name).name
        path, number = wanted, 2
        while os.path.abspath(path) in self.taken:
            path = wanted.with_stem(f"{wanted.stem}-{number}")
            number += 1
        self.taken.add(os.path.abspath(path))
        return path

    def fail(self, source: Source, error: DataError) -> None:
        if self.strict:
            raise error
        path = source.path or Path(str(source))
        self.defects.append(Defect(path, str(error).removeprefix(f"{path}: ")))


def _images(work: _Work, sources: Sequence[Source]) -> Iterator[Answer]:
    for batch in _read(work, sources):
        predictions = _answer(work, [image for _, image in batch])
        for (source, image), prediction in zip(batch, predictions, strict=True):
            answer = _answered(work, source, image.shape[-2:], prediction)
            if work.out is not None:
                _draw(work, answer, source, image, prediction)
            yield _finished(work, answer, Path(source.name).stem)


def _draw(work: _Work, answer: Answer, source: Source, image: Tensor, prediction: Any) -> None:
    suffix = "png" if max(image.shape[-2:]) <= SMALL else "jpg"
    answer.drawn = work.place(f"{Path(source.name).stem}.{suffix}")
    write_image(answer.drawn, work.task.presentation.draw(image, prediction, work.info))


def _large_images(work: _Work, sources: Sequence[Source]) -> Iterator[Answer]:
    """One after the other, tile by tile."""
    for source in sources:
        try:
            with open_windows(
                source.path or Path(str(source)), max_pixels=work.runs[0].recipe.max_pixels or 0
            ) as image:
                _tell(work, source, image)
                prediction = _answer_tiles(work, image)
                answer = _answered(work, source, (image.height, image.width), prediction)
                if work.out is not None:
                    _draw(work, answer, source, *small_copy(image, prediction))
        except DataError as error:
            work.fail(source, error)
            continue
        yield _finished(work, answer, Path(source.name).stem)


def _windows(work: _Work, source: Source) -> contextlib.AbstractContextManager[WindowedImage]:
    if source.path is None:
        return contextlib.nullcontext(HeldImage(source.image()))
    return open_windows(source.path, max_pixels=work.runs[0].recipe.max_pixels or 0)


def _tell(work: _Work, source: Source, image: WindowedImage) -> None:
    """What is about to take a while."""
    assert work.tiling is not None
    count = len(work.tiling.of(image.height, image.width))
    if work.say is not None and count > MANY_TILES:
        work.say(f"{source.name}: {image.width} x {image.height} pixels, {count} tiles, {image.how}")


def _read(work: _Work, sources: Sequence[Source]) -> Iterator[list[tuple[Source, Tensor]]]:
    """Batches of decoded images; the next batch is decoded while this one is answered."""
    most = work.runs[0].recipe.max_pixels or MAX_PIXELS
    pieces = all(can_tile(run.model) for run in work.runs)

    def read(source: Source) -> Tensor | DataError:
        try:
            return source.image(most)
        except TooManyPixels as error:
            return DataError(f"{error}; --tile 512 answers larger ones in pieces of 512 pixels") if pieces else error
        except DataError as error:
            return error

    with ThreadPoolExecutor(READERS) as pool:
        waiting: deque[tuple[tuple[Source, ...], list[Future[Tensor | DataError]]]] = deque()
        for group in chain(_batched(sources, work.batch_size), [(), ()]):  # the empty ones drain what waits
            waiting.append((group, [pool.submit(read, source) for source in group]))
            if len(waiting) < AHEAD:
                continue
            batch = []
            for source, future in zip(*waiting.popleft(), strict=True):
                image = future.result()
                if isinstance(image, DataError):
                    work.fail(source, image)
                else:
                    batch.append((source, image))
            if batch:
                yield batch


def _batched(items: Iterable[Any], size: int) -> Iterator[tuple[Any, ...]]:
    """Itertools' `batched`, which came with Python 3.12."""
    iterator = iter(items)
    while group := tuple(islice(iterator, size)):
        yield group


def _answer(work: _Work, images: Sequence[Tensor]) -> list[Any]:
    if work.tiling is not None:
        return [_answer_tiles(work, HeldImage(image)) for image in images]
    every = [answer_images(run.model, images, work.device) for run in work.runs]
    if len(every) == 1:
        return every[0]
    return [work.task.evaluation.ensemble(list(answers)) for answers in zip(*every, strict=True)]


def _answer_tiles(work: _Work, image: WindowedImage) -> Any:
    assert work.tiling is not None
    tiles = work.tiling.of(image.height, image.width)
    models = [run.model for run in work.runs]
    answers = answer_tiles(models, image, tiles, batch_size=work.batch_size, device=work.device)
    return answers[0] if len(answers) == 1 else work.task.evaluation.ensemble(answers)


def answer_images(
    model: Model[Any, Any, Any], images: Sequence[Tensor], device: str | torch.device = "cpu"
) -> list[Any]:
    """Predictions for uint8 RGB images (3, H, W) of any sizes, in the pixels of each."""
    inputs, placements = model.preprocess(images)
    with torch.inference_mode():
        return model.decode(model(channels_last(map_tensors(inputs, lambda t: t.to(device)))), placements)


def _videos(work: _Work, sources: Sequence[Source]) -> Iterator[Answer]:
    for source in sources:
        try:
            yield from _video(work, source)
        except DataError as error:
            work.fail(source, error)


def _video(work: _Work, source: Source) -> Iterator[Answer]:
    stream = source.frames()
    first = next(stream, None)
    if first is None:
        raise DataError(f"{source}: the video has no frame that can be read")
    path = None if work.out is None else work.place(f"{Path(source.name).stem}.mp4")
    with contextlib.ExitStack() as stack:
        writer = None if path is None else stack.enter_context(VideoWriter(path, source.frame_rate()))
        for group in _batched(chain([first], _readable(work, source, stream)), work.batch_size):
            predictions = _answer(work, [image for _, image in group])
            for (number, image), prediction in zip(group, predictions, strict=True):
                answer = _answered(work, source, image.shape[-2:], prediction)
                answer.frame, answer.drawn = number, path
                if writer is not None:
                    writer.write(work.task.presentation.draw(image, prediction, work.info))
                yield _finished(work, answer, f"{Path(source.name).stem}-{number:06d}")


def _readable(work: _Work, source: Source, stream: Iterator[tuple[int, Tensor]]) -> Iterator[tuple[int, Tensor]]:
    """The frames of a video up to where it is broken, so that those before are written and kept."""
    try:
        yield from stream
    except DataError as error:
        work.fail(source, error)


def _answered(work: _Work, source: Source, size: Sequence[int], prediction: Any) -> Answer:
    height, width = size
    words = work.task.presentation.caption(prediction, work.info)
    facts = work.task.presentation.to_record(prediction, work.info)
    return Answer(str(source), prediction, height, width, words=words, facts=facts)


def _finished(work: _Work, answer: Answer, stem: str) -> Answer:
    """With the files of its own that the task gives it, and without the prediction where that is not kept."""
    if work.out is not None:
        told = work.task.presentation.write_files(
            answer.prediction, work.info, lambda folder, suffix: work.place(f"{stem}{suffix}", folder)
        )
        for name, fact in told.items():
            answer.facts[name] = fact.relative_to(work.out).as_posix() if isinstance(fact, Path) else fact
    if not work.keep:
        answer.prediction = None
    return answer


def _page(work: _Work, answers: Sequence[Answer]) -> Any:
    exchanged = work.task.presentation.exchange(answers, work.info)
    if exchanged is not None:
        return exchanged
    return {
        "runs": [str(run.folder) for run in work.runs],
        "task": work.task.name,
        "class_names": list(work.info.names),
        "predictions": [
            {
                "source": answer.source,
                **({} if answer.frame is None else {"frame": answer.frame}),
                "height": answer.height,
                "width": answer.width,
                "drawn": answer.drawn.relative_to(work.out).as_posix() if answer.drawn and work.out else None,
                **answer.facts,
            }
            for answer in answers
        ],
        "defects": [str(defect) for defect in work.defects],
    }
