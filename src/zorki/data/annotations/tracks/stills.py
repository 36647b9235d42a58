"""Images with boxes in the place of videos: a tracker learns from an object varied where nothing moves."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor

from zorki.contracts import Dataset
from zorki.data.annotations.boxes.dataset import BoxDataset
from zorki.data.annotations.tracks.dataset import OBJECT
from zorki.data.loading.pipeline import seeded
from zorki.data.transforms.geometry import Affine, warp_image
from zorki.errors import DataError
from zorki.types import Boxes, Defect, Frames, Sample, TrackedBoxes

MIN_SIDE = 10.0
"""Pixels of a box: of smaller objects there is too little to compare."""

MAX_SHARE = 0.8
"""Of an image's sides: what fills it has no surroundings in which to be looked for."""

PANNED = 12
"""Frames of the video that a camera makes which moves over an image."""


@dataclass(frozen=True)
class PannedFrames(Frames):
    """A camera that moves over an image and zooms, along a smooth path that hangs on `seed` alone.

    The window has three quarters of the image's sides; what it sees beyond the image is black.
    """

    image: UInt8[Tensor, "3 H W"]
    seed: int

    def __len__(self) -> int:
        return PANNED

    @property
    def size(self) -> tuple[int, int]:
        return max(1, self.image.shape[1] * 3 // 4), max(1, self.image.shape[2] * 3 // 4)

    def __getitem__(self, number: int) -> UInt8[Tensor, "3 H W"]:
        return warp_image(self.image, self.motion(number), self.size)

    def motion(self, number: int) -> Affine:
        """Where points of the image are in a frame."""
        return _path(self.seed, number, (self.image.shape[1], self.image.shape[2]), self.size)


class StillTracks(Dataset[TrackedBoxes]):
    """The objects of each image as tracks of one frame; of images that are held out, the largest object, panned over.

    Crowds, difficult objects, and those that are tiny or fill the image are left out.
    """

    def __init__(self, images: BoxDataset) -> None:
        self.images = images
        self.root, self.format, self.reason = images.root, images.format, images.reason
        self.class_names = [OBJECT]
        self.defects = images.defects
        self._rows = [index for index in range(len(images)) if len(usable(images.target(index), images.size(index)))]
        if not self._rows:
            raise DataError(f"{images.root}: no image has an object of {MIN_SIDE:g} pixels or more that leaves room")
        place = {index: row for row, index in enumerate(self._rows)}
        self.splits = {
            split: [place[index] for index in indices if index in place] for split, indices in images.splits.items()
        }
        self.split_reason = images.split_reason
        self._held_out = {row for split, rows in self.splits.items() if split != "train" for row in rows}

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Sample[TrackedBoxes]:
        sample = self.images[self._rows[index]]
        if index not in self._held_out:
            return Sample(sample.image[None], self.target(index), sample.path)
        return Sample(PannedFrames(sample.image, self._rows[index]), self.target(index), sample.path)

    def target(self, index: int) -> TrackedBoxes:
        row = self._rows[index]
        size = self.images.size(row)
        boxes = usable(self.images.target(row), size).xyxy
        if index not in self._held_out:
            return TrackedBoxes(torch.zeros(len(boxes), dtype=torch.int64), torch.arange(len(boxes)), boxes)
        if size == (0, 0):
            size = (self.images[row].image.shape[1], self.images[row].image.shape[2])
        return dataclasses.replace(_panned(boxes, size, row), sequence=self.path(index).stem)

    def path(self, index: int) -> Path:
        return self.images.path(self._rows[index])

    def check(self, index: int) -> Defect | None:
        return self.images.check(self._rows[index])


def usable(boxes: Boxes, size: tuple[int, int]) -> Boxes:
    """Those that can be learned from in an image of (height, width) pixels; (0, 0): its size is not known."""
    sides = boxes.xyxy[:, 2:] - boxes.xyxy[:, :2]
    keep = (sides >= MIN_SIDE).all(1)
    if size != (0, 0):
        keep &= (sides <= torch.tensor([size[1], size[0]]) * MAX_SHARE).all(1)
    for marks in (boxes.crowd, boxes.difficult):
        keep &= torch.ones_like(keep) if marks is None else ~marks
    return boxes[keep]


def _panned(boxes: Tensor, size: tuple[int, int], seed: int) -> TrackedBoxes:
    """The largest object in each frame of the panned video."""
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    box = boxes[int(areas.argmax())]
    window = max(1, size[0] * 3 // 4), max(1, size[1] * 3 // 4)
    rows = []
    for number in range(PANNED):
        motion = _path(seed, number, size, window)
        corners = [(motion.a * x + motion.c, motion.e * y + motion.f) for x, y in (box[:2].tolist(), box[2:].tolist())]
        rows.append([*corners[0], *corners[1]])
    frames = torch.arange(PANNED)
    return TrackedBoxes(frames, torch.zeros_like(frames), torch.tensor(rows))


def _path(seed: int, number: int, size: tuple[int, int], window: tuple[int, int]) -> Affine:
    """Shift and zoom of a frame: slow sines, whose phases are drawn."""
    u = torch.rand(4, generator=seeded(torch.Generator(), "panned", seed), dtype=torch.float64).tolist()
    turn = 2 * math.pi * number / PANNED
    zoom = 1 + 0.15 * (math.sin(turn + 2 * math.pi * u[0]) - math.sin(2 * math.pi * u[0]))
    x, y = (size[1] - window[1]) / 2, (size[0] - window[0]) / 2
    right = x * (1 + 0.8 * math.sin(turn + 2 * math.pi * u[1]))
    down = y * (1 + 0.8 * math.sin(turn * (1 if u[3] < 0.5 else 2) + 2 * math.pi * u[2]))
    return Affine(zoom, 0.0, -right * zoom, 0.0, zoom, -down * zoom)
