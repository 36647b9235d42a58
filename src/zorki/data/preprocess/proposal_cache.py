"""Proposals of images, searched once and kept on disk: found again by content, also for the mirrored image."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from zorki.data.loading.workers import start_worker
from zorki.data.preprocess.resize_image import resize_image
from zorki.data.preprocess.selective_search import VERSION, SearchMode, selective_search
from zorki.errors import DataError, ZorkiError
from zorki.files import whole
from zorki.input_files.content import open_file

_SECONDS_BETWEEN_LINES = 10.0


def proposal_folder() -> Path:
    """Where proposals are kept: `proposals` in $ZORKI_CACHE, else in the user's cache."""
    chosen = os.environ.get("ZORKI_CACHE")
    if chosen:
        return Path(chosen).expanduser() / "proposals"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zorki" / "proposals"


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
        # Under a name of its own first: another process may be writing the same image's.
        aside = path.with_name(f"{path.stem}.{os.getpid()}-{threading.get_ident()}")
        with whole(aside, flush=False) as part, part.open("wb") as file:
            np.save(file, found)
        os.replace(aside, path)
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


def search_all(
    search: ProposalSearch,
    images: Callable[[int], Tensor],
    count: int,
    *,
    workers: int,
    say: Callable[[str], None],
) -> int:
    """Searches the images 0..count-1 that are not known yet, and returns how many those were.

    Images that cannot be read (DataError) are passed over: whoever reads them next will say so.

    Args:
        search: what to do with each.
        images: makes an image of its number; called in the workers, which it travels to.
        count: how many images there are.
        workers: processes of one thread each; 0 searches in this one.
        say: hears how far it is, every ten seconds as long as there is something to search.

    Raises:
        ZorkiError: OpenCV lacks selective search, or a result could not be kept.
    """
    progress = _Progress(count, say)
    searcher = _Searcher(search, images, count)
    if workers < 1 or count < 2:
        for index in range(count):
            progress.add(searcher[index])
        return progress.finish()
    loader: DataLoader[Any] = DataLoader(
        searcher,
        batch_size=None,
        collate_fn=_same,
        num_workers=min(workers, count),
        prefetch_factor=4,
        worker_init_fn=start_worker,
        # Forked workers start in milliseconds; elsewhere the platform's own way is the safe one.
        multiprocessing_context="fork" if sys.platform == "linux" else None,
        generator=torch.Generator(),  # its own, so that the global one is left as it was
    )
    for answer in loader:
        if isinstance(answer, ZorkiError):
            raise answer
        progress.add(answer)
    return progress.finish()


class _Searcher(TorchDataset[Any]):
    """Searches an image where a dataset would read one; whether it had to."""

    def __init__(self, search: ProposalSearch, images: Callable[[int], Tensor], count: int) -> None:
        self.search, self.images, self.count = search, images, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> bool | ZorkiError:
        try:
            image = self.images(index)
        except DataError:
            return False
        try:
            if self.search.is_cached(image):
                return False
            self.search(image)
        except ZorkiError as error:
            # As a value: a raised one would come out of a worker wrapped in its traceback.
            return error
        return True


class _Progress:
    """Says how far a search is, and how long it will last."""

    def __init__(self, count: int, say: Callable[[str], None]) -> None:
        self.count, self.say = count, say
        self.done = self.searched = 0
        self.started = self.printed = time.monotonic()

    def add(self, answer: bool | ZorkiError) -> None:
        if isinstance(answer, ZorkiError):
            raise answer
        self.done += 1
        self.searched += answer
        now = time.monotonic()
        if self.searched and now - self.printed > _SECONDS_BETWEEN_LINES:
            self.printed = now
            left = (now - self.started) / self.done * (self.count - self.done)
            self.say(f"proposals: {self.done} of {self.count} images, {left:.0f} s left")

    def finish(self) -> int:
        if self.searched:
            seconds = time.monotonic() - self.started
            self.say(
                f"proposals: searched {self.searched} of {self.count} images in {seconds:.0f} s, "
                f"kept in {proposal_folder()}"
            )
        return self.searched


def _read(path: Path) -> Any | None:
    """The boxes in a file; None where there is none, or a power cut left half of one."""
    try:
        with open_file(path) as file:
            found = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError):  # what a header says may be anything
        return None
    return found if found.ndim == 2 and found.shape[1] == 4 else None


def _digest(pixels: Any, about: bytes) -> str:
    return hashlib.blake2b(np.ascontiguousarray(pixels).data, digest_size=16, key=about).hexdigest()


def _same(value: Any) -> Any:
    return value
