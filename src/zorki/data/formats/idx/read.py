"""IDX files, the format of MNIST (LeCun, Cortes, Burges, 1998) and Fashion-MNIST, gzipped or not.

    train-images-idx3-ubyte[.gz]  train-labels-idx1-ubyte[.gz]  t10k-images-idx3-ubyte[.gz]  t10k-labels-idx1-ubyte[.gz]

A file is a big-endian header, 0 0 type rank and then one size a dimension in 32 bits, and the bytes of the array.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import md5
from io import BufferedIOBase
from math import prod
from pathlib import Path
from typing import Any, cast

import numpy as np

from zorki.class_selection import ClassSelection
from zorki.contracts import Dataset
from zorki.data.annotations.labels import LabelRecords, number_labels
from zorki.data.annotations.listing import loose_files
from zorki.data.formats.probe import Probe
from zorki.data.images import MAX_PIXELS
from zorki.errors import DataError
from zorki.input_files.content import MAX_BYTES, open_file, read_bytes
from zorki.types import ArraySample, Defect, Label, Sample

Array = np.ndarray[Any, np.dtype[np.uint8]]

EXPECTED = "IDX files in a folder: train-images-idx3-ubyte and train-labels-idx1-ubyte (or t10k-...), perhaps with .gz"

_NAME = re.compile(r"(?P<part>train|t10k|test|val)-(?P<what>images|labels)[-.]idx(?P<rank>[13])-ubyte(?P<gz>\.gz)?")
_SPLITS = {"train": "train", "val": "val", "t10k": "test", "test": "test"}
_UINT8 = 0x08
_PIECE = 1 << 20  # bytes read at once

FASHION = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
# MD5 of Fashion-MNIST's files of labels (Xiao et al., 2017): train and t10k, gzipped as published and not.
_FASHION_LABELS = frozenset(
    {
        "25c81989df183df01b3e8a0aad5dffbe",
        "9018921c3c673c538a1fc5bad174d6f9",
        "bb300cfdad3c16e7a12a480ee83cd310",
        "15d484375f8d13e6eb1aabb0c3f46965",
    }
)


@dataclass
class IdxImages(Dataset[Label]):
    """Gray images of one size, all held in memory.

    A sample's path is its file of images and its number there, `train-images-idx3-ubyte/17`: a name, not a file.
    """

    in_memory = True
    may_be_mirrored = False

    root: Path
    format: str
    reason: str
    class_names: list[str]
    files: list[Path]  # the files of images
    images: list[Array]  # (N, H, W), one for each file
    labels: list[int]  # of all files, one after the other
    splits: dict[str, list[int]]
    split_reason: str
    defects: list[Defect] = field(default_factory=list)
    max_pixels: int = MAX_PIXELS
    kept: list[int] | None = None  # numbers in `files`, one after the other, of the samples; None: all of them

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Sample[Label]:
        return self.arrays(index).tensors()

    def arrays(self, index: int) -> ArraySample:
        if (defect := self.check(index)) is not None:
            raise DataError(str(defect))
        which, place = self._locate(index)
        # A copy: what is done to the sample must not reach the data.
        image = np.repeat(self.images[which][place][None], 3, axis=0)
        return ArraySample(image, self.target(index), self.path(index))

    def target(self, index: int) -> Label:
        return Label(self.labels[index])

    def path(self, index: int) -> Path:
        which, place = self._locate(index)
        return self.files[which] / str(place)

    def check(self, index: int) -> Defect | None:
        which, place = self._locate(index)
        height, width = self.images[which][place].shape
        if height * width <= self.max_pixels:
            return None
        reason = f"the image is {width} x {height}, and at most {self.max_pixels:,} pixels are allowed"
        return Defect(self.path(index), reason)

    def _locate(self, index: int) -> tuple[int, int]:
        """The file and the number within it."""
        if not 0 <= index < len(self):
            raise IndexError(f"index {index} of {len(self)} samples")
        index = index if self.kept is None else self.kept[index]
        for which, images in enumerate(self.images):
            if index < len(images):
                return which, index
            index -= len(images)
        raise IndexError(index)


@dataclass
class IdxRecords(LabelRecords):
    """Labels with the arrays of their images, in one order."""

    files: list[Path] = field(default_factory=list)
    images: list[Array] = field(default_factory=list)

    def build(
        self,
        class_names: Sequence[str] | None = None,
        max_pixels: int | None = None,
        selection: ClassSelection | None = None,
    ) -> IdxImages:
        """The dataset in memory."""
        found = number_labels(self, class_names, selection)
        limit = MAX_PIXELS if max_pixels is None else max_pixels
        return IdxImages(
            self.root, self.format, self.reason, found.class_names, self.files, self.images, found.labels,
            found.splits, found.split_reason, found.defects, limit,
            None if len(found.kept) == len(self.names) else found.kept,
        )  # fmt: skip


def probe(root: Path) -> Probe:
    """Whether `root` is of this format, and why or why not."""
    fits, reason = _inspect(root)
    return Probe(fits, reason)


def read(root: Path) -> IdxRecords:
    """The images of all pairs of files in `root`: train is train, t10k is test, and val is held out of train.

    Classes are named by their numbers; Fashion-MNIST is known by its files of labels or by its folder's name, and
    then they bear its names.

    Raises:
        DataError: there are no such files, a file of images or labels lacks its partner, has a wrong magic number or
            length, or is broken.
    """
    fits, reason = _inspect(root)
    if not fits:
        raise DataError(f"{root}: {reason}; expected {EXPECTED}")
    files: list[Path] = []
    images: list[Array] = []
    labels: list[int] = []
    names: list[str] = []
    given: dict[str, list[int]] = {}
    for part, (image_file, label_file) in _pairs(root).items():
        source_images, classes = read_idx(image_file, 3), read_idx(label_file, 1)
        if len(source_images) != len(classes):
            raise DataError(
                f"{label_file}: {len(classes)} labels for the {len(source_images)} images of {image_file.name}"
            )
        given.setdefault(_SPLITS[part], []).extend(range(len(labels), len(labels) + len(classes)))
        names.extend(f"{part}/{place}" for place in range(len(classes)))
        files.append(image_file)
        images.append(source_images)
        labels.extend(classes.tolist())
    if not labels:
        raise DataError(f"{root}: its IDX files hold no image")
    found, name_reason = _class_names(root, max(labels) + 1)
    classes_of = [found[label] for label in labels]
    return IdxRecords(
        root, root, "idx", f"{reason}; {name_reason}", names, classes_of, given, found, files=files, images=images
    )


def read_idx(path: Path, rank: int, *, max_bytes: int = MAX_BYTES) -> Array:
    """The array of bytes in an IDX file of `rank` dimensions, unpacked where its name ends in .gz.

    Raises:
        DataError: the file is missing, is no IDX file of bytes of that rank, is shorter or longer than it says, or
            says that it has more than `max_bytes`.
    """
    try:
        with open_file(path) as packed, gzip.open(packed) if path.suffix == ".gz" else packed as file:
            return _read_array(path, cast(BufferedIOBase, file), rank, max_bytes)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: expected a whole gzip file, and it is broken: {error}; fetch it again") from error
    except OSError as error:
        raise DataError(f"{path}: the file cannot be read: {error.strerror or error}") from error


def _read_array(path: Path, file: BufferedIOBase, rank: int, max_bytes: int) -> Array:
    header = file.read(4 + 4 * rank)
    magic = bytes([0, 0, _UINT8, rank])
    if header[:4] != magic:
        raise DataError(
            f"{path}: expected the magic number {magic.hex()} (IDX of bytes in {rank} dimensions), "
            f"got {header[:4].hex() or 'an empty file'}"
        )
    if len(header) < 4 + 4 * rank:
        raise DataError(f"{path}: the header is truncated: expected {4 + 4 * rank} bytes, got {len(header)}")
    shape = tuple(int(size) for size in np.frombuffer(header, dtype=">u4", offset=4))
    num_bytes = prod(shape)
    if num_bytes > max_bytes:
        raise DataError(f"{path}: its header tells of {num_bytes:,} bytes, {shape}; at most {max_bytes:,} are read")
    data = bytearray()  # grows with what comes, not with what the header says
    while len(data) <= num_bytes and (piece := file.read(min(_PIECE, num_bytes + 1 - len(data)))):
        data += piece
    if len(data) != num_bytes:
        came = f"only {len(data):,} came" if len(data) < num_bytes else "more came"
        raise DataError(f"{path}: expected {num_bytes:,} bytes after the header for the shape {shape}, and {came}")
    return np.frombuffer(data, dtype=np.uint8).reshape(shape)


def _inspect(root: Path) -> tuple[bool, str]:
    if not root.is_dir():
        return False, "it is not a folder"
    matches = [match.string for match in _matches(root)]
    if not matches:
        return False, "it holds no file named like train-images-idx3-ubyte[.gz]"
    return True, f"it holds IDX files: {', '.join(sorted(matches))}"


def _matches(root: Path) -> list[re.Match[str]]:
    return [match for name in loose_files(root) if (match := _NAME.fullmatch(name))]


def _pairs(root: Path) -> dict[str, tuple[Path, Path]]:
    """The files of images and of labels by part, train first; the unpacked one where a file is there twice."""
    files: dict[tuple[str, str], Path] = {}
    for match in sorted(_matches(root), key=lambda match: match["gz"] is None):
        if (match["what"] == "images") == (match["rank"] == "3"):
            files[match["part"], match["what"]] = root / match.string
    pairs = {}
    for part in (part for part in _SPLITS if any((part, what) in files for what in ("images", "labels"))):
        for what, other in (("images", "labels"), ("labels", "images")):
            if (part, what) not in files:
                raise DataError(f"{files[part, other]}: its partner, the {part} file of {what}, is missing beside it")
        pairs[part] = (files[part, "images"], files[part, "labels"])
    return pairs


def _class_names(root: Path, count: int) -> tuple[list[str], str]:
    """The names of classes, and where they come from."""
    if count <= len(FASHION):
        digests = (md5(read_bytes(labels), usedforsecurity=False).hexdigest() for _, labels in _pairs(root).values())
        if any(digest in _FASHION_LABELS for digest in digests):
            return list(FASHION), "named as Fashion-MNIST's classes, whose labels these are (MD5)"
        near = root.resolve().parts[-2:]  # torchvision keeps the files in FashionMNIST/raw
        if any("fashion" in part.lower() for part in near):
            return list(FASHION), "named as Fashion-MNIST's classes, by the folder's name"
    return [str(label) for label in range(max(10, count))], "classes are named by their numbers"
