"""The optical flow of films, worked out once and kept on disk: found again by the film and how it is sampled."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from zorki.contracts import Preprocess
from zorki.data.loading.stored_work import cache_folder, keep_array, read_array
from zorki.data.preprocess.flow.dense_inverse_search import VERSION, optical_flow, to_levels
from zorki.types import Film

MAX_MOMENTS = 3000
"""Of a film whose flow is kept; that of longer ones is worked out for the clips that are asked for."""

_AT_ONCE = 64  # frames that are decoded together


@dataclass(frozen=True)
class FlowStore:
    """Flow from every frame of a film to the one `stride` later, of the frames as `each` makes them.

    Args:
        grid: frames a second at which the film is sampled; 0: its own.
        limit: pixels of the largest shift that is kept.
    """

    words: ClassVar = ("optical flow", "worked out for", "films")
    stride: int
    grid: float
    each: Preprocess
    limit: float

    @property
    def folder(self) -> Path:
        return cache_folder("flow")

    def keeps(self, film: Film) -> bool:
        """Whether the film's flow is stored: of those that are not too long."""
        return self._count(film) <= MAX_MOMENTS

    def is_cached(self, film: Film) -> bool:
        """Whether it is there already, or is none that is kept."""
        return not self.keeps(film) or self._place(film).is_file()

    def __call__(self, film: Film) -> UInt8[np.ndarray, "N 2 H W"]:
        """The flow, as levels, from each moment of the film to the next but `stride`: N, one at least.

        Raises:
            ZorkiError: the flow is needed, and OpenCV lacks it, or the result could not be kept.
        """
        path = self._place(film)
        found = _read(path)
        if found is None:
            found = self._work_out(film)
            keep_array(path, found)
        return found

    def of_frames(self, frames: UInt8[Tensor, "T 3 h w"]) -> UInt8[np.ndarray, "L 2 H W"]:
        """The flow, as levels, from each of these frames to the next."""
        inputs = self.each(list(frames))[0]
        return to_levels(optical_flow(inputs), self.limit)

    def _count(self, film: Film) -> int:
        return max(1, round(film.duration * (self.grid or film.rate)))

    def _work_out(self, film: Film) -> Any:
        rate, count = self.grid or film.rate, self._count(film)
        fields: list[Any] = []
        last = max(1, count - self.stride)
        for start in range(0, last, _AT_ONCE):
            firsts = range(start, min(start + _AT_ONCE, last))
            moments = sorted({*firsts, *(first + self.stride for first in firsts)})
            frames = film.at([(moment + 0.5) / rate for moment in moments])
            inputs = dict(zip(moments, self.each(list(frames))[0], strict=True))
            fields += [optical_flow(torch.stack([inputs[first], inputs[first + self.stride]]))[0] for first in firsts]
        return to_levels(np.stack(fields), self.limit)

    def _place(self, film: Film) -> Path:
        about = json.dumps([VERSION, self.stride, self.grid, self.each.to_json(), self.limit, film.fingerprint])
        name = hashlib.blake2b(about.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
        return self.folder / name[:2] / f"{name[2:]}.npy"


def _read(path: Path) -> Any | None:
    """The flow in a file; None where there is none, or a power cut left half of one."""
    found = read_array(path)
    return found if found is not None and found.ndim == 4 and found.dtype == np.uint8 else None
