"""Proposals of images, searched once and kept on disk: found again by content, also for the mirrored image."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from zorki.data.loading.stored_work import cache_folder, keep_array, read_array
from zorki.data.preprocess.resize_image import resize_image
from zorki.data.preprocess.selective_search import VERSION, SearchMode, selective_search


def proposal_folder() -> Path:
    """Where proposals are kept."""
    return cache_folder("proposals")


@dataclass(frozen=True)
class ProposalSearch:
    """Selective search at one size of image, with a memory on disk.

    Equal pixels find what was found before, whatever their file is called, in this run or another. An image and its
    mirror image share one search: the one of them with the smaller hash is searched, and boxes are mirrored for the
    other. Several processes may search at once: files are written whole, and the last to come wins.

    Args:
        mode: "fast" or "quality", see `selective_search`.
        size: images are searched with their longer side at this length, in pixels.
    """

    words: ClassVar = ("proposals", "searched", "images")
    mode: SearchMode
    size: int

    def __call__(self, image: UInt8[Tensor, "3 H W"]) -> Float[Tensor, "N 4"]:
        """All boxes of an image, best first, xyxy in its own pixels.

        Raises:
            ZorkiError: a search is needed and OpenCV lacks it, or the result could not be kept.
        """
        path, is_mirrored = self._place(image)
        found = _read(path)
        if found is None:
            found = self._search_and_keep(image, path, is_mirrored)
        return self._in_pixels_of(image, found, is_mirrored)

    @property
    def folder(self) -> Path:
        """Where they are kept."""
        return proposal_folder()

    def is_cached(self, image: UInt8[Tensor, "3 H W"]) -> bool:
        """Whether the image or its mirror image was searched before."""
        return self._place(image)[0].is_file()

    def _place(self, image: Tensor) -> tuple[Path, bool]:
        """The file of an image's proposals, and whether they are those of its mirror image."""
        pixels = image.permute(1, 2, 0).numpy()
        about = f"{VERSION} {self.mode} {self.size} {pixels.shape}".encode()
        own, other = (_digest(view, about) for view in (pixels, pixels[:, ::-1]))
        name = min(own, other)
        return proposal_folder() / name[:2] / f"{name[2:]}.npy", other < own

    def _search_and_keep(self, image: Tensor, path: Path, is_mirrored: bool) -> Any:
        searched = resize_image(image.flip(-1) if is_mirrored else image, *self._searched_size(image))
        found = selective_search(searched, self.mode, seed=int(path.stem[:8], 16)).numpy()
        keep_array(path, found)
        return found

    def _searched_size(self, image: Tensor) -> tuple[int, int]:
        height, width = image.shape[1:]
        scale = self.size / max(height, width)
        return max(1, round(height * scale)), max(1, round(width * scale))

    def _in_pixels_of(self, image: Tensor, found: Any, is_mirrored: bool) -> Tensor:
        height, width = self._searched_size(image)
        xyxy = torch.from_numpy(found.astype(np.float32))
        if is_mirrored:
            xyxy = torch.stack([width - xyxy[:, 2], xyxy[:, 1], width - xyxy[:, 0], xyxy[:, 3]], 1)
        return xyxy * torch.tensor([image.shape[2] / width, image.shape[1] / height] * 2)


def _read(path: Path) -> Any | None:
    """The boxes in a file; None where there is none, or a power cut left half of one."""
    found = read_array(path)
    return found if found is not None and found.ndim == 2 and found.shape[1] == 4 else None


def _digest(pixels: Any, about: bytes) -> str:
    return hashlib.blake2b(np.ascontiguousarray(pixels).data, digest_size=16, key=about).hexdigest()
