"""A prediction that leaves the library: one image, what was found in it, and what one does with it."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from zorki.contracts import Presentation
from zorki.data.images import JPEG_SIDE, Array, interleaved, write_image
from zorki.engine.prediction.label_studio import to_label_studio
from zorki.engine.prediction.rows import Row, arrays, count_rows, keep_rows, row
from zorki.engine.prediction.selection import Classes, labels_of
from zorki.engine.prediction.sources import Source
from zorki.engine.prediction.supervision import to_supervision
from zorki.errors import DataError, ZorkiError
from zorki.types import Annotation, ClassInfo
from zorki.types.arrays import array_of

SMALL = 256  # pixels: larger drawings are written as JPEG


@dataclass(eq=False, repr=False)
class Result:
    """What a run says of one image.

        for row in result:
            print(row.name, row.score, row.box)

    Rows are objects, best first as the network gives them; of a classification the five most probable classes; of a map
    of classes those that are there. All that the network predicts is in it; `shown()` is what of it is worth showing.

    Attributes:
        annotation: the prediction itself, in pixels of the image: `Label`, `Boxes`, `Instances`, `Mask`, ...
        info: names of the classes, and what the run learned about them.
        path: of the file as it was named; the address, "camera 0", or "image 1" where there is no file.
        height, width: of the image, in pixels.
        frame: number of the frame, from 0, in a video or live stream.
        drawn: the file in which it was drawn, where predictions are written.
        files: other files that were written for it, such as its mask, by the name of their key in predictions.json.
    """

    annotation: Annotation
    info: ClassInfo
    presentation: Presentation[Any, Any]
    path: str
    height: int
    width: int
    source: Source | Array = field(repr=False)  # where the image is; of streams the image itself
    frame: int | None = None
    drawn: Path | None = None
    files: dict[str, Any] = field(default_factory=dict)
    by_tiles: bool = False  # the image may be too large to be held

    @property
    def names(self) -> list[str]:
        """Class names of the labels 0..K-1."""
        return list(self.info.names)

    @property
    def image(self) -> Array:
        """Pixels (height, width, 3), RGB, uint8.

        Kept where it was given in memory, and for results of a stream. A file is read again each time, and so is a
        video up to the frame: keep the array where you need it twice.

        Raises:
            DataError: the file is no longer there, or too large to be held at once.
        """
        return interleaved(self._pixels())

    @property
    def caption(self) -> str:
        """The prediction in a few words, such as "2 cat, 1 dog"; of objects those worth showing."""
        return self.presentation.caption(self.annotation, self.info)

    def __len__(self) -> int:
        return count_rows(self.annotation)

    def __bool__(self) -> bool:
        raise TypeError("the truth of a Result is ambiguous: ask `len(result) > 0` or `result is not None`")

    def __getitem__(self, place: int) -> Row:
        if not -len(self) <= place < len(self):
            raise IndexError(f"row {place} of {len(self)}")
        return row(self.annotation, place % len(self), self.info.names)

    def __iter__(self) -> Iterator[Row]:
        return (self[place] for place in range(len(self)))

    def __repr__(self) -> str:
        frame = "" if self.frame is None else f" frame {self.frame}"
        return f"Result({self.path}{frame}, height {self.height}, width {self.width}: {self.caption})"

    def _repr_png_(self) -> bytes:
        """The drawing, for notebooks."""
        buffer = io.BytesIO()
        Image.fromarray(self.plot()).save(buffer, format="png")
        return buffer.getvalue()

    def shown(self) -> Result:
        """The rows that are worth showing: those that score the threshold that served the run best on validation.

        Or what `conf` said. Of tasks without a threshold all.
        """
        return dataclasses.replace(self, annotation=self.presentation.shown(self.annotation, self.info))

    def filter(self, score: float | None = None, classes: Classes | None = None) -> Result:
        """The result with those rows alone that score at least `score`, and whose class, by name or label, is named.

        In a map of classes, the pixels of other classes become its `ignore`; of a classification, the prediction
        becomes the best of the classes named. The score is also the one from which `plot` draws.

        Raises:
            RecipeError: no such class.
            ZorkiError: the prediction has no scores to choose by.
        """
        labels = None if classes is None else labels_of(classes, self.info.names)
        kept = keep_rows(self.annotation, score=score, labels=labels)
        info = self.info if score is None else dataclasses.replace(self.info, score_threshold=score)
        return dataclasses.replace(self, annotation=kept, info=info)

    # -- as an image --

    def plot(self) -> Array:
        """The image (height, width, 3) with the prediction drawn on it; of objects those worth showing.

        A copy of at most 4096 pixels a side where the image was predicted by tiles.

        Raises:
            DataError: as `image`.
        """
        return interleaved(self.draw())

    def draw(self) -> Array:
        """`plot` with the channels first: (3, height, width)."""
        if not self.by_tiles or not isinstance(self.source, Source) or self.source.path is None:
            return self.presentation.draw(self._pixels(), self.annotation, self.info)
        from zorki.data.windows import open_windows
        from zorki.engine.prediction.tiling import small_copy

        with open_windows(self.source.path, max_pixels=0) as large:
            image, annotation = small_copy(large, self.annotation)
        return self.presentation.draw(array_of(image), annotation, self.info)

    def save(self, path: str | Path) -> Path:
        """Writes `plot` as PNG or JPEG, by the suffix; in a folder under the image's own name. Returns the path.

        Raises:
            DataError: the suffix is neither, or the path is the image's own.
            ZorkiError: the file cannot be written.
        """
        drawing, path = self.draw(), Path(path)
        if path.is_dir() or not path.suffix:
            stem = Path(self.path).stem or "image"
            number = "" if self.frame is None else f"-{self.frame:06d}"
            path = path / f"{stem}{number}.{suffix_of(*drawing.shape[1:])}"
        own = self.source.path if isinstance(self.source, Source) else None
        if own is not None and path.exists() and path.samefile(own):
            raise DataError(f"{path}: this is the image itself; name another file for the drawing")
        write_image(path, drawing)
        return path

    def crops(self) -> list[Array]:
        """Pixels of each row's box, whole pixels outward, in the order of the rows. Raises ZorkiError without boxes."""
        image = self.image
        crops = []
        for one in self:
            if one.box is None:
                raise ZorkiError(f"{type(self.annotation).__name__} has no boxes to cut out")
            left, top, right, bottom = one.box
            crops.append(image[max(0, int(top)) : int(np.ceil(bottom)), max(0, int(left)) : int(np.ceil(right))])
        return crops

    # -- as data --

    def numpy(self) -> dict[str, Any]:
        """The prediction's columns as arrays: xyxy (N, 4), labels, scores, masks (N, H, W), ids; what there is."""
        return arrays(self.annotation)

    @property
    def record(self) -> dict[str, Any]:
        """The prediction in plain JSON with names of classes, as the task writes it."""
        return self.presentation.to_record(self.annotation, self.info)

    def to_json(self, folder: Path | None = None) -> dict[str, Any]:
        """Plain JSON, with the keys of docs/prediction.md: source, frame, height, width, drawn, and the `record`.

        Args:
            folder: paths of files that were written are told from there; None: as they are.
        """
        entry: dict[str, Any] = {"source": self.path} | ({} if self.frame is None else {"frame": self.frame})
        entry |= {"height": self.height, "width": self.width, "drawn": self.drawn, **self.record, **self.files}
        return {name: _path(value, folder) if isinstance(value, Path) else value for name, value in entry.items()}

    def to_coco(self) -> list[dict[str, Any]]:
        """Entries in COCO's results format, one an object. Raises ZorkiError where predictions have no such form."""
        entries = self.presentation.exchange(self.annotation, self.info, path=self.path, frame=self.frame)
        if entries is None:
            kind = type(self.annotation).__name__
            raise ZorkiError(f"{kind} has no form in COCO's results format, which is of objects; see to_json()")
        return entries

    def to_label_studio(self, image: str | None = None, *, version: str = "zorki") -> dict[str, Any]:
        """A task for Label Studio with the rows worth showing as a draft that a person corrects.

        Args:
            image: the address under which Label Studio finds the image; None takes the path.
            version: of the model, which Label Studio shows beside its predictions.
        """
        shown = self.shown().annotation
        return to_label_studio(
            shown, self.info.names, self.height, self.width, self.path if image is None else image, version=version
        )

    def to_supervision(self) -> Any:
        """`supervision.Detections`, with `class_name` in its data; see `zorki.engine.prediction.supervision`.

        Raises:
            ZorkiError: supervision is not installed, or has no type for such predictions.
        """
        return to_supervision(self.annotation, self.info.names)

    def to_pandas(self) -> Any:
        """A DataFrame with a row a row, and of these columns what there is: label, name, score, left, top, right,
        bottom, id, share.

        Raises:
            ZorkiError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ZorkiError("to_pandas needs pandas, which is not installed: pip install 'zorki[pandas]'") from error
        columns = self.columns()
        return pandas.DataFrame(columns)

    def columns(self) -> dict[str, list[Any]]:
        """What `to_pandas` holds, as plain lists; which columns there are does not depend on how many rows."""
        there = {"xyxy": "left", "scores": "score", "ids": "id", "classes": "share"}
        reserved = {"label", "name", *(there[name] for name in self.numpy() if name in there)}
        rows = list(self)
        table: dict[str, list[Any]] = {
            name: [getattr(one, name) for one in rows] for name in ("label", "name", "score")
        }
        for place, side in enumerate(("left", "top", "right", "bottom")):
            table[side] = [one.box[place] for one in rows if one.box is not None]
        table |= {name: [getattr(one, name) for one in rows] for name in ("id", "share")}
        reserved |= {"top", "right", "bottom"} if "left" in reserved else set()
        return {name: values for name, values in table.items() if name in reserved}

    def _pixels(self) -> Array:
        if not isinstance(self.source, Source):
            return self.source
        if self.frame is None:
            return self.source.array()
        found = next(islice(self.source.timed_frames(), self.frame, None), None)
        if found is None:
            raise DataError(f"{self.path}: frame {self.frame} is no longer there")
        return found.pixels


def suffix_of(height: int, width: int) -> str:
    """Of the file of a drawing: png for small ones, and for those that are too long for JPEG."""
    return "jpg" if SMALL < max(height, width) <= JPEG_SIDE else "png"


def _path(path: Path, folder: Path | None) -> str:
    return (path if folder is None else path.relative_to(folder)).as_posix()
