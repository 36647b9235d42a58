"""One annotation type a task, for ground truth and prediction alike.

Every annotation can place itself into network pixels (`place`) and turn itself into plain JSON and back
(`to_json`, `from_json`). Coordinates are continuous, in pixels; pixel (row i, column j) covers
[i, i+1) x [j, j+1). Sizes are (height, width). Labels run 0..num_classes-1; background is no label.

Ground truth that was read from files is in numpy (`Boxes[ndarray]`) until a network asks for tensors (`tensors`), which
is what `Boxes` alone means; what counts, draws and copies takes either, by way of `numpy`.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic

import numpy

from zorki.types.arrays import array_of, is_tensor, tensor_of
from zorki.types.placement import Placement

if TYPE_CHECKING:  # what counts and copies annotations in files has no need of torch, which takes seconds to load
    import torch
    from jaxtyping import Bool, Float, Int, Integer, UInt8
    from torch import Tensor
    from typing_extensions import TypeVar

    A = TypeVar("A", bound="Tensor | numpy.ndarray", default=Tensor)  # what holds the values
else:
    from typing import TypeVar

    A = TypeVar("A")

Own = TypeVar("Own", bound="Annotation")  # typing.Self, in a form that run-time shape checks understand
Row = TypeVar("Row", bound="Rows")


class Annotation:
    """What is annotated, or predicted, for one image."""

    def place(self: Own, placement: Placement) -> Own:
        """The same annotation in network pixels; annotations without coordinates return themselves."""
        return self

    def to(self: Own, device: torch.device | str) -> Own:
        """The same annotation with its tensors on `device`."""
        moved = {name: value.to(device) for name, value in self._values() if is_tensor(value)}
        return dataclasses.replace(self, **moved) if moved else self  # type: ignore[type-var]

    def numpy(self) -> Any:
        """The same annotation with arrays in the place of tensors, in the same memory where that is the CPU's."""
        arrays = {name: array_of(value) for name, value in self._values() if is_tensor(value)}
        return dataclasses.replace(self, **arrays) if arrays else self  # type: ignore[type-var]

    def tensors(self) -> Any:
        """The inverse of `numpy`, in the memory of the arrays."""
        found = {name: tensor_of(value) for name, value in self._values() if isinstance(value, numpy.ndarray)}
        return dataclasses.replace(self, **found) if found else self  # type: ignore[type-var]

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, lists and strings; None fields are left out."""
        return {
            name: value.tolist() if is_tensor(value) or isinstance(value, numpy.ndarray) else value
            for name, value in self._values()
            if value is not None
        }

    def _values(self) -> Iterator[tuple[str, Any]]:
        for f in dataclasses.fields(self):  # type: ignore[arg-type]
            yield f.name, getattr(self, f.name)

    def regions(self) -> Boxes | None:
        """Where a network is told to look for what is asked of the image; None: at the whole of it."""
        return None

    def mark(self) -> str:
        """Words that differ where what can be learned differs."""
        # Areas are for metrics.
        return str({name: value for name, value in self.to_json().items() if name != "areas"})

    @classmethod
    def from_json(cls: type[Own], values: dict[str, Any]) -> Own:
        """The inverse of `to_json`: lists become tensors of the field's kind and shape."""
        return cls(**{name: _revive(cls, name, value) for name, value in values.items()})


# The dtype and the row shape of every tensor field: `from_json` needs both, since an empty list has neither.
_TENSORS: dict[str, tuple[str, tuple[int, ...]]] = {
    "xyxy": ("float32", (-1, 4)),
    "labels": ("int64", (-1,)),
    "scores": ("float32", (-1,)),
    "masks": ("bool", ()),
    "classes": ("int64", ()),
    "points": ("float32", ()),
    "visibility": ("int64", ()),
    "joint_scores": ("float32", ()),
    "vector": ("float32", (-1,)),
    "clips": ("float32", ()),
    "identities": ("int64", (-1,)),
    "frames": ("int64", (-1,)),
    "crowd": ("bool", (-1,)),
    "difficult": ("bool", (-1,)),
    "areas": ("float32", (-1,)),
    "lost": ("bool", (-1,)),
    "frame_sizes": ("int64", (-1, 2)),
    "weights": ("float32", ()),
}

# The shape of no object at all, of which a list tells neither joints nor coordinates.
_NO_OBJECTS = {"points": (0, 0, 2), "visibility": (0, 0), "joint_scores": (0, 0)}


def _revive(cls: type, name: str, value: Any) -> Any:
    import torch

    if name not in {f.name for f in dataclasses.fields(cls)}:
        raise ValueError(f"{cls.__name__} has no field {name!r}; expected {[f.name for f in dataclasses.fields(cls)]}")
    if name not in _TENSORS or not isinstance(value, list):
        return value
    dtype, shape = _TENSORS[name]
    tensor = torch.tensor(value, dtype=getattr(torch, dtype))
    if not value and name in _NO_OBJECTS:
        return tensor.reshape(_NO_OBJECTS[name])
    return tensor.reshape(shape) if shape else tensor


class Rows(Annotation):
    """Annotations that hold N rows: length, joint indexing, a length check, and no truth value.

    `if boxes:` would silently mean "are there any", and has dropped the empty targets of a batch before;
    ask `len(boxes) > 0`.
    """

    first: ClassVar[str]

    def __post_init__(self) -> None:
        lengths = {name: len(value) for name, value in self.columns()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"{type(self).__name__} has columns of different lengths: {lengths}")

    def columns(self) -> Iterator[tuple[str, Any]]:
        """Name and values of every field that is there, a value a row; a name is of all rows, and no column."""
        return ((name, value) for name, value in self._values() if value is not None and not isinstance(value, str))

    def __len__(self) -> int:
        return len(getattr(self, self.first))

    def __bool__(self) -> bool:
        raise TypeError(f"the truth of {type(self).__name__} is ambiguous: ask `len(...) > 0` or `is not None`")

    def __getitem__(self: Row, rows: Any) -> Row:
        """Rows by a slice, a mask or an index tensor, in every column together."""
        if isinstance(rows, int):
            rows = slice(rows, rows + 1) if rows != -1 else slice(-1, None)
        return dataclasses.replace(self, **{name: value[rows] for name, value in self.columns()})  # type: ignore[type-var]


@dataclass
class Unlabeled(Annotation):
    """The target of a bare image: nothing is known about it."""


@dataclass
class Label(Annotation, Generic[A]):
    """The class of one image.

    Ground truth: `index`, and `scores` None; mixed images (MixUp, CutMix) carry their shares in `scores`.
    Prediction: `index` of the best class, and in `scores` the probability of each class, summing to 1.
    `index` is a plain int: thousands of one-number tensors a second would choke the road between processes.
    """

    index: int
    scores: Float[A, " K"] | None = None


@dataclass
class VideoLabel(Label[A], Generic[A]):
    """The class of a film, predicted from N clips of it: `scores` are the mean of `clips`, the scores of each."""

    clips: Float[A, "N K"] | None = None


@dataclass
class Boxes(Rows, Generic[A]):
    """Boxes of one image; `scores` is None for ground truth.

    `crowd` marks boxes that hold many objects (COCO's iscrowd), `difficult` objects that nobody need find (VOC's);
    both are left out of the count, found or not. `areas` are those that the data give, in pixels of the
    original, such as COCO's of outlines: metrics by size go by them; None: by the boxes' own. `lost` marks objects
    that a tracker does not see: the box is where it saw them last.
    """

    first: ClassVar[str] = "xyxy"
    xyxy: Float[A, "N 4"]
    labels: Int[A, " N"]
    scores: Float[A, " N"] | None = None
    identities: Int[A, " N"] | None = None
    crowd: Bool[A, " N"] | None = None
    difficult: Bool[A, " N"] | None = None
    areas: Float[A, " N"] | None = None
    lost: Bool[A, " N"] | None = None

    def place(self: Boxes, placement: Placement) -> Boxes:  # type: ignore[override]  # of tensors alone
        """The boxes in network pixels, where `areas` mean nothing: they are left behind."""
        return dataclasses.replace(self, xyxy=_place_points(self.xyxy, placement), areas=None)

    def restore(self: Own, placement: Placement) -> Own:
        """The inverse of `place`, cut off at the edges of the original image; of tensors or of arrays."""
        corners: Any = self.xyxy  # type: ignore[attr-defined]
        offset = _numbers_like(corners, [placement.left, placement.top] * 2)
        scales = _numbers_like(corners, placement.scales * 2)
        most = _numbers_like(corners, [placement.width, placement.height] * 2)
        moved = (corners - offset) / scales
        if is_tensor(moved):
            return dataclasses.replace(self, xyxy=moved.clamp_min(0).minimum(most))  # type: ignore[type-var]
        return dataclasses.replace(self, xyxy=numpy.minimum(numpy.maximum(moved, 0), most))  # type: ignore[type-var]


def _numbers_like(values: Any, numbers: Sequence[float]) -> Any:
    """The numbers as a tensor or an array, as the values are, and of their type."""
    return values.new_tensor(numbers) if is_tensor(values) else numpy.array(numbers, values.dtype)


def _place_points(values: Tensor, placement: Placement) -> Tensor:
    """Points, or boxes, whose last axis is (x, y) once or twice, in network pixels."""
    times = values.shape[-1] // 2
    offset = values.new_tensor([placement.left, placement.top] * times)
    return values * values.new_tensor(placement.scales * times) + offset


def _place_pixels(maps: Tensor, placement: Placement, fill: int | bool) -> Tensor:
    """Maps (N, H, W) of an original in network pixels, nearest neighbor; `fill` where the original does not reach."""
    import torch

    rows = (torch.arange(placement.input_height) + 0.5 - placement.top) / placement.scales[1]
    columns = (torch.arange(placement.input_width) + 0.5 - placement.left) / placement.scales[0]
    inside = ((rows >= 0) & (rows < placement.height))[:, None] & ((columns >= 0) & (columns < placement.width))
    picked = maps[:, rows.long().clamp(0, placement.height - 1)][:, :, columns.long().clamp(0, placement.width - 1)]
    return torch.where(inside, picked, torch.full_like(picked, fill))


@dataclass
class Mask(Annotation, Generic[A]):
    """A class for every pixel; `ignore` is the ignore index: such pixels count nowhere.

    `classes` are whole numbers of any kind: an image of a billion pixels has no room for eight bytes a pixel.
    `weights` say how much a pixel counts in training (U-Net's borders: Ronneberger et al., 2015, eq. 2);
    None: all alike.
    """

    classes: Integer[A, "H W"]
    ignore: int = 255
    weights: Float[A, "H W"] | None = None

    def mark(self) -> str:
        """A hash of the map, which as a list of numbers would be hundreds of times as long."""
        pixels = array_of(self.classes).astype(numpy.int32).tobytes()
        return f"{tuple(self.classes.shape)} {self.ignore} {hashlib.sha256(pixels).hexdigest()}"

    def place(self: Mask, placement: Placement) -> Mask:  # type: ignore[override]  # of tensors alone
        """Nearest neighbor, so that no class is invented; what the image does not cover becomes `ignore`."""
        classes = _place_pixels(self.classes[None], placement, self.ignore)[0]
        weights = None if self.weights is None else _place_pixels(self.weights[None], placement, 0)[0]
        return dataclasses.replace(self, classes=classes, weights=weights)


@dataclass
class Instances(Rows, Generic[A]):
    """Objects of one image: a box, a class and a mask each, in original pixels.

    `crowd`, `difficult` and `areas` as in `Boxes`; where the data give no areas, metrics by size go by the masks' own.
    """

    first: ClassVar[str] = "xyxy"
    xyxy: Float[A, "N 4"]
    labels: Int[A, " N"]
    masks: Bool[A, "N H W"]
    scores: Float[A, " N"] | None = None
    identities: Int[A, " N"] | None = None
    crowd: Bool[A, " N"] | None = None
    difficult: Bool[A, " N"] | None = None
    areas: Float[A, " N"] | None = None

    def mark(self) -> str:
        """With a hash of the masks, which as lists of numbers would be hundreds of times as long."""
        pixels = numpy.packbits(array_of(self.masks)).tobytes()
        bare: Any = dataclasses.replace(self, masks=self.masks[:, :0, :0], areas=None)  # type: ignore[arg-type]
        return f"{bare.to_json()} {tuple(self.masks.shape)} {hashlib.sha256(pixels).hexdigest()}"

    def place(self: Instances, placement: Placement) -> Instances:  # type: ignore[override]  # of tensors alone
        """The objects in network pixels, where `areas` mean nothing: they are left behind."""
        masks = _place_pixels(self.masks, placement, False)
        return dataclasses.replace(self, xyxy=_place_points(self.xyxy, placement), masks=masks, areas=None)


@dataclass
class Keypoints(Rows, Generic[A]):
    """N objects of P joints each, in pixels of the original.

    `visibility` is COCO's flag of each joint: 0 not labeled (its coordinates mean nothing), 1 labeled and hidden, 2
    labeled and visible; a prediction's are all 2. `xyxy` are the boxes of the objects, from which a network is told
    where to look; None: each image is one object. `crowd` and `areas` as in `Boxes`. `scores` and `joint_scores` are
    None for ground truth.
    """

    first: ClassVar[str] = "points"
    points: Float[A, "N P 2"]
    visibility: Int[A, "N P"]
    xyxy: Float[A, "N 4"] | None = None
    labels: Int[A, " N"] | None = None
    scores: Float[A, " N"] | None = None
    joint_scores: Float[A, "N P"] | None = None
    identities: Int[A, " N"] | None = None
    crowd: Bool[A, " N"] | None = None
    areas: Float[A, " N"] | None = None

    @property
    def labeled(self) -> Bool[A, "N P"]:
        """Joints whose coordinates are known."""
        return self.visibility > 0  # type: ignore[return-value]

    @property
    def visible(self) -> Bool[A, "N P"]:
        """Joints that can be seen."""
        return self.visibility == 2  # type: ignore[return-value, comparison-overlap]

    def regions(self: Keypoints) -> Boxes | None:
        """The boxes of the objects; None where they have none, and the image as a whole is one object."""
        if self.xyxy is None and len(self) > 0:
            return None
        xyxy = self.points.new_zeros((0, 4)) if self.xyxy is None else self.xyxy
        labels = self.visibility.new_zeros(len(self)) if self.labels is None else self.labels
        return Boxes(xyxy, labels, self.scores, self.identities)

    def place(self: Keypoints, placement: Placement) -> Keypoints:  # type: ignore[override]  # of tensors alone
        """The objects in network pixels, where `areas` mean nothing: they are left behind."""
        xyxy = None if self.xyxy is None else _place_points(self.xyxy, placement)
        return dataclasses.replace(self, points=_place_points(self.points, placement), xyxy=xyxy, areas=None)


@dataclass
class Embedding(Annotation, Generic[A]):
    """An image as a point: near means alike."""

    vector: Float[A, " D"]


@dataclass
class TrackedBoxes(Rows, Generic[A]):
    """Boxes over time: in which frame, whose, and where; `frame_sizes` are (height, width) of each one's frame.

    `sequence` is the name of the video, and of the object where it has several; None: it has none.
    """

    first: ClassVar[str] = "xyxy"
    frames: Int[A, " N"]
    identities: Int[A, " N"]
    xyxy: Float[A, "N 4"]
    labels: Int[A, " N"] | None = None
    scores: Float[A, " N"] | None = None
    frame_sizes: Int[A, "N 2"] | None = None
    sequence: str | None = None

    def place(self: TrackedBoxes, placement: Placement) -> TrackedBoxes:  # type: ignore[override]  # of tensors alone
        """The boxes in network pixels."""
        return dataclasses.replace(self, xyxy=_place_points(self.xyxy, placement))

    def regions(self: TrackedBoxes) -> Boxes:
        """The boxes, in the order of the frames."""
        order = self.frames.argsort(stable=True)
        labels = self.identities.new_zeros(len(self)) if self.labels is None else self.labels
        return Boxes(self.xyxy[order], labels[order], None if self.scores is None else self.scores[order])


@dataclass
class GeneratedImage(Annotation, Generic[A]):
    """An image as a prediction (style transfer, restoration)."""

    image: UInt8[A, "3 H W"]
