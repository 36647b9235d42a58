"""Samples, and the batches that the loader hands to the engine."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from zorki.types.annotations import A, Annotation, Boxes
from zorki.types.arrays import array_of, is_tensor, tensor_of
from zorki.types.defect import Defect
from zorki.types.placement import Placement

if TYPE_CHECKING:
    # Who reads images, and knows no videos, may take a sample's for a tensor: any type passes for `Frames`.
    from typing import Any as Frames

    import torch
    from jaxtyping import Float, Int64, UInt8
    from numpy import ndarray
    from torch import Tensor
else:
    from zorki.types.frames import Frames

T = TypeVar("T")


@dataclass
class Sample(Generic[T]):
    """One image and what is known of it. A leading T makes it a clip; a video may be `Frames`, read one by one."""

    image: UInt8[Tensor, "*T 3 H W"] | Frames
    target: T
    path: Path

    def numpy(self) -> ArraySample:
        """The same in arrays, in the same memory; `Frames` stay what they are."""
        image = array_of(self.image) if is_tensor(self.image) else self.image
        return ArraySample(image, self.target.numpy(), self.path)  # type: ignore[attr-defined]


@dataclass
class ArraySample:
    """A sample in arrays of numpy: to draw and to count, no network is needed, nor torch, which takes seconds to load.

    `target` is an annotation of arrays, such as `Boxes[ndarray]`.
    """

    image: UInt8[ndarray, "*T 3 H W"] | Frames
    target: Annotation
    path: Path

    def tensors(self) -> Sample[Any]:
        """The same in tensors, in the same memory."""
        return Sample(tensor_of(self.image), self.target.tensors(), self.path)


@dataclass
class ImagesWithProposals:
    """Images with regions in which an object may lie: the inputs of networks that do not look for them themselves.

    `regions` holds one tensor (P, 4) an image: xyxy in network pixels, best first.
    """

    images: UInt8[Tensor, "B 3 H W"]
    regions: list[Tensor]

    @property
    def shape(self) -> torch.Size:
        """Of the images: (B, 3, H, W)."""
        return self.images.shape


@dataclass
class Padded(Generic[A]):
    """Images on canvases of one size, and which part of its canvas each of them covers.

    `valid` holds the edges of each image, xyxy in whole network pixels: the rest is canvas, whatever its color.
    """

    images: UInt8[A, "B 3 H W"]
    valid: Int64[A, "B 4"]

    @property
    def shape(self) -> tuple[Any, ...]:  # of no integers where a graph with free sizes is exported
        """Of the images: (B, 3, H, W)."""
        return tuple(self.images.shape)


@dataclass
class Crops(Generic[A]):
    """Regions cut out of images, each a network input of one size: R of them, those of one image after another.

    `xyxy` is where each lies, in pixels of its image, beyond whose edges it may reach; `regions` are those that were
    asked for, one annotation an image.
    """

    images: UInt8[A, "R 3 H W"]
    xyxy: Float[A, "R 4"]
    regions: list[Boxes[A]]

    @property
    def shape(self) -> tuple[Any, ...]:  # of no integers where a graph with free sizes is exported
        """Of the crops: (R, 3, H, W)."""
        return tuple(self.images.shape)


@dataclass
class ExemplarSearch:
    """Pairs for a Siamese tracker: what an object looks like, and where to look for it (Bertinetto et al., 2016)."""

    exemplars: UInt8[Tensor, "B 3 h w"]
    searches: UInt8[Tensor, "B 3 H W"]

    @property
    def shape(self) -> torch.Size:
        """Of the search regions: (B, 3, H, W)."""
        return self.searches.shape


@dataclass
class FrameAndFlow:
    """Clips for two streams: the frame in the middle of each, and the optical flow between its frames.

    `flow` holds L fields of (x, y), so that F = 2 * L: the shifts in network pixels from a frame to the next, as levels
    around 128, see `to_levels`. N counts the clips of a film.
    """

    images: UInt8[Tensor, "B N 3 H W"]
    flow: UInt8[Tensor, "B N F H W"]

    @property
    def shape(self) -> torch.Size:
        """Of the frames: (B, N, 3, H, W)."""
        return self.images.shape


@dataclass
class PatchPairs:
    """Two patches of each image, and which of eight neighbors the second is of the first, in reading order."""

    images: UInt8[Tensor, "B 2 3 h w"]
    neighbors: Int64[Tensor, " B"]

    @property
    def shape(self) -> torch.Size:
        """Of the patches: (B, 2, 3, h, w)."""
        return self.images.shape


def map_tensors(inputs: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Network inputs with every tensor in them changed: a tensor, a list of such, or a dataclass of such."""
    import torch

    if isinstance(inputs, torch.Tensor):
        return change(inputs)
    if isinstance(inputs, list):
        return [map_tensors(item, change) for item in inputs]
    if dataclasses.is_dataclass(inputs) and not isinstance(inputs, type):
        parts = {f.name: map_tensors(getattr(inputs, f.name), change) for f in dataclasses.fields(inputs)}
        return dataclasses.replace(inputs, **parts)
    return inputs


def _rows(inputs: Any, start: int, stop: int, count: int) -> Any:
    """The inputs of the samples from `start` to `stop`, of `count`; of crops those of the images."""
    if isinstance(inputs, Crops):
        ends = list(itertools.accumulate((len(one) for one in inputs.regions), initial=0))
        crops = slice(ends[start], ends[stop])
        return Crops(inputs.images[crops], inputs.xyxy[crops], inputs.regions[start:stop])
    if isinstance(inputs, list) or (is_tensor(inputs) and inputs.ndim):
        return inputs[start:stop] if len(inputs) == count else inputs
    if dataclasses.is_dataclass(inputs) and not isinstance(inputs, type):
        fields = dataclasses.fields(inputs)
        parts = {f.name: _rows(getattr(inputs, f.name), start, stop, count) for f in fields}
        return dataclasses.replace(inputs, **parts)
    return inputs


@dataclass
class Batch(Generic[T]):
    """What the loader hands to the engine: network inputs, and the annotations in both frames.

    `inputs` is what the model's `preprocess` made, uint8 for images; a dataclass of tensors where a network needs
    more than pixels, such as `ImagesWithProposals` or `Padded`. `targets` are in original pixels, untouched in
    evaluation, and metrics compare them with predictions; `placed` are the same in network pixels, and losses learn
    from them. `indices` are places in the dataset; `defects` are samples that could not be read and were left out.
    """

    inputs: Any
    targets: list[T]
    placed: list[T]
    placements: list[Placement]
    indices: list[int]
    defects: list[Defect] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.targets)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch[T]:
        """The batch with its inputs on `device`; annotations are small and stay until a loss asks for them."""
        inputs = map_tensors(self.inputs, lambda tensor: tensor.to(device, non_blocking=non_blocking))
        return dataclasses.replace(self, inputs=inputs)

    def split(self, parts: int) -> list[Batch[T]]:
        """The batch in so many parts of as equal length as can be, those without a sample left out."""
        count = len(self)
        edges = [count * part // parts for part in range(parts + 1)]
        return [
            Batch(
                _rows(self.inputs, start, stop, count), self.targets[start:stop], self.placed[start:stop],
                self.placements[start:stop], self.indices[start:stop], self.defects if start == 0 else [],
            )
            for start, stop in itertools.pairwise(edges)
            if stop > start
        ]  # fmt: skip

    def pin_memory(self) -> Batch[T]:
        """The batch with its inputs in page-locked memory, from which a GPU can fetch while it computes."""
        import torch

        return dataclasses.replace(self, inputs=map_tensors(self.inputs, torch.Tensor.pin_memory))


def check_lengths(**columns: Sequence[Any]) -> None:
    """Raises ValueError where sequences that belong together differ in length."""
    if len({len(column) for column in columns.values()}) > 1:
        raise ValueError(f"lengths differ: { ({name: len(column) for name, column in columns.items()}) }")
