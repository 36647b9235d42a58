"""Predictions for many images: a folder of shards, each whole, which a process that was stopped or killed leaves."""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import chain, count, islice
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal

from zorki.engine.prediction.journal import fingerprints
from zorki.engine.prediction.predict import ImagePredictor
from zorki.engine.prediction.shards.done import DonePaths
from zorki.engine.prediction.shards.formats import ShardWriter
from zorki.engine.prediction.shards.manifest import (
    check_manifest,
    refuse_nested,
    write_manifest,
)
from zorki.engine.prediction.shards.store import Folder, Store, open_images, open_output
from zorki.engine.prediction.shards.work import Outcome, Shard, ShardSettings, ShardWork
from zorki.engine.run.lock import run_lock
from zorki.errors import DataError, RecipeError, ZorkiError
from zorki.files import new_output
from zorki.installed import own_version
from zorki.output import say

ERRORS = "errors.jsonl"
SHARD = re.compile(r"part-(\d{5,})\.(?:jsonl|parquet)")


@dataclass(frozen=True)
class Summary:
    """What one call did.

    Attributes:
        out: address of the folder.
        images: that were predicted now.
        before: images that whole shards held already.
        failed: images that could not be predicted; errors.jsonl has them.
    """

    out: str
    images: int
    before: int
    failed: int

    def __str__(self) -> str:
        before = f"; {self.before:,} were there" if self.before else ""
        failed = f"; {self.failed:,} failed, see {ERRORS}: --resume tries them again" if self.failed else ""
        return f"{self.images:,} images in {self.out}{before}{failed}"


def predict_shards(
    run: Any,
    source: str | Path,
    out: str | Path,
    settings: ShardSettings | None = None,
    *,
    resume: bool = False,
    batch_size: int | None = None,
    device: str | int | None = None,
    on: Literal["local", "ray"] = "local",
    workers: int | None = None,
    quiet: bool = False,
) -> Summary:
    """Predicts all images of a folder into shards, `out`/part-00000.jsonl, -00001, ...; see docs/many_images.md.

    A shard is written whole. Images that fail go to errors.jsonl, and the rest goes on.

    Args:
        run: as of `predict`, one.
        source: a folder, or the address of one in a bucket, as s3://bucket/photos.
        out: a folder, or such an address, new unless `resume`.
        resume: go on: images that stand in whole shards are left out, those that failed are tried again. Where
            nothing was begun, begin.
        on: local, or ray for the nodes of a cluster, which have run, images and `out` under the same paths.
        workers: processes of the cluster, each with the model; None: one for each GPU, or each node.
        quiet: print nothing.

    Raises:
        ZorkiError: as `predict`; `source` holds no image; `out` holds files, or what was made by other settings.
    """
    settings = settings or ShardSettings()
    if workers is not None and (on != "ray" or workers < 1):
        raise RecipeError(f"workers is {workers}; expected at least 1, with on ray")
    if on == "ray":
        _check_cluster(run)
    writing = settings.writer()
    images, output = open_images(str(source)), open_output(str(out))
    refuse_nested(images, output)
    listing = images.images()
    first = next(listing, None)
    if first is None:
        raise DataError(f"{images.address}: no image in this folder or below it")
    predictor = settings.predictor(run, batch_size, device)
    command = {**asdict(settings), "source": images.address, **_identity(predictor, settings)}
    tell: Callable[[str], None] = (lambda words: None) if quiet else say
    with ExitStack() as stack:
        done = _begin(stack, output, resume, command, predictor, writing)
        if done:
            tell(f"going on: {len(done):,} images are done")
        pending = (path for path in chain([first], listing) if path not in done)
        work = ShardWork(predictor, images, output, writing)
        shards = _shards(pending, settings.shard_size, output)
        try:
            outcomes: Iterable[tuple[Shard, Outcome]] = ((shard, work.predict(shard)) for shard in shards)
            if on == "ray":
                from zorki.engine.prediction.shards.on_ray import predict_on_ray

                path = str(Path(predictor.opened.folder).absolute())
                outcomes = predict_on_ray(path, work, settings, shards, workers, batch_size=batch_size, device=device)
            predicted, failed = _write_all(output, outcomes, tell)
        except KeyboardInterrupt:
            tell(f"go on with: zorki predict --resume {out}")
            raise
    summary = Summary(output.address, predicted, len(done), failed)
    tell(str(summary))
    if images.videos:
        many = "1 video was" if images.videos == 1 else f"{images.videos} videos were"
        tell(f"{many} passed over; zorki predict without --format takes videos")
    return summary


def _check_cluster(run: Any) -> None:
    """Raises ZorkiError where there is none, or nothing that its processes can open."""
    from zorki.engine.ray_cluster import ray_cluster

    if not isinstance(run, str | Path):
        raise RecipeError("on ray the processes open the run themselves: give its folder, or an exported file")
    ray_cluster()


def _identity(predictor: ImagePredictor, settings: ShardSettings) -> dict[str, Any]:
    """What tells one network from another, wherever its files lie now."""
    return {
        "model": predictor.opened.model_name,
        "sha256": fingerprints([predictor.opened], settings.weights)[0],
        "zorki": own_version(),
    }


def _begin(
    stack: ExitStack,
    output: Store,
    resume: bool,
    command: dict[str, Any],
    predictor: ImagePredictor,
    writing: ShardWriter,
) -> DonePaths:
    """Makes the folder, or reads what is done in it."""
    there = resume and bool(output.names())
    if there:
        check_manifest(output, command)
    elif isinstance(output, Folder):
        stack.enter_context(new_output(output.folder, "predict"))
    elif output.names():
        raise ZorkiError(f"{output.address}: holds files already, and nothing is written over anything; name a new one")
    if isinstance(output, Folder):
        stack.enter_context(run_lock(output.folder))
    if there:
        return DonePaths(_paths_of(output, writing))
    info = predictor.info
    about = {"task": predictor.opened.task.name, "class_names": list(info.names)}
    write_manifest(output, str(Path(predictor.opened.folder).absolute()), command, about)
    return DonePaths([])


def _paths_of(output: Store, writing: ShardWriter) -> Iterator[str]:
    for name in output.names():
        if SHARD.fullmatch(name):
            with output.local(name) as file:
                yield from writing.paths(file, f"{output.address}/{name}")
        elif name.endswith(".part"):  # of a process that was killed
            output.remove(name)


def _shards(paths: Iterable[str], size: int, output: Store) -> Iterator[Shard]:
    """The paths by so many, with the numbers that no file has yet."""
    taken = {int(found[1]) for name in output.names() if (found := SHARD.fullmatch(name))}
    numbers = (number for number in count() if number not in taken)
    iterator = iter(paths)
    while some := tuple(islice(iterator, size)):
        yield Shard(next(numbers), some)


def _write_all(
    output: Store, outcomes: Iterable[tuple[Shard, Outcome]], tell: Callable[[str], None]
) -> tuple[int, int]:
    """How many images were predicted, and how many failed, of all shards as they are written."""
    predicted, begun = 0, time.monotonic()
    with _ErrorLines(output) as errors:
        for shard, outcome in outcomes:
            errors.add(outcome.failed)
            predicted += outcome.images
            failed = f", {len(outcome.failed)} failed" if outcome.failed else ""
            rate = (predicted + errors.count) / max(time.monotonic() - begun, 1e-9)
            tell(f"part-{shard.number:05d}: {outcome.images} images{failed} ({rate:.1f} images/s)")
        return predicted, errors.count


class _ErrorLines:
    """errors.jsonl: a line of path and error for each image that failed in this call; none, no file."""

    def __init__(self, output: Store) -> None:
        self._output, self.count = output, 0
        self._spool: IO[str]

    def __enter__(self) -> _ErrorLines:
        self._spool = tempfile.TemporaryFile("w+", encoding="ascii", newline="\n")
        self._output.remove(ERRORS)
        return self

    def add(self, failed: Iterable[tuple[str, str]]) -> None:
        for path, error in failed:
            self._spool.write(json.dumps({"path": path, "error": error}) + "\n")
            self.count += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Written of what was stopped, too."""
        with self._spool:
            if self.count:
                self._spool.seek(0)
                with self._output.whole(ERRORS) as aside, aside.open("w", encoding="ascii", newline="\n") as file:
                    file.writelines(self._spool)
