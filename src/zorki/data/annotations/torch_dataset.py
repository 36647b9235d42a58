"""Any torch dataset of (image, target) as data: what others have written, read as zorki's own datasets are.

Images: PIL images; uint8 tensors (3, H, W) or (1, H, W); float tensors (C, H, W) of 0 to 1; uint8 or float arrays
(H, W), (H, W, 3) or (H, W, 4). Channels are RGB: an array of OpenCV is BGR, which nobody can see in its numbers, and
must be turned by its owner (`image[..., ::-1]`). Targets, by what a task needs:

    labels      a number of a class, or its name
    boxes       {"boxes": (N, 4) xyxy in pixels, "labels": (N,)}, as torchvision's detectors take them; with "iscrowd"
                and "area" where they are there
    instances   the same with "masks": (N, H, W)
    masks       (H, W) numbers of classes; 255 is ignored

torchvision counts classes of objects from 1. Where `class_names` begin with "background" or "__background__", labels
do so; else they count from 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from zorki.contracts import Dataset
from zorki.data.annotations.masks.dataset import IGNORE, other_size
from zorki.data.annotations.split_notes import split_notes
from zorki.data.annotations.splits import complete_splits, split_name
from zorki.data.images import pixels_of, rgb_of
from zorki.errors import DataError, did_you_mean
from zorki.types import Boxes, Defect, Instances, Label, Mask, Sample

T = TypeVar("T")

BACKGROUND = ("background", "__background__")


@runtime_checkable
class MapStyle(Protocol):
    """A map-style dataset of torch: a length, and samples (image, target) by their numbers."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Any: ...


def is_torch_dataset(data: object) -> bool:
    """Whether data in Python are a dataset, or datasets by split, and no path."""
    if isinstance(data, Mapping):
        return bool(data) and all(isinstance(one, MapStyle) for one in data.values())
    return isinstance(data, MapStyle) and not isinstance(data, str | bytes)


class TorchDataset(Dataset[T]):
    """Samples of datasets that others wrote. Annotations are read once and kept, but for masks.

    Args:
        data: a dataset, which is split by a hash of the samples' numbers into train, val and test; or datasets by
            split. Where val alone is missing, a tenth of train is held out.
        kind: what is wanted of the targets: "labels", "boxes", "instances" or "masks".
        class_names: the names of the labels; None takes the attribute `classes` of the first dataset.

    Raises:
        DataError: a split is called as none, no names are known, or the first sample is none that can be read.
    """

    def __init__(
        self, data: MapStyle | Mapping[str, MapStyle], kind: str, class_names: Sequence[str] | None = None
    ) -> None:
        parts = dict(data) if isinstance(data, Mapping) else {"": data}
        first = next(iter(parts.values()))
        self.root = Path(type(first).__name__)
        self.kind = kind
        self.format = "torch"
        self.reason = f"{self.root} of torch in Python, {sum(map(len, parts.values()))} samples"
        names = class_names if class_names is not None else getattr(first, "classes", None)
        if not names:
            raise DataError(f"{self.root}: the dataset has no attribute `classes`; say class_names=[...]")
        self.first_label = int(kind in ("boxes", "instances") and str(names[0]).lower() in BACKGROUND)
        self.class_names = [str(name) for name in names][self.first_label :]
        self._parts = list(parts.values())
        self._places = [(part, index) for part, own in enumerate(self._parts) for index in range(len(own))]
        words = list(parts)
        self._names = [f"{words[part] or 'all'}/{index}" for part, index in self._places]
        given: dict[str, list[int]] = {}
        for place, (part, _) in enumerate(self._places):
            if words[part]:
                given.setdefault(words[part], []).append(place)
        if strange := [word for word in given if split_name(word) is None]:
            near = did_you_mean(strange[0], ["train", "val", "test"])
            raise DataError(f"{self.root}: {strange[0]!r} means no split; expected train, val or test.{near}")
        self.splits, self.split_reason = complete_splits(given, self._names)
        self.defects = split_notes(self.root, self.splits, self._names)
        self._cache: dict[int, T] = {}
        image, _ = self._read(0) if self._places else (None, None)
        if (note := _conversion(image)) is not None:
            self.defects.append(Defect(self.root, note, note=True))
        if self._places:
            self[0]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Sample[T]:
        image, target = self._read(index)
        where = f"{self.root}, sample {self._names[index]}"
        pixels = image_of(image, where)
        found = self._target(target, where, (pixels.shape[1], pixels.shape[2]))
        return Sample(pixels, found, self.path(index))

    def target(self, index: int) -> T:
        if index not in self._cache:
            image, target = self._read(index)
            where = f"{self.root}, sample {self._names[index]}"
            size = image_of(image, where).shape[1:] if self.kind == "instances" else (0, 0)
            found = self._target(target, where, (int(size[0]), int(size[1])))
            if self.kind in ("masks", "instances"):
                return found
            self._cache[index] = found
        return self._cache[index]

    def path(self, index: int) -> Path:
        return self.root / self._names[index]

    def check(self, index: int) -> Defect | None:
        return None

    def _read(self, index: int) -> tuple[Any, Any]:
        part, place = self._places[index]
        sample = self._parts[part][place]
        if not isinstance(sample, tuple | list) or len(sample) != 2:
            raise DataError(
                f"{self.root}, sample {self._names[index]}: expected (image, target), and got {type(sample).__name__}"
            )
        return sample[0], sample[1]

    def _target(self, target: Any, where: str, size: tuple[int, int]) -> T:
        if self.kind == "labels":
            return cast(T, self._label(target, where))
        if self.kind == "masks":
            return cast(T, self._mask(target, where, size))
        return cast(T, self._objects(target, where, size))

    def _label(self, target: Any, where: str) -> Label:
        if isinstance(target, str):
            if target not in self.class_names:
                near = did_you_mean(target, self.class_names)
                raise DataError(f"{where}: the class {target!r} is not among class_names.{near}")
            return Label(self.class_names.index(target))
        number = _array(target)
        if number.size != 1 or number.dtype.kind not in "iu":
            raise DataError(f"{where}: expected the number of a class, and got {_shown(target)}")
        return Label(self._valid_label(int(number.reshape(())), where))

    def _valid_label(self, label: int, where: str) -> int:
        if not 0 <= label < len(self.class_names):
            hint = ""
            if self.kind in ("boxes", "instances") and not self.first_label and label == len(self.class_names):
                hint = "; torchvision counts from 1: put 'background' first in class_names"
            raise DataError(f"{where}: label {label + self.first_label}, and there are {len(self.class_names)} "
                            f"class_names{hint}")  # fmt: skip
        return label

    def _mask(self, target: Any, where: str, size: tuple[int, int]) -> Mask:
        values = _array(target)
        if values.ndim == 3 and values.shape[0] == 1:
            values = values[0]
        if values.ndim != 2 or values.dtype.kind not in "iub":
            raise DataError(f"{where}: expected a mask (H, W) of whole numbers, and got {_shown(target)}")
        if size != (0, 0) and values.shape != size:
            raise DataError(f"{where}: {other_size(size, values.shape)}")
        classes = torch.from_numpy(values.astype(np.int64))
        wrong = (classes < 0) | ((classes >= len(self.class_names)) & (classes != IGNORE))
        if bool(wrong.any()):
            value = int(classes[wrong][0])
            raise DataError(f"{where}: the mask has {value}, and there are {len(self.class_names)} class_names")
        return Mask(classes, IGNORE)

    def _objects(self, target: Any, where: str, size: tuple[int, int]) -> Boxes | Instances:
        keys = ("boxes", "labels") if self.kind == "boxes" else ("boxes", "labels", "masks")
        if not isinstance(target, Mapping) or not all(key in target for key in keys):
            got = sorted(map(str, target)) if isinstance(target, Mapping) else type(target).__name__
            raise DataError(f"{where}: expected a dict with {', '.join(keys)}, and got {got}")
        xyxy = torch.from_numpy(_array(target["boxes"]).astype(np.float32).reshape(-1, 4).copy())
        if bool((xyxy[:, :2] >= xyxy[:, 2:]).any()):
            raise DataError(f"{where}: expected boxes (left, top, right, bottom), and one has no area: xywh, or empty?")
        numbers = [int(label) - self.first_label for label in _array(target["labels"]).reshape(-1).tolist()]
        labels = torch.tensor([self._valid_label(number, where) for number in numbers], dtype=torch.int64)
        if len(labels) != len(xyxy):
            raise DataError(f"{where}: {len(xyxy)} boxes and {len(labels)} labels")
        crowd = torch.from_numpy(_array(target["iscrowd"]).astype(bool).reshape(-1)) if "iscrowd" in target else None
        areas = torch.from_numpy(_array(target["area"]).astype(np.float32).reshape(-1)) if "area" in target else None
        if self.kind == "boxes":
            return Boxes(xyxy, labels, crowd=crowd, areas=areas)
        masks = torch.from_numpy(_array(target["masks"]).astype(bool).copy())
        if len(masks) != len(xyxy) or (len(masks) and tuple(masks.shape[1:]) != size):
            raise DataError(
                f"{where}: expected masks ({len(xyxy)}, {size[0]}, {size[1]}), and got {tuple(masks.shape)}"
            )
        return Instances(xyxy, labels, masks.reshape(len(xyxy), *size), crowd=crowd, areas=areas)


def image_of(value: Any, where: str) -> UInt8[Tensor, "3 H W"]:
    """An image in memory as RGB; see the module for what is taken.

    Raises:
        DataError: it is none of those, or its floats are not within 0 to 1.
    """
    if isinstance(value, Image.Image):
        return torch.from_numpy(np.ascontiguousarray(pixels_of(value)).copy()).permute(2, 0, 1)
    if isinstance(value, Tensor):
        array = value.detach().cpu().numpy()
        array = array[None] if array.ndim == 2 else array
        if array.ndim != 3 or array.shape[0] not in (1, 3):
            raise DataError(f"{where}: expected an image tensor (3, H, W) or (1, H, W), and got {_shown(value)}")
        array = array.transpose(1, 2, 0)
    elif isinstance(value, np.ndarray):
        array = value[..., None] if value.ndim == 2 else value
        if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
            raise DataError(f"{where}: expected an image array (H, W), (H, W, 3) or (H, W, 4), and got {_shown(value)}")
    else:
        raise DataError(f"{where}: expected an image of PIL, a tensor or an array, and got {type(value).__name__}")
    if array.dtype.kind == "f":
        low, high = (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)
        if not (low >= 0 and high <= 1):  # so that not-a-number is refused too
            raise DataError(
                f"{where}: its floats run from {low:g} to {high:g}; expected 0 to 1: zorki's networks normalize "
                "themselves, so leave Normalize out of the dataset's transforms"
            )
        array = (array * 255 + 0.5).astype(np.uint8)
    elif array.dtype not in (np.uint8, np.uint16):
        raise DataError(f"{where}: expected an image of uint8, or of floats of 0 to 1, and got {_shown(value)}")
    return torch.from_numpy(np.ascontiguousarray(rgb_of(array)).copy()).permute(2, 0, 1)


def _conversion(image: Any) -> str | None:
    """What to say aloud of how images are converted; None where they are taken as they are."""
    floats = (isinstance(image, Tensor) and image.is_floating_point()) or (
        isinstance(image, np.ndarray) and image.dtype.kind == "f"
    )
    return "images are floats of 0 to 1; they are rounded to 8 bits, since networks here take uint8" if floats else None


def _array(value: Any) -> np.ndarray[Any, np.dtype[Any]]:
    return value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)


def _shown(value: Any) -> str:
    if isinstance(value, Tensor | np.ndarray):
        return f"{type(value).__name__} {tuple(value.shape)} of {str(value.dtype).removeprefix('torch.')}"
    return f"{value!r:.40}"
