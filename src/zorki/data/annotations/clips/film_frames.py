"""Single frames of films as images, at so many a second, and images that lie beside the films."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from zorki.contracts import Dataset
from zorki.data.annotations.bare_images import IMAGES, BareImages, bare_images_of
from zorki.data.annotations.clips.clip_record import ClipRecord
from zorki.data.annotations.clips.dataset import ClipDataset
from zorki.data.annotations.listing import no_images, walk_files
from zorki.data.annotations.splits import split_name
from zorki.data.images import MAX_PIXELS
from zorki.data.video.container import is_video
from zorki.data.video.films import check_film, open_film
from zorki.errors import DataError
from zorki.types import Annotation, Defect, Film, Label, Sample, Unlabeled

RATE = 1.0
"""Frames a second that are taken of films: neighbors in time look alike."""


class FilmFrames(Dataset[Annotation]):
    """Images beside films first, then the frames of each film, one at least. Picklable.

    All frames of a film are of one split.

    Args:
        clips: the films, with their splits.
        labeled: whether a frame has the class of its film; else nothing is known of it.
        rate: frames a second.
        images: without labels, in the same folder.
    """

    def __init__(
        self, clips: ClipDataset, *, labeled: bool, rate: float = RATE, images: BareImages | None = None
    ) -> None:
        self.clips, self.labeled, self.images = clips, labeled, images
        self.root, self.format, self.class_names = clips.root, clips.format, clips.class_names
        self.films, self.moments, broken = _moments(clips, rate)
        self.defects = [*clips.defects, *(images.defects if images is not None else []), *broken]
        self._first = 0 if images is None else len(images)
        beside = f"{self._first:,} images and " if images is not None else ""
        self.reason = f"{beside}{len(self.moments):,} frames of {len(self.films):,} films, {rate:g} a second"
        self.splits, self.split_reason = self._split()

    def at_rate(self, rate: float) -> FilmFrames:
        """The same with so many frames a second."""
        return FilmFrames(self.clips, labeled=self.labeled, rate=rate, images=self.images)

    def _split(self) -> tuple[dict[str, list[int]], str]:
        splits = {name: list(own) for name, own in (self.images.splits if self.images is not None else {}).items()}
        for name, films in self.clips.splits.items():
            chosen = set(films)
            own = [self._first + place for place, (film, _) in enumerate(self.moments) if film in chosen]
            splits[name] = [*splits.get(name, []), *own]
        if splits.get("train") or self.clips.has_own_splits:
            return splits, self.clips.split_reason
        every = sorted(index for own in splits.values() for index in own)
        return {"train": every}, "all in train: there are too few films to hold one out"

    def __len__(self) -> int:
        return self._first + len(self.moments)

    def __getitem__(self, index: int) -> Sample[Annotation]:
        if self.images is not None and index < self._first:
            return self.images[index]  # type: ignore[return-value]
        film, seconds = self.moments[index - self._first]
        return Sample(self.films[film].at([seconds])[0], self.target(index), self.path(index))

    def target(self, index: int) -> Annotation:
        if index < self._first or not self.labeled:
            return Unlabeled()
        return Label(self.clips.labels[self.moments[index - self._first][0]])

    def path(self, index: int) -> Path:
        if self.images is not None and index < self._first:
            return self.images.path(index)
        return self.clips.path(self.moments[index - self._first][0])

    def check(self, index: int) -> Defect | None:
        """Of an image; films were looked at when they were opened."""
        return self.images.check(index) if self.images is not None and index < self._first else None

    def mark(self, index: int) -> str:
        """Of a frame: its film's words, and the moment."""
        if self.images is not None and index < self._first:
            return self.images.mark(index)
        film, seconds = self.moments[index - self._first]
        return f"{self.clips.mark(film)} {seconds:.3f}"


def read_film_frames(root: Path, max_pixels: int | None = None) -> FilmFrames | BareImages:
    """Every image and frames of every video in a folder and below it, without labels; or of one video.

    Folders called train, val and test are splits; else whole videos are held out by their names.

    Raises:
        DataError: there is neither folder nor video, or nothing is in it that can be read.
    """
    if not root.is_dir() and not (root.is_file() and is_video(root.name)):
        raise DataError(f"{root}: expected a folder of images or videos, or a video")
    names = [name for name in walk_files(root) if is_video(name)] if root.is_dir() else [root.name]
    images = bare_images_of(root, max_pixels) if root.is_dir() else None
    if not names:
        if images is None:
            raise no_images(root)
        return images
    folder = root if root.is_dir() else root.parent
    clips = [ClipRecord(name, folder / name) for name in names]
    given: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        if words := [part for part in PurePosixPath(name).parts[:-1] if split_name(part)]:
            given.setdefault(words[0], []).append(place)
    dataset = ClipDataset(
        root, IMAGES, "", ["image"], clips, [0] * len(clips), given, [],
        MAX_PIXELS if max_pixels is None else max_pixels, group="none" if given else None,
    )  # fmt: skip
    found = FilmFrames(dataset, labeled=False, images=images)
    if not len(found):
        raise DataError(f"{root}: nothing in it can be read: {found.defects[0]}")
    return found


def _moments(clips: ClipDataset, rate: float) -> tuple[dict[int, Film], list[tuple[int, float]], list[Defect]]:
    """Films that can be opened by their numbers, the frames of each in seconds, and what is broken."""
    films: dict[int, Film] = {}
    moments: list[tuple[int, float]] = []
    broken: list[Defect] = []
    for number, clip in enumerate(clips.clips):
        reason = check_film(clip.path, clips.max_pixels)
        if reason is not None:
            broken.append(Defect(clip.path, reason))
            continue
        film = open_film(clip.path, clip.start, clip.end, clips.max_pixels)
        try:
            moments += [(number, seconds) for seconds in _evenly(film, rate)]
        except DataError as error:
            broken.append(Defect(clip.path, str(error).removeprefix(f"{clip.path}: ")))
            continue
        films[number] = film
    return films, moments, broken


def _evenly(film: Film, rate: float) -> Sequence[float]:
    """Moments in the middle of parts of 1 / rate seconds; the middle of a film that is shorter than one."""
    count = max(1, round(film.duration * min(rate, film.rate)))
    return [(place + 0.5) * film.duration / count for place in range(count)]
