"""Predictions for files, folders, addresses, videos, cameras and images in memory: as results, and written."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, groupby, islice, tee
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar, Unpack, overload

import numpy as np

from zorki.contracts import Task
from zorki.contracts.capabilities import Selection, Smooths, TakesReducedImages
from zorki.data.images import MAX_PIXELS, Array, TooManyPixels, image_size, write_image
from zorki.data.loading.parts import MAX_HELD_PIXELS, Parts
from zorki.data.video.films import Strip, is_strip, open_film
from zorki.engine.prediction.journal import fingerprints
from zorki.engine.prediction.predictions_json import PredictionsFile
from zorki.engine.prediction.predictors.predictor import (
    Opened,
    Predictor,
    check_device,
    open_predictable,
    open_predictors,
    region_source,
)
from zorki.engine.prediction.result import SMALL, Result, suffix_of
from zorki.engine.prediction.selection import Classes, keep_selected, selection_of
from zorki.engine.prediction.sources import Source, can_go_on, expand, words
from zorki.engine.prediction.tracks.files import TrackFiles
from zorki.engine.prediction.tracks.follower import Follower
from zorki.engine.prediction.tracks.options import NO_TRACKING, Places, Track, TrackOptions, track_options
from zorki.engine.prediction.video import TimedFrame, VideoWriter
from zorki.engine.run.lock import run_lock
from zorki.errors import DataError, RecipeError
from zorki.files import new_output
from zorki.output import say
from zorki.tiles import AT_ONCE
from zorki.types import ClassInfo, Placement
from zorki.types.arrays import array_of, tensor_of

if TYPE_CHECKING:
    from zorki.data.windows import WindowedImage
    from zorki.engine.prediction.inference import RegionSource
    from zorki.engine.prediction.predictors.exported import ExportedModel
    from zorki.engine.prediction.tiling import Tiling
    from zorki.engine.run.open import RunLike

BATCH = 16  # images a step, where nobody said; of live streams 1
AHEAD = 3  # batches in work: one predicted, two decoded
LARGE_READERS = 2  # threads that decode images of which a batch is too large to be held
READERS = 4  # threads that decode ahead; decoding leaves Python's lock
FAULTS = (OSError, ValueError, RuntimeError, ArithmeticError, MemoryError)  # of other libraries, on odd inputs
MANY_TILES = 100  # of an image, from which it is told of beforehand

T = TypeVar("T")


class RunSettings(TypedDict, total=False):
    """Settings of `Run.predict`, for type checkers."""

    conf: float | None
    iou: float | None
    max_det: int | None
    classes: Classes | None
    out: str | Path | bool | None
    resume: bool
    batch_size: int | None
    device: str | int | None
    strict: bool | None
    tile: int | None
    overlap: int | None
    max_frames: int | None
    bgr: bool
    quiet: bool
    track: Track
    embed: RunLike | None
    count_lines: Places | None
    count_zones: Places | None
    prompt: Any
    boxes_from: RunLike | None
    smooth: str | None


class PredictSettings(RunSettings, total=False):
    """Settings of `predict`, for type checkers."""

    weights: str | Path | None
    options: Mapping[str, str] | None


@overload
def predict(
    runs: Sequence[RunLike] | RunLike | ExportedModel,
    sources: Any,
    *,
    stream: Literal[True],
    **settings: Unpack[PredictSettings],
) -> Iterator[Result]: ...


@overload
def predict(
    runs: Sequence[RunLike] | RunLike | ExportedModel,
    sources: Any,
    *,
    stream: Literal[False] = False,
    **settings: Unpack[PredictSettings],
) -> list[Result]: ...


def predict(
    runs: Sequence[RunLike] | RunLike | ExportedModel,
    sources: Any,
    *,
    stream: bool = False,
    conf: float | None = None,
    iou: float | None = None,
    max_det: int | None = None,
    classes: Classes | None = None,
    out: str | Path | bool | None = None,
    resume: bool = False,
    weights: str | Path | None = None,
    batch_size: int | None = None,
    device: str | int | None = None,
    strict: bool | None = None,
    tile: int | None = None,
    overlap: int | None = None,
    max_frames: int | None = None,
    bgr: bool = False,
    options: Mapping[str, str] | None = None,
    prompt: Any = None,
    boxes_from: RunLike | None = None,
    smooth: str | None = None,
    quiet: bool = False,
    track: Track = False,
    embed: RunLike | None = None,
    count_lines: Places | None = None,
    count_zones: Places | None = None,
) -> list[Result] | Iterator[Result]:
    """A `Result` for every image and every frame, in the order of the sources.

    What is not said is as the run was trained: thresholds, size of the input, class names.

    Args:
        runs: one run, or several that predict together; or a model's name with `weights`; or one exported file,
            which is predicted with by ONNX Runtime, without torch.
        sources: files, folders, globs, addresses, videos, a camera's number, images as numpy arrays (uint8, RGB),
            Pillow images or tensors, an iterator of frames, or a list of these; see `expand` and `as_array`.
        stream: an iterator, which holds a few images at a time, in the place of a list. Cameras and other sources
            without an end need it.
        conf: minimum score, 0..1.
        iou: IoU threshold of non-maximum suppression, 0..1: of two boxes of a class that overlap more, one stays.
        max_det: predictions an image at most, the best.
        classes: names or labels of the classes that are wanted.
        out: new folder for annotated images, annotated videos and predictions.json; True: runs/predict-1, or the next
            that is free; None writes nothing.
        resume: go on in the folder `out`, where the same call was stopped or failed. Sources that were done are not
            predicted again, and not among what comes back; all are in predictions.json.
        strict: raise at the first source that cannot be read; False: leave it out and say so. None: raise for those
            that were named, since results would no longer go with them, and leave out those in folders and globs.
        batch_size: images a step, 16 where None, and 1 of cameras; with `tile` tiles, 4 where None.
        tile: images of any size are predicted by tiles of so many pixels a side, read by windows where their format
            allows it, and joined. As large as the training images is right: each is shown to the network as an
            image. Of images above 4096 pixels a side a smaller copy is drawn.
        overlap: pixels that neighboring tiles share; None: an eighth of `tile`, or more where the network needs it.
        max_frames: of each video, camera or iterator.
        bgr: arrays and tensors in memory hold blue first, as OpenCV's do.
        options: arguments of the model's builder, in the place of those that a run was trained with: a larger
            `image_size`, more boxes.
        prompt: what a model that tracks is told of the first frame of each video, such as the box of the object.
        boxes_from: a detector's run, whose boxes are the regions that a network for joints looks at; None: it looks at
            each image as one object.
        smooth: of videos, a filter over time by which predictions jitter less, such as "one-euro", or with its
            parameters "one-euro:min_cutoff=1,beta=5"; tasks whose predictions move have one.
        quiet: print nothing.
        track: of videos and cameras: objects get ids, `row.id`, that stay the same from frame to frame; see
            `ByteTracker`. Results hold the objects that are on a track. A mapping or `TrackerSettings` says thresholds.
            Tracks begin with boxes that score `conf`, or else what the run shows, and go on with those that score less.
        embed: a run that embeds images, by which objects that were hidden are known again.
        count_lines: lines, each "x1,y1,x2,y2" or four numbers in pixels, over which tracked objects are counted.
        count_zones: polygons, each "x,y,x,y,x,y,...", of which those are counted that come in and go out.

    Raises:
        ZorkiError: no such run or source; nothing at all could be read; a setting that this network does not have;
            `out` holds files already, or nothing to go on with; or there is a `tile`, and it does not go with the
            overlap, or the network's predictions are about whole images.
    """
    for name, count in (("batch_size", batch_size), ("max_frames", max_frames)):
        if count is not None and count < 1:
            raise RecipeError(f"{name} is {count}; expected at least 1")
    opened = open_predictable(runs, weights, options)
    device = check_device(opened, device)
    info = opened[0].info
    selection_of(conf, iou, max_det, classes, info.names)  # which names what is wrong before the tracker does
    tracking = track_options(track, embed, count_lines, count_zones, info=_with_conf(info, conf), device=device)
    lowest = conf if tracking is None else tracking.settings.low_score
    selection = selection_of(lowest, iou, max_det, classes, info.names)
    regions = region_source(boxes_from, opened[0], device)
    models = open_predictors(opened, selection, device, regions)
    tiling = _tiling(models, tile, overlap)
    films = opened[0].task.unit == "clip"
    found = expand(sources, max_pixels=_largest(tiling), bgr=bgr, films=films)
    _check_end(found, stream)
    tell = _say_nothing if quiet else say
    if tiling is not None and overlap is None:
        tell(str(tiling))
    command = {
        "runs": [str(run.folder) for run in opened],
        "weights": None if weights is None else str(weights),
        "conf": conf, "iou": iou, "max_det": max_det, "classes": classes, "tile": tile, "overlap": overlap,
        "max_frames": max_frames, "options": options,
        "boxes_from": None if regions is None else str(regions.detector.folder), "smooth": smooth,
        **(NO_TRACKING if tracking is None else tracking.command()),
    }  # fmt: skip
    info = _with_conf(info, lowest)
    work = _Work(opened, models, info, selection, device, batch_size, strict, tiling, max_frames, bgr, tell)
    work.streams, work.prompt, work.regions, work.smooth = stream, prompt, regions, smooth
    work.tracking = tracking
    _check_unit(work, found)
    _check_tracking(work, found)
    _check_smooth(work, found)
    work.out = work.output.enter_context(_output(out, resume))
    if work.out is not None and prompt is None and can_go_on(found):
        hashes = fingerprints(opened, weights)
        work.command = {"folder": os.getcwd(), **command, "sources": words(sources), "sha256": hashes}
    elif resume:
        raise RecipeError("resume goes on with files, folders, globs and addresses; the rest is predicted anew")
    work.resume = resume
    results = _results(work, found)
    return results if stream else list(results)


def _tiling(models: Sequence[Predictor], tile: int | None, overlap: int | None) -> Tiling | None:
    if tile is None and overlap is None:
        return None
    from zorki.engine.prediction.tiling import plan_tiling

    return plan_tiling([model.network("tile") for model in models], tile, overlap)


def _largest(tiling: Tiling | None) -> int:
    """Pixels of images that are read."""
    if tiling is None:
        return MAX_PIXELS
    from zorki.data.windows import WINDOWED_PIXELS

    return WINDOWED_PIXELS


def _with_conf(info: ClassInfo, conf: float | None) -> ClassInfo:
    """With the score from which predictions are shown, where that was said."""
    return info if conf is None else dataclasses.replace(info, score_threshold=conf)


def _output(out: str | Path | bool | None, resume: bool) -> contextlib.AbstractContextManager[Path | None]:
    if resume:
        if out is None or isinstance(out, bool):
            raise RecipeError('resume needs the folder that was begun: out="runs/predict-1"')
        return contextlib.nullcontext(Path(out))
    if out is None or out is False:
        return contextlib.nullcontext()
    return new_output(None if out is True else out, "predict")


def _say_nothing(words: str) -> None:
    """In the place of print."""


@dataclass
class _Work:
    """What one call works with."""

    runs: list[Opened]
    models: list[Predictor]
    info: ClassInfo
    selection: Selection
    device: str
    batch_size: int | None
    strict: bool | None
    tiling: Tiling | None
    max_frames: int | None
    bgr: bool
    say: Callable[[str], None]
    out: Path | None = None
    output: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)  # what ends with the last result
    streams: bool = False  # results are let go one by one
    prompt: Any = None
    command: dict[str, Any] | None = None  # what can be gone on with
    regions: RegionSource | None = None
    smooth: str | None = None
    tracking: TrackOptions | None = None
    resume: bool = False
    page: PredictionsFile | None = None
    defects: list[str] = field(default_factory=list)
    undrawn: dict[str, str] = field(default_factory=dict)  # one a source
    extra: dict[str, list[Path]] = field(default_factory=dict)  # files of a video beside those of its frames
    taken: dict[str, int] = field(default_factory=dict)  # paths, and the last number that was given to each
    failed: Callable[[Source, DataError], None] | None = None  # is told of each, in the place of `defects`

    @property
    def task(self) -> Task[Any, Any]:
        return self.runs[0].task

    @property
    def max_pixels(self) -> int | None:
        return self.runs[0].recipe.max_pixels

    @property
    def decoded_side(self) -> int | None:
        """Pixels of the shorter side that decoded images have at least; None: all, where a network asks for all."""
        sides = [
            model.preprocess.decoded_side if isinstance(model.preprocess, TakesReducedImages) else None
            for model in self.models
        ]
        limits = [side for side in sides if side is not None]
        return max(limits) if len(limits) == len(sides) and self.tiling is None else None

    def step(self, live: bool = False) -> int:
        """Images, or tiles, that are predicted at once."""
        return self.batch_size or (AT_ONCE if self.tiling is not None else 1 if live else BATCH)

    def place(self, name: str, folder: str = "") -> Path:
        """A path for a file of a result that is nobody else's: two folders may hold files of one name."""
        assert self.out is not None
        target = self.out / folder / Path(name).name
        path, first = target, os.path.abspath(target)
        number = self.taken.get(first, 1)
        while os.path.abspath(path) in self.taken:
            number += 1
            path = target.with_stem(f"{target.stem}-{number}")
        self.taken[os.path.abspath(path)] = 1
        self.taken[first] = number
        return path

    def keep(self, files: Iterable[str]) -> None:
        """Files of results of before, from the folder, are nobody else's."""
        assert self.out is not None
        self.taken.update((os.path.abspath(self.out / name), 1) for name in files)

    def fail(self, source: Source, error: DataError) -> None:
        if self.failed is not None:
            self.failed(source, error)
            return
        if source.named if self.strict is None else self.strict:
            raise error
        self.defects.append(str(_of(source, error)))

    @contextlib.contextmanager
    def drawing(self, source: Source) -> Iterator[None]:
        """What fails in it costs the files of this source, not its predictions; a full disk is everybody's."""
        try:
            yield
        except (DataError, *FAULTS) as error:
            self.undrawn.setdefault(str(source), f"{source.path or source}: {_reason(error)}")


class ImagePredictor:
    """One run, or exported file, for streams of images whose results somebody else writes; settings as of `predict`."""

    def __init__(
        self,
        run: RunLike | ExportedModel,
        *,
        conf: float | None = None,
        iou: float | None = None,
        max_det: int | None = None,
        classes: Classes | None = None,
        weights: str | Path | None = None,
        tile: int | None = None,
        overlap: int | None = None,
        options: Mapping[str, str] | None = None,
        boxes_from: RunLike | None = None,
        batch_size: int | None = None,
        device: str | int | None = None,
    ) -> None:
        if batch_size is not None and batch_size < 1:
            raise RecipeError(f"batch_size is {batch_size}; expected at least 1")
        opened = open_predictable(run, weights, options)
        self.opened: Any = opened[0]
        if self.opened.task.unit != "image":
            raise RecipeError(f"{self.opened.task.name} predicts videos; shards are made of images")
        device = check_device(opened, device)
        selection = selection_of(conf, iou, max_det, classes, self.opened.info.names)
        regions = region_source(boxes_from, self.opened, device)
        models = open_predictors(opened, selection, device, regions)
        tiling = _tiling(models, tile, overlap)
        self.info = _with_conf(self.opened.info, conf)
        self._work = _Work(
            opened, models, self.info, selection, device, batch_size, False, tiling, None, False, _say_nothing
        )
        self._work.streams, self._work.regions = True, regions

    def predict(self, sources: Iterable[Source], failed: Callable[[Source, DataError], None]) -> Iterator[Result]:
        """A result for each image, in this order, a few images being held; `failed` is told of the others."""
        work = dataclasses.replace(self._work, failed=failed)
        return _images(work, sources) if work.tiling is None else _large_images(work, sources)


def _results(work: _Work, sources: Sequence[Source]) -> Iterator[Result]:
    """All results, each written before it is handed out."""
    count = 0
    with work.output, contextlib.ExitStack() as stack:
        if work.out is not None:
            stack.enter_context(run_lock(work.out))
            page = PredictionsFile(work.out, _head(work), work.command, resume=work.resume)
            stack.callback(_say_end, work, page)  # said of what was stopped, too: its files are there
            stack.enter_context(page)
            sources = _continued(work, page, sources)
            work.page, count = page, page.journal.results
        for kind, members in groupby(sources, key=lambda source: source.kind):
            group = list(members)
            images = _images if work.tiling is None else _large_images
            for result in images(work, group) if kind == "image" else _videos(work, group):
                count += 1
                if work.page is not None:
                    work.page.add(result, done=kind == "image", undrawn=_undrawn(work, result.path, kind == "image"))
                yield result
        if not count and len(sources) == 1:
            raise DataError(work.defects[0])
        for defect in work.defects:
            work.say(f"left out: {defect}")
        undrawn = _every_undrawn(work)
        for failure in undrawn:
            work.say(f"predicted, but not drawn: {failure}")
        if not count:
            raise DataError(f"nothing could be read of {len(sources)} sources; the first reason: {work.defects[0]}")
        if work.page is not None and work.page.head is not None:
            work.page.tail = {"defects": [*work.defects, *undrawn]}


def _continued(work: _Work, page: PredictionsFile, sources: Sequence[Source]) -> list[Source]:
    """The sources of which something is left to do, with what is known of the others."""
    work.keep(page.journal.files)
    done = page.journal.done.copy()
    rest = []
    for source in sources:
        if done[str(source)]:
            done[str(source)] -= 1
        else:
            rest.append(source)
    if work.resume:
        work.say(f"going on: {len(sources) - len(rest)} of {len(sources)} sources are done")
    return rest


def _undrawn(work: _Work, source: str, done: bool = True) -> str | None:
    return work.undrawn.get(source) if done else None


def _every_undrawn(work: _Work) -> list[str]:
    """Those of before a stop, too."""
    before = {} if work.page is None else work.page.journal.undrawn
    return list((before | work.undrawn).values())


def _say_end(work: _Work, page: PredictionsFile) -> None:
    count = page.journal.results
    if count:
        way = f"; go on with: zorki predict --resume {work.out}" if page.left else ""
        work.say(f"{count} {_predictions(count)} in {work.out}{way}")


def _predictions(count: int) -> str:
    return "prediction" if count == 1 else "predictions"


def _head(work: _Work) -> dict[str, Any] | None:
    if work.task.presentation.exchange_format:
        return None
    runs = [str(run.folder) for run in work.runs]
    return {"runs": runs, "task": work.task.name, "class_names": list(work.info.names)}


def _images(work: _Work, sources: Iterable[Source]) -> Iterator[Result]:
    for batch in _read(work, sources):
        if not isinstance(batch, list):
            yield from _large_batch(work, batch)
            continue
        predictions = _predict_each(work, [image for _, image in batch])
        for (source, image), prediction in zip(batch, predictions, strict=True):
            if isinstance(prediction, DataError):
                work.fail(source, _of(source, prediction))
                continue
            result = _result(work, source, image, prediction)
            draw = partial(_draw, work, result, image)
            yield _with_files(work, result, source, draw)


def _size(work: _Work, source: Source, image: Array) -> tuple[int, int]:
    """Height and width of the image in its file, of which `image` may be a small copy."""
    if work.decoded_side is not None and source.path is not None:
        return image_size(source.path)
    return image.shape[-2], image.shape[-1]


def _large_batch(work: _Work, sources: Sequence[Source]) -> Iterator[Result]:
    """Results of a batch that is not held: an image is decoded again where it is drawn, while another is drawn."""
    predicted = _predict_decoded(work, sources)
    drawn = [source for source, _, prediction in predicted if not isinstance(prediction, DataError)]
    images = _decoded(work, drawn if work.out is not None else [], None)
    for source, size, prediction in predicted:
        if isinstance(prediction, DataError):
            work.fail(source, _of(source, prediction))
            continue
        result = _new_result(work, source, size, prediction, source)
        yield _with_files(work, result, source, partial(_draw_next, work, result, images))


def _draw_next(work: _Work, result: Result, images: Iterator[tuple[Source, Array | DataError]]) -> Array:
    """The result on the next image. Raises DataError where that could not be read again."""
    _, image = next(images)
    if isinstance(image, DataError):
        raise image
    return _draw(work, result, image)


def _draw(work: _Work, result: Result, image: Array, follower: Follower | None = None) -> Array:
    if image.ndim == 4:  # a film in one image
        image = image[len(image) // 2]
    ground = array_of(image) if follower is None else follower.background(array_of(image))
    return work.task.presentation.draw(ground, result.annotation, work.info)


def _predict_decoded(work: _Work, sources: Sequence[Source]) -> list[tuple[Source, tuple[int, int], Any]]:
    """Sources that can be read, with the sizes of their images and predictions for them; or why there is none."""
    batches = [Parts(model.preprocess) for model in work.models]
    read: list[tuple[Source, tuple[int, int]]] = []
    try:
        for source, image in _decoded(work, sources, work.decoded_side):
            if isinstance(image, DataError):
                work.fail(source, image)
                continue
            read.append((source, _size(work, source, image)))
            regions = None if work.regions is None else work.regions([tensor_of(image)])[0]
            for model, batch in zip(work.models, batches, strict=True):
                batch.add(model.convert(image), regions)
        predictions = _predict_batches(work, [batch.finish() for batch in batches]) if read else []
    except FAULTS as error:  # of one of them
        if len(sources) > 1:
            return [found for source in sources for found in _predict_decoded(work, [source])]
        predictions = [_failed(error, *size) for _, size in read]
    return [(source, size, prediction) for (source, size), prediction in zip(read, predictions, strict=True)]


def _decoded(
    work: _Work, sources: Sequence[Source], shorter_side: int | None
) -> Iterator[tuple[Source, Array | DataError]]:
    """The images, or why they cannot be read, one after the other; one is decoded ahead."""
    with ThreadPoolExecutor(LARGE_READERS) as pool:
        waiting: deque[Future[Array | DataError]] = deque()
        rest = iter(sources)
        for source in sources:
            while len(waiting) < LARGE_READERS and (following := next(rest, None)) is not None:
                waiting.append(pool.submit(_image_or_reason, work, following, shorter_side))
            yield source, waiting.popleft().result()


def _of(source: Source, error: DataError) -> DataError:
    """The error with its source, and with what was behind it."""
    name = f"{source.path or source}: "
    failure = DataError(name + str(error).removeprefix(name))
    failure.__cause__ = error.__cause__
    return failure


def _write_drawing(work: _Work, result: Result, source: Source, draw: Callable[[], Array]) -> None:
    with work.drawing(source):
        drawing = draw()
        small = max(result.height, result.width) <= SMALL
        path = work.place(f"{Path(source.name).stem}.{'png' if small else suffix_of(*drawing.shape[1:])}")
        write_image(path, drawing)
        result.drawn = path


def _large_images(work: _Work, sources: Iterable[Source]) -> Iterator[Result]:
    """One after the other, tile by tile."""
    for source in sources:
        size = (0, 0)
        try:
            with _windows(work, source) as image:
                size = (image.height, image.width)
                _tell(work, source, image)
                prediction = keep_selected(_predict_tiles(work, image), work.selection)
        except DataError as error:
            work.fail(source, error)
            continue
        except FAULTS as error:
            work.fail(source, _of(source, _failed(error, *size)))
            continue
        result = _new_result(work, source, size, prediction, source)
        yield _with_files(work, result, source, result.draw)


def _windows(work: _Work, source: Source) -> contextlib.AbstractContextManager[WindowedImage]:
    from zorki.data.windows import HeldImage, open_windows

    if source.path is None:
        return contextlib.nullcontext(HeldImage(source.image()))
    return open_windows(source.path, max_pixels=work.max_pixels or 0)


def _tell(work: _Work, source: Source, image: WindowedImage) -> None:
    """What is about to take a while."""
    assert work.tiling is not None
    count = len(work.tiling.of(image.height, image.width))
    if count > MANY_TILES:
        work.say(f"{source.name}: {image.width} x {image.height} pixels, {count} tiles, {image.how}")


def _image_or_reason(work: _Work, source: Source, shorter_side: int | None) -> Array | DataError:
    try:
        if work.task.unit == "clip" and source.path is not None and is_strip(source.path):
            strip = Strip(source.path, max_pixels=work.max_pixels or MAX_PIXELS)
            return np.stack([array_of(frame) for frame in strip])
        return source.array(work.max_pixels or MAX_PIXELS, shorter_side)
    except TooManyPixels as error:
        pieces = all(model.can_tile for model in work.models)
        return DataError(f"{error}; --tile 512 predicts larger ones in pieces of 512 pixels") if pieces else error
    except DataError as error:
        return error


def _is_large(work: _Work, sources: Sequence[Source]) -> bool:
    """Whether the images of a batch are too many pixels to be held at once; seen by the headers of their files.

    Or are to be drawn whole, and predicted from small copies.
    """
    if work.decoded_side is not None and work.out is not None:
        return len(sources) > 0
    return len(sources) > 1 and sum(source.count_pixels(work.decoded_side) for source in sources) > MAX_HELD_PIXELS


def _read(work: _Work, sources: Iterable[Source]) -> Iterator[list[tuple[Source, Array]] | tuple[Source, ...]]:
    """Batches of decoded images; the next batch is decoded while this one is predicted. Of large ones the sources."""
    with ThreadPoolExecutor(READERS) as pool:
        waiting: deque[tuple[tuple[Source, ...], list[Future[Array | DataError]] | None]] = deque()
        for group in chain(_batched(sources, work.step()), [(), ()]):  # the empty ones drain what waits
            large, side = _is_large(work, group), work.decoded_side
            futures = None if large else [pool.submit(_image_or_reason, work, one, side) for one in group]
            waiting.append((group, futures))
            if len(waiting) < AHEAD:
                continue
            ready, futures = waiting.popleft()
            if futures is None:
                yield ready
                continue
            batch = []
            for source, future in zip(ready, futures, strict=True):
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


def _predict_each(work: _Work, images: Sequence[Array]) -> list[Any]:
    """Predictions for the images; in the place of one on which the network fails, why."""
    try:
        return _predict(work, images)
    except (DataError, *FAULTS) as error:
        if len(images) > 1:  # one of them
            return [prediction for image in images for prediction in _predict_each(work, [image])]
        return [_failed(error, *images[0].shape[-2:])]


def _failed(error: Exception, height: int, width: int) -> DataError:
    failure = DataError(f"the network fails on this image of {width} x {height} pixels: {_reason(error)}")
    failure.__cause__ = error
    return failure


def _reason(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def _predict(work: _Work, images: Sequence[Any]) -> list[Any]:
    if work.tiling is not None:
        from zorki.data.windows import HeldImage

        joined = [_predict_tiles(work, HeldImage(tensor_of(image))) for image in images]
    else:
        return _predict_batches(work, [model.prepare(images) for model in work.models])
    return [keep_selected(prediction, work.selection) for prediction in joined]


def _predict_batches(work: _Work, batches: Sequence[tuple[Any, list[Placement]]]) -> list[Any]:
    """Predictions for the same images, as the preprocessing of each model has them."""
    every = [model.predict(*batch) for model, batch in zip(work.models, batches, strict=True)]
    joined = every[0] if len(every) == 1 else [_join(work, some) for some in zip(*every, strict=True)]
    return [keep_selected(prediction, work.selection) for prediction in joined]


def _predict_tiles(work: _Work, image: WindowedImage) -> Any:
    from zorki.engine.prediction.tiling import predict_tiles

    assert work.tiling is not None
    tiles = work.tiling.of(image.height, image.width)
    networks = [model.network("tile") for model in work.models]
    return _join(work, predict_tiles(networks, image, tiles, batch_size=work.step(), device=work.device))


def _join(work: _Work, predictions: Sequence[Any]) -> Any:
    return predictions[0] if len(predictions) == 1 else work.task.evaluation.ensemble(list(predictions))


def _videos(work: _Work, sources: Sequence[Source]) -> Iterator[Result]:
    for source in sources:
        failed = len(work.defects)
        try:
            yield from _video(work, source)
            if work.page is not None and len(work.defects) == failed:
                work.page.add_done(str(source), _undrawn(work, str(source)), work.extra.get(str(source), []))
        except DataError as error:
            work.fail(source, error)
        except FAULTS as error:
            failure = DataError(f"{source}: the network fails on this video: {_reason(error)}")
            failure.__cause__ = error
            work.fail(source, failure)


class _DrawnVideo:
    """The drawn frames as a video, which ends alone where one cannot be encoded; one that cannot be drawn is passed."""

    def __init__(self, work: _Work, source: Source) -> None:
        self._work, self._source, self._written = work, source, -1
        self.path: Path | None = work.place(f"{Path(source.name).stem}.mp4")
        self._writer = VideoWriter(self.path, source.frame_rate())
        self._shown: list[Result] = []  # that are held anyhow

    def __enter__(self) -> _DrawnVideo:
        self._writer.__enter__()
        return self

    def add(self, result: Result, number: int, draw: Callable[[], Array]) -> None:
        """A live stream shows no frame in the place of those dropped: the next is shown for them."""
        if self.path is None:
            return
        result.drawn = self.path
        if not self._work.streams:
            self._shown.append(result)
        with self._work.drawing(self._source):
            drawing = draw()
            try:
                for _ in range(number - self._written):
                    self._writer.write(drawing)
                self._written = number
            except DataError as error:
                result.drawn = None
                self._writer.__exit__(type(error), error, None)
                self._forget()
                raise

    def _forget(self) -> None:
        """The video is not there: no result names it."""
        self.path = None
        for result in self._shown:
            result.drawn = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        path = self.path
        if path is not None:
            with self._work.drawing(self._source):
                self._writer.__exit__(kind, error, trace)
            if not path.is_file():
                self._forget()


class _OverTime:
    """Predictions for one video that are followed, and filtered, over time, where that is asked for."""

    def __init__(self, work: _Work, follower: Follower | None) -> None:
        presentation = work.task.presentation
        self._follower = follower
        self._smoother: Callable[[Any, float], Any] | None = None
        if work.smooth is not None and isinstance(presentation, Smooths):
            self._smoother = presentation.smoother(work.smooth)
        self._seconds: dict[int, float] = {}  # of frames whose predictions are still to come

    def read(self, stream: Iterator[TimedFrame]) -> Generator[tuple[int, Array], None, None]:
        """The numbered frames, whose times are kept."""
        for frame in stream:
            if self._smoother is not None or self._follower is not None:
                self._seconds[frame.number] = frame.seconds
            yield frame.number, frame.pixels

    def filter(self, stream: Iterator[tuple[int, Array, Any]]) -> Iterator[tuple[int, Array, Any]]:
        """The numbered frames with their predictions: followed first, since a filter over time asks who is who."""
        for number, image, prediction in stream:
            seconds = self._seconds.pop(number, 0.0)
            if self._follower is not None:
                prediction = self._follower.follow(prediction, image, number, seconds)
            if self._smoother is not None:
                prediction = self._smoother(prediction, seconds)
            yield number, image, prediction


def _video(work: _Work, source: Source) -> Iterator[Result]:
    live = source.kind == "live"
    with contextlib.ExitStack() as stack:
        timed = stack.enter_context(contextlib.closing(source.timed_frames(bgr=work.bgr)))
        first = next(timed, None)
        if first is None:
            raise DataError(f"{source}: the video has no frame that can be read")
        film = None if work.out is None else stack.enter_context(_DrawnVideo(work, source))
        follower = None if work.tracking is None else _follower(work, source, stack)
        over_time = _OverTime(work, follower)
        frames = stack.enter_context(contextlib.closing(over_time.read(chain([first], timed))))
        readable = islice(_readable(work, source, frames), work.max_frames)
        # Where the network fails, the drawn video ends as well, and is whole.
        predicted = over_time.filter(_frames(work, source, readable, work.step(live)))
        for number, image, prediction in _until_failure(work, source, predicted):
            result = _result(work, source, image, prediction, number)
            if film is not None:
                film.add(result, number, partial(_draw, work, result, image, follower))
            if work.task.unit != "clip":
                yield _with_files(work, result, source)
            elif number == first.number:  # one result for all frames
                result.frame = None
                yield _with_files(work, result, source)
        for line in [] if follower is None else follower.summary():
            work.say(f"{source.name}: {line}")


def _follower(work: _Work, source: Source, stack: contextlib.ExitStack) -> Follower:
    """What follows the objects of a video, and writes who was where into files beside its drawing."""
    assert work.tracking is not None
    files = None
    if work.out is not None:
        stem = Path(source.name).stem
        counts = work.place(f"{stem}.csv", "counts") if work.tracking.counter.places else None
        paths = work.place(f"{stem}.csv", "tracks"), work.place(f"{stem}.txt", "mot")
        files = stack.enter_context(TrackFiles(*paths, counts))
        work.extra[str(source)] = files.paths
    return Follower(work.tracking, float(1 / source.frame_rate()), files)


def _check_end(sources: Sequence[Source], stream: bool) -> None:
    """Raises RecipeError where a list of results would never be complete."""
    live = [source for source in sources if source.kind == "live"]
    if live and not stream:
        raise RecipeError(f"{live[0]} has no end: say stream=True, and take its results one by one")


def _check_unit(work: _Work, sources: Sequence[Source]) -> None:
    """Raises RecipeError where a model that tracks has nothing to begin with, or nothing to follow it through."""
    name = work.task.name
    if work.task.unit != "video":
        if work.prompt is not None:
            raise RecipeError(f"{name} takes no prompt, since nothing is followed; leave it out")
        return
    if work.prompt is None or len(work.runs) > 1:
        raise RecipeError(
            f"{name} follows an object with one model: give one run, and a prompt; on the command line, see zorki track"
        )
    image = next((source for source in sources if source.kind == "image"), None)
    if image is not None:
        raise RecipeError(f"{image}: {name} is about videos, and this is an image")


def _check_tracking(work: _Work, sources: Sequence[Source]) -> None:
    """Raises RecipeError where there is no film to follow objects through; says what was chosen."""
    if work.tracking is None:
        return
    if work.task.unit != "image":
        raise RecipeError(
            f"{work.task.name} finds no boxes in single frames, which tracks are made of; leave track out"
        )
    image = next((source for source in sources if source.kind == "image"), None)
    if image is not None:
        raise RecipeError(
            f"{image}: it is an image, and objects are tracked through videos and cameras; leave track out"
        )
    work.say(work.tracking.describe())


def _check_smooth(work: _Work, sources: Sequence[Source]) -> None:
    """Raises RecipeError where there is nothing to filter over time, or no such filter."""
    if work.smooth is None:
        return
    presentation = work.task.presentation
    if not isinstance(presentation, Smooths):
        raise RecipeError(f"smooth is {work.smooth!r}, but {work.task.name} has nothing that moves; leave it out")
    presentation.smoother(work.smooth)
    if all(source.kind == "image" for source in sources):
        raise RecipeError(f"smooth is {work.smooth!r}, but all sources are images, not videos; leave it out")


def _frames(
    work: _Work, source: Source, stream: Iterator[tuple[int, Array]], step: int
) -> Iterator[tuple[int, Array, Any]]:
    """The numbered frames of a video with their predictions: one by one, of the whole clip, or followed."""
    if work.task.unit == "clip" and source.path is not None and work.max_frames is None:
        (prediction,) = _predict(work, [open_film(source.path, max_pixels=work.max_pixels or MAX_PIXELS)])
        # Frames are sought, by the preprocessing; others are decoded where they are drawn alone.
        shown = stream if work.out is not None else islice(stream, 1)
        yield from ((number, image, prediction) for number, image in shown)
    elif work.task.unit == "clip":
        clip = list(stream)
        (prediction,) = _predict(work, [np.stack([image for _, image in clip])])
        yield from ((number, image, prediction) for number, image in clip)
    elif work.task.unit == "video":
        shown, followed = tee(stream)
        tracked = work.models[0].follow((image for _, image in followed), work.prompt)
        for (number, image), prediction in zip(shown, tracked, strict=True):
            yield number, image, prediction
    else:
        for group in _batched(stream, step):
            predictions = _predict_each(work, [image for _, image in group])
            for (number, image), prediction in zip(group, predictions, strict=True):
                if isinstance(prediction, DataError):
                    raise DataError(f"frame {number}: {prediction}") from prediction.__cause__
                yield number, image, prediction


def _until_failure(work: _Work, source: Source, stream: Iterator[T]) -> Iterator[T]:
    """What the network says of a video, up to where it fails: frames before are kept."""
    try:
        yield from stream
    except DataError as error:
        work.fail(source, _of(source, error))
    except FAULTS as error:
        failure = DataError(f"{source}: the network fails on this video: {_reason(error)}")
        failure.__cause__ = error
        work.fail(source, failure)


def _readable(work: _Work, source: Source, stream: Iterator[tuple[int, Array]]) -> Iterator[tuple[int, Array]]:
    """The frames of a video up to where it is broken, so that those before are written and kept."""
    try:
        yield from stream
    except DataError as error:
        work.fail(source, error)


def _result(work: _Work, source: Source, image: Array, prediction: Any, frame: int | None = None) -> Result:
    # In a list only what lies in memory anyhow is held; files and videos are read again when asked for.
    held: Array | Source = image if work.streams or source.kind == "live" else source
    height, width = image.shape[-2:]
    if frame is None and (size := _size(work, source, image)) != (height, width):  # a small copy
        return _new_result(work, source, size, prediction, source)
    return _new_result(work, source, (height, width), prediction, held, frame)


def _new_result(
    work: _Work, source: Source, size: tuple[int, int], prediction: Any, held: Source | Array, frame: int | None = None
) -> Result:
    return Result(
        prediction,
        work.info,
        work.task.presentation,
        str(source),
        *size,
        held,
        frame,
        by_tiles=work.tiling is not None and frame is None,
    )


def _with_files(work: _Work, result: Result, source: Source, draw: Callable[[], Array] | None = None) -> Result:
    """With its drawing, and with the files of its own that the task gives it."""
    if work.out is None:
        return result
    if draw is not None:
        _write_drawing(work, result, source, draw)
    stem = Path(source.name).stem + ("" if result.frame is None else f"-{result.frame:06d}")
    with work.drawing(source):
        result.files = work.task.presentation.write_files(
            result.annotation, work.info, lambda folder, suffix: work.place(f"{stem}{suffix}", folder)
        )
    return result
