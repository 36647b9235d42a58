"""Features of a frozen backbone in the place of pixels: worked out once for every frame of a film, and kept on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from zorki.contracts import Preprocess
from zorki.data.loading.stored_work import cache_folder, keep_array, precompute_all, read_array
from zorki.data.preprocess.clips import Clips, film_of
from zorki.data.transforms.varied_film import VariedFilm
from zorki.errors import ZorkiError
from zorki.types import Film, Frames, Placement

_VERSION = 1
_AT_ONCE = 32  # frames that go through the network together


class FeatureStore:
    """Features of every frame of a film, and of the film mirrored, found again by network, sampling and film.

    In the processes that decode there is no network: they read what is stored.

    Args:
        network: from uint8 frames (T, 3, height, width) to features (T, D), in evaluation.
        fingerprint: words that differ where the network's outputs do.
        each: what makes of a frame the network's input.
        rate: frames a second at which films are sampled; 0: their own.
        mirrored: whether mirrored films are asked for as well.
    """

    words: ClassVar = ("features of frames", "worked out for", "films")

    def __init__(
        self,
        network: Callable[[Tensor], Tensor],
        fingerprint: str,
        each: Preprocess,
        rate: float,
        *,
        mirrored: bool,
    ) -> None:
        self._network: Callable[[Tensor], Tensor] | None = network
        self._about = [_VERSION, fingerprint, each.to_json(), rate]
        self.each, self.rate = each, rate
        self._flips = (False, True) if mirrored else (False,)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_network": None}

    @property
    def folder(self) -> Path:
        return cache_folder("features")

    def is_cached(self, film: Film) -> bool:
        """Whether all that is asked of a film is there."""
        return all(self._place(film, flip).is_file() for flip in self._flips)

    def __call__(self, film: Film) -> None:
        """Works out what is not there. Raises ZorkiError where it cannot be kept, DataError as the film."""
        for flip in self._flips:
            self.features(film, flip)

    def features(self, film: Film, flip: bool) -> Float[np.ndarray, "N D"]:
        """Of each frame at the rate. Raises ZorkiError where they are not stored and there is no network."""
        path = self._place(film, flip)
        found = _read(path)
        if found is None:
            found = self._work_out(film, flip)
            keep_array(path, found)
        return found

    def _work_out(self, film: Film, flip: bool) -> Float[np.ndarray, "N D"]:
        if self._network is None:
            raise ZorkiError(
                f"the features of a film are gone from {self.folder}; begin again: they are worked out before training"
            )
        rate = self.rate or film.rate
        count = max(1, round(film.duration * rate))
        rows: list[Any] = []
        for first in range(0, count, _AT_ONCE):
            frames = film.at([(place + 0.5) / rate for place in range(first, min(first + _AT_ONCE, count))])
            inputs = self.each(list(frames.flip(3) if flip else frames))[0]
            rows.append(self._network(inputs).float().cpu().numpy())
        return np.concatenate(rows)

    def _place(self, film: Film, flip: bool) -> Path:
        about = json.dumps([*self._about, flip, film.fingerprint])
        name = hashlib.blake2b(about.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
        return self.folder / name[:2] / f"{name[2:]}.npy"


@dataclass(frozen=True)
class FeatureClips(Clips):
    """As `Clips`, but of the stored features of frames: (B, T, D), or (B, N, T, D) of several clips; for training.

    A film is varied in no way but that it may be mirrored. What is saved with a run is the plain `Clips`.
    """

    store: FeatureStore | None = field(default=None, compare=False, repr=False)

    def __call__(  # type: ignore[override]
        self, images: Sequence[Tensor | Frames], generators: Sequence[torch.Generator] | None = None
    ) -> tuple[Float[Tensor, "B *N T D"], list[Placement]]:
        """Raises ZorkiError where features are not stored."""
        drawn = [None] * len(images) if generators is None else generators
        rows = [self._rows(film_of(image), generator) for image, generator in zip(images, drawn, strict=True)]
        placements = [
            Placement(*film_of(image).size, input_height=self.size, input_width=self.size) for image in images
        ]
        stacked = torch.stack(rows)
        several = self.clips > 1 and generators is None
        return stacked.unflatten(1, (self.clips, self.frames)) if several else stacked, placements

    def _rows(self, film: Film, generator: torch.Generator | None) -> Float[Tensor, "T D"]:
        assert self.store is not None
        plain, flip = (film.film, bool(film.drawn.flip)) if isinstance(film, VariedFilm) else (film, False)
        features = self.store.features(plain, flip)
        rate = self.rate or film.rate
        moments = [time for start in self.starts(film, generator) for time in self.times(film, start)]
        return torch.from_numpy(features[[min(int(time * rate), len(features) - 1) for time in moments]])

    @property
    def pixels(self) -> Clips:
        """The same of pixels."""
        return Clips(self.frames, self.stride, self.each, self.rate, self.clips, self.order)

    def precompute(self, images: Callable[[int], Any], count: int, *, workers: int, say: Callable[[str], None]) -> int:
        """Works out the features of the films 0..count-1 that are not stored yet, in this process."""
        assert self.store is not None
        return precompute_all(self.store, _Films(images), count, workers=0, say=say)


@dataclass(frozen=True)
class _Films:
    images: Callable[[int], Any]

    def __call__(self, index: int) -> Film:
        return film_of(self.images(index))


def feature_clips(
    clips: Clips,
    normalize: nn.Module,
    backbone: nn.Module,
    features: Callable[[Float[Tensor, "1 T 3 H W"]], Float[Tensor, "1 T D"]],
    *,
    precision: str,
    mirrored: bool,
) -> FeatureClips:
    """The same sampling, of features that a frozen backbone gives in a training of this precision."""

    @torch.inference_mode()
    def network(frames: UInt8[Tensor, "T 3 H W"]) -> Float[Tensor, "T D"]:
        modes = [(module, module.training) for module in backbone.modules()]
        backbone.eval()
        device = next(backbone.parameters()).device
        kind = torch.bfloat16 if precision == "bf16" else torch.float16
        with torch.autocast(device.type, kind, enabled=precision != "32"):
            found = features(normalize(frames.to(device))[None])[0]
        for module, mode in modes:
            module.training = mode
        return found

    digest = hashlib.blake2b(precision.encode(), digest_size=16)
    for part in (normalize, backbone):
        for name, value in part.state_dict().items():
            digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
            digest.update(np.ascontiguousarray(value.detach().cpu().float().numpy()).tobytes())
    store = FeatureStore(network, digest.hexdigest(), clips.each, clips.rate, mirrored=mirrored)
    return FeatureClips(clips.frames, clips.stride, clips.each, clips.rate, clips.clips, clips.order, store)


def _read(path: Path) -> Any | None:
    """The features in a file; None where there is none, or a power cut left half of one."""
    found = read_array(path)
    return found if found is not None and found.ndim == 2 and found.dtype == np.float32 else None
