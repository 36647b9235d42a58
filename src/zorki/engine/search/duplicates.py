"""Images that are nearly the same: by the embeddings of a run, or without one by OpenCV's perceptual hash."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt64

from zorki import registry
from zorki.data.formats.detect import detect
from zorki.data.images import interleaved
from zorki.engine.data_source import read_data
from zorki.engine.search.images import (
    Gallery,
    GalleryImage,
    embed,
    from_dataset,
    from_sources,
    leave_out,
    read_ahead,
    read_or_reason,
)
from zorki.engine.search.network import EmbeddingNetwork
from zorki.errors import DataError, RecipeError, ZorkiError
from zorki.index.store import Tell
from zorki.ops.near_pairs import near_hashes, near_vectors
from zorki.recipe import Recipe

MIN_SIMILARITY = 0.95  # cosine of embeddings
MAX_BITS = 4  # of the 64 of a hash that differ
MAX_PAIRS = 100_000


@dataclass(frozen=True)
class DuplicatePair:
    """Two images that are nearly the same.

    Attributes:
        a, b: their ids: paths in the folder.
        closeness: cosine of the embeddings; or bits of 64 in which the hashes differ.
        splits: of both, where the data were read as a dataset.
    """

    a: str
    b: str
    closeness: float
    splits: tuple[str, str] | None = None


@dataclass
class DuplicateReport:
    """What was found.

    Attributes:
        method: by what images were compared, in words.
        threshold: cosine from which on, or bits up to which, two images are nearly the same.
        count: images that were compared.
        pairs: the nearest first.
        groups: ids of images that are linked by pairs, the largest group first.
        files: the file of each image in a pair.
    """

    method: str
    threshold: float
    count: int
    pairs: list[DuplicatePair]
    groups: list[list[str]]
    files: dict[str, str] = field(default_factory=dict)


def duplicates(
    images: Any,
    *,
    network: EmbeddingNetwork | None = None,
    across: Sequence[str] | None = None,
    threshold: float | None = None,
    strict: bool = False,
    tell: Tell,
) -> DuplicateReport:
    """Pairs of images that are nearly the same.

    Args:
        images: files, folders, globs; with `across` one dataset.
        network: compares by cosine similarity; None: by `cv2.img_hash.pHash`, a DCT hash of 64 bits (Zauner, 2010),
            which finds copies that were resized, compressed or brightened, not those that were cropped or turned.
        across: names of splits; pairs within one of them are none: what of test is in train?
        threshold: cosine, -1..1, .95 where None; of hashes the bits that may differ, 0..64, 4 where None.

    Raises:
        ZorkiError: nothing can be read, there are fewer than two images or no such splits, the threshold is out of
            range, or OpenCV's contrib modules are missing.
    """
    least, most, usual = (-1.0, 1.0, MIN_SIMILARITY) if network is not None else (0, 64, MAX_BITS)
    threshold = usual if threshold is None else threshold
    if not least <= threshold <= most:
        what = "a cosine" if network is not None else "a number of bits"
        raise RecipeError(f"threshold is {threshold}; expected {what} from {least:g} to {most:g}")
    gallery, splits = (from_sources(images), {}) if across is None else _split_gallery(images, across)
    if network is not None:
        entries = embed(network, gallery, tell, strict=strict)
        ids, paths = entries.ids, entries.columns["path"]
        method = f"cosine of the embeddings of {network.run.folder}"
        found = near_vectors(entries.vectors, threshold)
    else:
        ids, paths, hashes = _hashed(gallery, tell, strict)
        method = "bits that differ in 64 of OpenCV's pHash"
        found = near_hashes(hashes, int(threshold))
    if len(ids) < 2:
        raise DataError(f"{ids[0]}: one image; expected two or more to compare")
    groups_of_split = np.array([across.index(splits[one]) for one in ids]) if across else None
    pairs = []
    for a, b, closeness in found:
        if groups_of_split is not None and groups_of_split[a] == groups_of_split[b]:
            continue
        both = None if across is None else (splits[ids[a]], splits[ids[b]])
        pairs.append(DuplicatePair(ids[a], ids[b], closeness, both))
        if len(pairs) > MAX_PAIRS:
            raise ZorkiError(
                f"{gallery.root}: more than {MAX_PAIRS:,} pairs are nearly the same by {method} at {threshold:g}; "
                "choose a stricter threshold"
            )
    pairs.sort(key=lambda pair: (-pair.closeness if network is not None else pair.closeness, pair.a, pair.b))
    in_pairs = {one for pair in pairs for one in (pair.a, pair.b)}
    files = {one: str(gallery.root / path) for one, path in zip(ids, paths, strict=True) if one in in_pairs}
    return DuplicateReport(method, threshold, len(ids), pairs, _groups(pairs), files)


def _split_gallery(images: Any, across: Sequence[str]) -> tuple[Gallery, dict[str, str]]:
    """The images of some splits of a dataset, and the split of each id."""
    only = images[0] if isinstance(images, list | tuple) and len(images) == 1 else images
    if not isinstance(only, str | Path):
        raise RecipeError("across compares the splits of one dataset; name its folder or file alone")
    if len(set(across)) < 2:
        raise RecipeError(f"across is {', '.join(across)}; expected two splits or more, such as train,test")
    dataset = _dataset(Path(only))
    if missing := [name for name in across if not dataset.splits.get(name)]:
        there = ", ".join(f"{name} ({len(members)})" for name, members in dataset.splits.items())
        raise DataError(f"{only}: no image is in the split {missing[0]!r}; there are {there}")
    members = [(name, index) for name in across for index in dataset.splits[name]]
    gallery = from_dataset(dataset, [index for _, index in members])
    listed = list(gallery.images)
    gallery.images = listed
    return gallery, {image.id: name for image, (name, _) in zip(listed, members, strict=True)}


def _dataset(root: Path) -> Any:
    """The data as the first task reads them that can; tasks of labels last, since any folder of folders looks so."""
    detection = detect(root)
    tasks = sorted(registry.tasks().values(), key=lambda task: "labels" in task.data.needs)
    for task in tasks:
        try:
            if task.data.needs and detection.match(*task.data.needs):
                return read_data(task, root, Recipe())
        except DataError:
            continue
    raise detection.error() or DataError(f"{root}: no dataset was recognized; `zorki show {root}` tells why")


def _hashed(gallery: Gallery, tell: Tell, strict: bool) -> tuple[list[str], list[str], UInt64[np.ndarray, " N"]]:
    cv2 = _img_hash()
    ids, paths, hashes = [], [], []
    for image, found in read_ahead(gallery.images, lambda image: _hash(cv2, image)):
        if isinstance(found, DataError):
            if strict or image.named:
                raise found
            leave_out(gallery, image, found, tell)
            continue
        ids.append(image.id)
        paths.append(image.columns["path"])
        hashes.append(found)
    if not ids:
        raise DataError(f"{gallery.root}: nothing could be read: {gallery.defects[0]}")
    return ids, paths, np.array(hashes, np.uint64)


def _hash(cv2: Any, image: GalleryImage) -> Any:
    pixels = read_or_reason(image, 32)
    if isinstance(pixels, DataError):
        return pixels
    return cv2.img_hash.pHash(np.ascontiguousarray(interleaved(pixels)[..., ::-1])).view(np.uint64)[0, 0]


def _img_hash() -> Any:
    try:
        import cv2

        cv2.img_hash.pHash  # noqa: B018  # plain OpenCV has no contrib modules
    except (ImportError, AttributeError) as error:
        raise ZorkiError(
            "without a run, duplicates are found by OpenCV's perceptual hash: pip install 'zorki[cv]' (and no plain "
            "opencv-python beside it); or name a run: --run RUN"
        ) from error
    return cv2


def _groups(pairs: Sequence[DuplicatePair]) -> list[list[str]]:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ids = sorted({one for pair in pairs for one in (pair.a, pair.b)})
    if not ids:
        return []
    place = {one: row for row, one in enumerate(ids)}
    a, b = [place[pair.a] for pair in pairs], [place[pair.b] for pair in pairs]
    _, labels = connected_components(coo_array((np.ones(len(pairs)), (a, b)), (len(ids), len(ids))), directed=False)
    sizes = Counter(labels.tolist())
    groups: dict[int, list[str]] = {label: [] for label, _ in sizes.most_common()}
    for one, label in zip(ids, labels.tolist(), strict=True):
        groups[label].append(one)
    return list(groups.values())
