"""A shard: what is predicted, how it is written, and the work of one process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from zorki.engine.prediction.predict import ImagePredictor
from zorki.engine.prediction.result import Result
from zorki.engine.prediction.shards.formats import FORMATS, ShardFormat, ShardWriter
from zorki.engine.prediction.shards.store import Store
from zorki.engine.prediction.sources import Source
from zorki.errors import DataError, RecipeError

SHARD_SIZE = 1000


@dataclass(frozen=True)
class ShardSettings:
    """What is predicted, as `predict` says it, and how it is written."""

    conf: float | None = None
    iou: float | None = None
    max_det: int | None = None
    classes: Any = None
    weights: str | None = None
    tile: int | None = None
    overlap: int | None = None
    options: dict[str, str] | None = None
    boxes_from: str | None = None
    format: ShardFormat = "jsonl"
    shard_size: int = SHARD_SIZE

    def writer(self) -> ShardWriter:
        """What writes so. Raises ZorkiError where a value cannot be, or a package is missing."""
        if self.shard_size < 1:
            raise RecipeError(f"shard_size is {self.shard_size}; expected at least 1 image")
        if self.format not in FORMATS:
            raise RecipeError(f"format is {self.format!r}; expected {' or '.join(FORMATS)}")
        return FORMATS[self.format]()

    def predictor(self, run: Any, batch_size: int | None, device: str | int | None) -> ImagePredictor:
        """What predicts so. Raises ZorkiError as `predict`."""
        values = asdict(self)
        del values["format"], values["shard_size"]
        return ImagePredictor(run, batch_size=batch_size, device=device, **values)


@dataclass(frozen=True)
class Shard:
    """Images that are predicted together: the number of the file, and their paths."""

    number: int
    paths: tuple[str, ...]


@dataclass
class Outcome:
    """What became of a shard.

    Attributes:
        images: that were predicted.
        failed: path and reason of each that was not.
    """

    images: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class ShardWork:
    """What a process needs to predict shards."""

    predictor: ImagePredictor
    images: Store
    output: Store
    writing: ShardWriter

    def predict(self, shard: Shard) -> Outcome:
        """Predicts a shard and writes it, whole; none where no image of it could be predicted."""
        outcome, entries, reading = Outcome(), [], {}

        def sources() -> Iterator[Source]:
            for source in self.images.sources(shard.paths):
                reading[str(source)] = source
                yield source

        def fail(source: Source, error: DataError) -> None:
            outcome.failed.append((source.name, _reason(source, error)))
            self.images.release(reading.pop(str(source)))

        for result in self.predictor.predict(sources(), fail):
            source = reading.pop(result.path)
            entries.append(self.writing.entry(source.name, result, self._files(source, result)))
            self.images.release(source)
        if entries:
            with self.output.whole(f"part-{shard.number:05d}.{self.writing.suffix}") as aside:
                self.writing.write(aside, entries)
        outcome.images = len(entries)
        return outcome

    def _files(self, source: Source, result: Result) -> dict[str, Any]:
        """What the task writes beside its record, such as a map of classes, by the image's own path."""
        place = partial(_place, self.output, source.name)
        files = result.presentation.write_files(result.annotation, result.info, place)
        return {key: self.output.publish(one) if isinstance(one, Path) else one for key, one in files.items()}


def _place(output: Store, name: str, folder: str, suffix: str) -> Path:
    return output.path(f"{folder}/{name}{suffix}")


def _reason(source: Source, error: DataError) -> str:
    """Without the path, which stands beside it, and which may be that of a copy."""
    text = str(error).removeprefix(f"{source.path or source}: ")
    return text if source.path is None else text.replace(str(source.path), source.name)
