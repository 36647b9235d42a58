"""Images on their way to an index: of files and folders, of a dataset's split, or cut out by a detector."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from torch import Tensor

from zorki.contracts import Dataset
from zorki.contracts.capabilities import TakesReducedImages
from zorki.engine.device import check_device
from zorki.engine.prediction.inference import predict_images
from zorki.engine.prediction.selection import select, selection_of
from zorki.engine.prediction.sources import Source, expand
from zorki.engine.run.open import RunLike, open_all
from zorki.engine.search.network import EmbeddingNetwork
from zorki.errors import DataError, RecipeError
from zorki.index.store import Entries, Tell
from zorki.input_files.csv_files import csv_rows
from zorki.types import Boxes, Defect, Label

READERS, AHEAD = 4, 64  # threads that decode, images that they are ahead
COLUMNS = ("name", "path", "box")
"""Beside each id: who or what is on the image, its file, and the box that was cut out of it."""

T = TypeVar("T")


@dataclass(frozen=True)
class GalleryImage:
    """An image with the id and the columns that it gets; `read` decodes it, or raises DataError."""

    id: str
    columns: dict[str, str]
    read: Callable[[int | None], Tensor]
    named: bool = True  # the user named this very file


@dataclass
class Gallery:
    """Images in order, the folder that their paths are told from, and names of the columns that they have."""

    images: Iterable[GalleryImage]
    root: Path
    columns: tuple[str, ...] = COLUMNS
    defects: list[Defect] = field(default_factory=list)


def from_sources(sources: Any, *, ids: Path | None = None) -> Gallery:
    """Files, folders, globs and images in memory.

    An id is the path of the file in the one folder that was named; of several sources the path as it was typed. The
    name is the folder that the file lies in, as far as it lies below the one that was named: people/alice/1.jpg of
    people/ is named alice.

    Args:
        ids: a CSV with the columns path and id, and any others; it tells ids, names, and texts to filter by.

    Raises:
        DataError: as `expand`; a source is a video; or an image has no row in `ids`, or a row no image.
    """
    found = expand(sources)
    for source in found:
        if source.kind != "image":
            raise DataError(f"{source}: is a video; expected images: cut it into frames first")
    # Not that of the file, which may be a link into another folder.
    only = sources[0] if isinstance(sources, list | tuple) and len(sources) == 1 else sources
    below = isinstance(only, str | Path) and Path(only).is_dir()
    root = Path(only) if below else Path()  # paths of several are told from the folder where one is
    table, columns = ({}, COLUMNS) if ids is None else _read_ids(ids)
    images = [_of_source(source, source.name if below else str(source), table, ids, columns) for source in found]
    if unused := set(table) - {image.columns["path"] for image in images}:
        raise DataError(f"{ids}: {min(unused)} is no path of an image that was named; expected paths from {root}/")
    return Gallery(images, root, columns)


def _of_source(
    source: Source, path: str, table: dict[str, dict[str, str]], ids: Path | None, columns: Sequence[str]
) -> GalleryImage:
    parent = "" if source.named else Path(source.name).parent.as_posix()
    values = {"name": "" if parent == "." else parent, "path": path}
    if ids is not None:
        if path not in table:
            raise DataError(f"{ids}: has no row for {path}; expected one for every image")
        values |= table[path]
    own = values.pop("id", path)
    return GalleryImage(
        own,
        {name: values.get(name, "") for name in columns},
        lambda side: source.image(shorter_side=side),
        source.named,
    )


def _read_ids(path: Path) -> tuple[dict[str, dict[str, str]], tuple[str, ...]]:
    rows = csv_rows(path)
    _, heads = next(rows, (1, []))
    if not {"path", "id"} <= set(heads) or len(set(heads)) < len(heads):
        raise DataError(f"{path}:1: expected columns path and id, and each once; found {', '.join(heads) or 'nothing'}")
    table: dict[str, dict[str, str]] = {}
    for line, cells in rows:
        if len(cells) != len(heads):
            raise DataError(f"{path}:{line}: {len(cells)} cells; expected {len(heads)}, as in the heading")
        row = dict(zip(heads, cells, strict=True))
        if row["path"] in table:
            raise DataError(f"{path}:{line}: {row['path']} has a row already")
        table[row["path"]] = row
    more = [name for name in heads if name not in ("id", *COLUMNS)]
    return table, (*COLUMNS, *more)


def from_dataset(dataset: Dataset[Any], indices: Sequence[int]) -> Gallery:
    """Images of a dataset, named by their classes; an id is the path from the dataset's root."""

    def image_of(index: int) -> GalleryImage:
        path = _below(dataset.path(index), dataset.root)
        target = dataset.target(index)
        name = dataset.class_names[target.index] if isinstance(target, Label) else ""
        return GalleryImage(
            path, {"name": name, "path": path, "box": ""}, lambda side: dataset[index].image, named=False
        )

    return Gallery([image_of(index) for index in indices], dataset.root)


def _below(path: Path, root: Path) -> str:
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()


class DetectorCrops:
    """What a detector finds, cut out: ids are path#row, rows the best first, and the name is the class of the box.

    Args:
        detector: a run that finds boxes.
        conf: minimum score; None: the threshold that its run found.
    """

    def __init__(self, detector: RunLike, conf: float | None, device: str | int | None) -> None:
        (self.detector,) = open_all(detector)
        self._device = check_device(device)
        model = self.detector.on_device(self._device).eval()
        selection = selection_of(conf, None, None, None, self.detector.info.names)
        self._model = select(model, selection)
        self._all = conf is not None

    def of(self, image: GalleryImage, pixels: Tensor) -> list[tuple[GalleryImage, Tensor]]:
        """The objects of an image. Raises RecipeError where the run finds no boxes."""
        (found,) = predict_images(self._model, [pixels], self._device)
        if not isinstance(found, Boxes):
            raise RecipeError(
                f"{self.detector.folder} is a run of {self.detector.task.name}, which finds no boxes; name a detector"
            )
        shown = found if self._all else self.detector.task.presentation.shown(found, self.detector.info)
        height, width = pixels.shape[-2:]
        crops = []
        for row, (box, label) in enumerate(zip(shown.xyxy.tolist(), shown.labels.tolist(), strict=True)):
            left, top = max(0, math.floor(box[0])), max(0, math.floor(box[1]))
            right, bottom = min(width, math.ceil(box[2])), min(height, math.ceil(box[3]))
            if right > left and bottom > top:
                columns = {**image.columns, "name": self.detector.info.names[label]}
                columns["box"] = f"{left} {top} {right} {bottom}"
                one = GalleryImage(f"{image.id}#{row}", columns, image.read, image.named)
                crops.append((one, pixels[:, top:bottom, left:right]))
        return crops


def embed(
    network: EmbeddingNetwork, gallery: Gallery, tell: Tell, *, crops: DetectorCrops | None = None, strict: bool = False
) -> Entries:
    """The embeddings of the images, of which a few are held at a time; what cannot be read is left out, and told.

    Raises:
        DataError: an image that the user named, or with `strict` any, cannot be read; or nothing is left.
    """
    ids: list[str] = []
    columns: dict[str, list[str]] = {name: [] for name in gallery.columns}
    vectors: list[Any] = []
    pixels = _pixels(network, gallery, tell, crops, strict)
    while batch := list(islice(pixels, network.batch_size)):
        vectors.append(network.vectors([image for _, image in batch]))
        for one, _ in batch:
            ids.append(one.id)
            for name, values in columns.items():
                values.append(one.columns[name])
    if not ids:
        what = "no object was found on" if crops is not None and not gallery.defects else "nothing could be read of"
        reason = f": {gallery.defects[0]}" if gallery.defects else ""
        raise DataError(f"{gallery.root}: {what} the images{reason}")
    return Entries(ids, np.concatenate(vectors), columns)


def _pixels(
    network: EmbeddingNetwork, gallery: Gallery, tell: Tell, crops: DetectorCrops | None, strict: bool
) -> Iterator[tuple[GalleryImage, Tensor]]:
    preprocess = network.model.preprocess
    reduced = isinstance(preprocess, TakesReducedImages) and crops is None
    side = preprocess.decoded_side if reduced and isinstance(preprocess, TakesReducedImages) else None
    for image, pixels in read_ahead(gallery.images, lambda image: read_or_reason(image, side)):
        if isinstance(pixels, DataError):
            if strict or image.named:
                raise pixels
            leave_out(gallery, image, pixels, tell)
        elif crops is not None:
            yield from crops.of(image, pixels)
        else:
            yield image, pixels


def leave_out(gallery: Gallery, image: GalleryImage, error: DataError, tell: Tell) -> None:
    """Keeps the reason why an image cannot be read, and tells it."""
    path = gallery.root / image.columns["path"]
    gallery.defects.append(Defect(path, str(error).removeprefix(f"{path}: ")))
    tell(f"left out: {error}")


def read_or_reason(image: GalleryImage, side: int | None) -> Tensor | DataError:
    try:
        return image.read(side)
    except DataError as error:
        return error


def read_ahead(items: Iterable[T], work: Callable[[T], Any]) -> Iterator[tuple[T, Any]]:
    """Each item with what the work made of it, in order, done in threads a little ahead."""
    with ThreadPoolExecutor(READERS) as pool:
        waiting: deque[tuple[T, Future[Any]]] = deque()
        for item in items:
            waiting.append((item, pool.submit(work, item)))
            if len(waiting) >= AHEAD:
                first, done = waiting.popleft()
                yield first, done.result()
        for item, done in waiting:
            yield item, done.result()
