"""Every image looked at once: a hash of its pixels, a thumbnail, and what its colors are like."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from zorki.contracts import Dataset
from zorki.data.images import interleaved
from zorki.draw.images import to_array
from zorki.errors import DataError
from zorki.types import Defect

if TYPE_CHECKING:
    from jaxtyping import Float32, Int64, UInt8
    from numpy import ndarray

SIDE = 16  # pixels of a thumbnail
THREADS = 4
CHUNK = 64  # images that are read between two looks at the clock
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_LEVELS = 2  # of 255 between the darkest and the brightest pixel of an image of one color, at most


@dataclass(frozen=True)
class PixelTable:
    """What was seen of N images, one a row.

    Attributes:
        indices: places in the dataset, rising.
        hashes: of size and pixels: equal where the images are.
        thumbnails: colors 0..255 of 16 x 16 areas.
        flat: of one color.
        gray: without any color.
        sizes: height and width.
        defects: images that cannot be decoded, by their places in the dataset.
        complete: all that were asked for were looked at; else there was no time.
    """

    indices: Int64[ndarray, " N"]
    hashes: list[bytes]
    thumbnails: Float32[ndarray, "N 16 16 3"]
    flat: ndarray
    gray: ndarray
    sizes: Int64[ndarray, "N 2"]
    defects: dict[int, Defect]
    complete: bool

    def __len__(self) -> int:
        return len(self.indices)

    def rows_of(self, indices: Sequence[int]) -> Int64[ndarray, " M"]:
        """The rows of those samples that were looked at."""
        return np.flatnonzero(np.isin(self.indices, np.asarray(indices, np.int64)))

    def equal(self) -> list[list[int]]:
        """Groups of places in the dataset whose pixels are equal."""
        groups: dict[bytes, list[int]] = {}
        for index, digest in zip(self.indices.tolist(), self.hashes, strict=True):
            groups.setdefault(digest, []).append(index)
        return [group for group in groups.values() if len(group) > 1]

    def contrasts(self) -> Float32[ndarray, "N 256"]:
        """Brightness of the thumbnails without its mean, of length 1; zeros where there is no contrast."""
        gray = self.thumbnails.reshape(len(self), -1, 3) @ LUMA
        gray -= gray.mean(1, keepdims=True)
        length = np.linalg.norm(gray, axis=1, keepdims=True)
        # An image whose thumbnail has hardly any contrast would be like any other of this kind.
        return np.where(length > SIDE * _LEVELS, gray / np.maximum(length, 1e-6), 0).astype(np.float32)


def look_at_pixels(dataset: Dataset[Any], indices: Sequence[int], has_time: Callable[[], bool]) -> PixelTable:
    """Reads the images, in an order of chance that is the same every time, as long as there is time."""
    order = np.random.default_rng(0).permutation(np.asarray(indices, np.int64)).tolist()
    found: dict[int, tuple[bytes, ndarray, bool, bool, tuple[int, int]]] = {}
    defects: dict[int, Defect] = {}
    complete = True
    with ThreadPoolExecutor(THREADS) as pool:
        for chunk in _chunks(order):
            if not has_time():
                complete = False
                break
            for index, row in zip(chunk, pool.map(lambda index: _row(dataset, index), chunk), strict=True):
                if isinstance(row, Defect):
                    defects[index] = row
                elif row is not None:
                    found[index] = row
    places = sorted(found)
    rows = [found[place] for place in places]
    return PixelTable(
        np.array(places, np.int64),
        [row[0] for row in rows],
        np.array([row[1] for row in rows], np.float32).reshape(-1, SIDE, SIDE, 3),
        np.array([row[2] for row in rows], bool),
        np.array([row[3] for row in rows], bool),
        np.array([row[4] for row in rows], np.int64).reshape(-1, 2),
        defects,
        complete,
    )


def _chunks(order: Sequence[int]) -> Iterator[Sequence[int]]:
    return (order[place : place + CHUNK] for place in range(0, len(order), CHUNK))


def _row(dataset: Dataset[Any], index: int) -> tuple[bytes, ndarray, bool, bool, tuple[int, int]] | Defect | None:
    try:
        image = dataset.arrays(index).image
    except DataError as error:
        path = dataset.path(index)
        return Defect(path, str(error).removeprefix(f"{path}: "))
    if not isinstance(image, np.ndarray) or image.ndim != 3:  # a film, which is no image
        return None
    pixels = interleaved(image)
    digest = hashlib.blake2b(np.ascontiguousarray(image).tobytes(), digest_size=16)
    digest.update(str(image.shape).encode())
    flat = bool((image.max((1, 2)).astype(int) - image.min((1, 2)) <= _LEVELS).all())
    gray = bool((image[0] == image[1]).all() and (image[1] == image[2]).all())
    return digest.digest(), thumbnail(pixels), flat, gray, (image.shape[1], image.shape[2])


def thumbnail(pixels: UInt8[ndarray, "H W 3"], side: int = SIDE) -> Float32[ndarray, "S S 3"]:
    """The mean colors of `side` x `side` areas, 0..255."""
    small = Image.fromarray(pixels, "RGB").resize((side, side), Image.Resampling.BOX)
    return to_array(small).transpose(1, 2, 0).astype(np.float32)
