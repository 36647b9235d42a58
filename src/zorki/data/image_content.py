"""What files of images hold that a header does not tell: copies, images of one color, pages, and levels unused."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from zorki.data.images import open_image
from zorki.input_files.content import open_file
from zorki.types import Defect

SAMPLE_SIZE = 256
"""Files that are opened at most: the smallest, which images of one color are, and some of each kind with pages."""

_PLACEHOLDERS = 3  # copies of one file that make it look like a stand-in for images that are not there
_HEAD = 1 << 13  # bytes that are compared before whole files are
_MAX_PIXELS = 1 << 26
_COARSE = 32  # pixels of a side at least that are left of a JPEG at the first look
_FLAT_BYTES = {"JPEG": 0.04, "PNG": 0.25, "WEBP": 0.1}
"""Bytes a pixel at most, beside `_BARE_BYTES`, of a file whose image could be of one color: .018 of a plain JPEG."""
_BARE_BYTES = 4096  # of headers and tables
_SPREAD = 2  # levels of 256 at most between the least and the greatest value of an image of one color
_PAGED = (".tif", ".tiff", ".gif", ".webp", ".png", ".avif")
_USED = 0.25  # of the 16 bits, below which levels are told to be unused


def content_notes(root: Path, splits: Mapping[str, Sequence[Path]]) -> list[Defect]:
    """Notes on copies in two splits, stand-ins, images of one color, pages passed over, and unused levels."""
    paths = sorted({path for own in splits.values() for path in own if path.is_file()})
    return [*_copies(root, splits, paths), *_plain(root, paths), *notes_of_kinds(root, paths)]


def notes_of_kinds(root: Path, paths: Sequence[Path]) -> list[Defect]:
    """Notes on pages passed over and unused levels, which some kinds of files have."""
    return [*_pages(root, paths), *_unused_levels(root, paths)]


# -- files that are the same, byte for byte --


def equal_files(paths: Sequence[Path]) -> list[list[Path]]:
    """Groups of files with the same bytes; read are only those of the same size, and whole those that begin alike."""
    groups = _grouped([list(paths)], lambda path: path.stat().st_size)
    for whole in (False, True):
        groups = _grouped(groups, partial(_hash, whole=whole))
    return groups


def _grouped(groups: Sequence[Sequence[Path]], key: Callable[[Path], Hashable]) -> list[list[Path]]:
    found: list[list[Path]] = []
    for group in groups:
        same: dict[Hashable, list[Path]] = {}
        for path in group:
            same.setdefault(key(path), []).append(path)
        found += [own for own in same.values() if len(own) > 1]
    return found


def _hash(path: Path, *, whole: bool) -> bytes:
    with open_file(path) as file:
        return hashlib.sha256(file.read() if whole else file.read(_HEAD)).digest()


def _copies(root: Path, splits: Mapping[str, Sequence[Path]], paths: Sequence[Path]) -> Iterator[Defect]:
    groups = equal_files(paths)
    owners = {split: set(own) for split, own in splits.items()}
    words = list(splits)
    for number, word in enumerate(words):
        for other in words[number + 1 :]:
            both = [
                (one, copy)
                for group in groups
                if (one := next((path for path in group if path in owners[word]), None)) is not None
                if (copy := next((path for path in group if path in owners[other] and path != one), None)) is not None
            ]
            if both:
                lie = f"1 image of {word} lies" if len(both) == 1 else f"{len(both)} images of {word} lie"
                names = " = ".join(_name(path, root) for path in both[0])
                reason = f"{lie} in {other} too, byte for byte ({names}): what is learned is evaluated"
                yield Defect(root, reason, note=True)
    for group in groups:
        if len(group) >= _PLACEHOLDERS:
            reason = f"{len(group)} files are this image, byte for byte: a stand-in for images that are not there?"
            yield Defect(group[0], reason, note=True)


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


# -- images that show nothing --


def _plain(root: Path, paths: Sequence[Path]) -> Iterator[Defect]:
    small = sorted(paths, key=lambda path: path.stat().st_size)[:SAMPLE_SIZE]
    found = [path for path in small if _is_plain(path)]
    if found:
        count = "1 image is" if len(found) == 1 else f"{len(found)} images are"
        limits = "" if len(small) == len(paths) else f" (of the {len(small)} smallest files, which alone were decoded)"
        yield Defect(root, f"{count} of nearly one color, {_name(found[0], root)} first{limits}", note=True)


def _is_plain(path: Path) -> bool:
    """Whether all pixels are of nearly one color; files that hold too much for it are not decoded."""
    image = _opened(path)
    if image is None:
        return False
    with image:
        pixels = image.width * image.height
        most = _BARE_BYTES + _FLAT_BYTES.get(image.format or "", 1e9) * pixels
        if pixels > _MAX_PIXELS or path.stat().st_size > most:
            return False
        jpeg = image.format == "JPEG"
        if jpeg:
            image.draft("RGB", (_COARSE, _COARSE))  # at an eighth of its size, which shows most of what is not plain
        if not _is_flat(image):
            return False
    return not jpeg or ((whole := _opened(path)) is not None and _is_flat(whole))


def _is_flat(image: Image.Image) -> bool:
    deep = image.mode.startswith(("I", "F"))
    try:
        with image:
            pixels = np.asarray(image if deep else image.convert("RGB"))
    except Exception:  # what cannot be decoded is told elsewhere
        return False
    most = _SPREAD * 257 if image.mode.startswith("I") else _SPREAD / 255 if image.mode == "F" else _SPREAD
    return bool((pixels.max((0, 1)).astype(float) - pixels.min((0, 1)) <= most).all())


def _opened(path: Path) -> Image.Image | None:
    try:
        return open_image(path)
    except Exception:  # what cannot be opened is told elsewhere
        return None


def _some(paths: Sequence[Path], suffixes: Sequence[str]) -> list[Path]:
    own = [path for path in paths if path.suffix.lower() in suffixes]
    return own[:: max(1, len(own) // SAMPLE_SIZE)][:SAMPLE_SIZE]


# -- files that hold more than is read --


def _pages(root: Path, paths: Sequence[Path]) -> Iterator[Defect]:
    counts: dict[Path, int] = {}
    for path in _some(paths, _PAGED):
        if (image := _opened(path)) is not None:
            try:
                counts[path] = int(getattr(image, "n_frames", 1))
            except Exception:  # a broken page is none
                counts[path] = 1
            finally:
                image.close()
    several = {path: count for path, count in counts.items() if count > 1}
    if several:
        first, passed = next(iter(several)), sum(several.values()) - len(several)
        files = "1 file holds" if len(several) == 1 else f"{len(several)} files hold"
        reason = f"{files} several pages or frames, {_name(first, root)} ({several[first]}) first: {passed} passed over"
        yield Defect(root, reason, note=True)


def _unused_levels(root: Path, paths: Sequence[Path]) -> Iterator[Defect]:
    most = count = 0
    for path in _some(paths, (".png", ".tif", ".tiff", ".pgm", ".jp2")):
        image = _opened(path)
        if image is None:
            continue
        try:
            if image.mode.startswith("I;16") and image.width * image.height <= _MAX_PIXELS:
                most, count = max(most, int(np.asarray(image).max())), count + 1
        except Exception:  # what cannot be decoded is told elsewhere
            continue
        finally:
            image.close()
    if count and most < _USED * 65535:
        files = "1 image" if count == 1 else f"{count} images"
        reason = (
            f"the values of {files} of 16 bits that were looked at end at {most}, {most / 65535:.1%} of the range, so "
            f"that {most // 257 + 1} of 256 levels are left; multiply them by {65535 // max(1, most)}"
        )
        yield Defect(root, reason, note=True)
