"""Open-set identification: who is it, of those in the gallery, or nobody of them?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zorki.errors import RecipeError, ZorkiError
from zorki.index.store import Entries, Neighbor, VectorStore
from zorki.metrics.retrieval.open_set import OpenSetTradeoff, open_set_tradeoff

CANDIDATES = 3  # names that are told
REACH = 50  # neighbors in which their other names are looked for
MAX_PROBES = 5000  # images of the gallery that are asked against the others
MAX_POINTS = 200  # of the curve that is kept


@dataclass(frozen=True)
class Candidate:
    """A name, the similarity of the nearest of its images, and that image."""

    name: str
    similarity: float
    neighbor: Neighbor


@dataclass(frozen=True)
class Identification:
    """Who is on an image.

    Attributes:
        query: its id.
        path: its file.
        name: None: nobody of the gallery.
        candidates: the nearest names, the best first, also where none is near enough.
        threshold: similarity from which on a name is said.
    """

    query: str
    path: str
    name: str | None
    candidates: list[Candidate]
    threshold: float

    @property
    def similarity(self) -> float:
        """Of the nearest image of the gallery."""
        return self.candidates[0].similarity


@dataclass(frozen=True)
class Threshold:
    """A threshold, how it was chosen, and what it does.

    Attributes:
        similarity: names are said from here on.
        far: the false accept rate that was asked for.
        measured_far: share of images of unknown ones that get a name all the same.
        unknown_images, unknown_names: in no gallery: what the threshold was chosen on.
        detection_identification_rate: share of images of known ones that get their right name; None without any.
        known_images: how many of these there were.
        known_source: where they come from.
        entries: images in the index.
        data: what was looked at.
        curve: (false positive identification rate, false negative identification rate) at falling thresholds.
    """

    similarity: float
    far: float
    measured_far: float
    unknown_images: int
    unknown_names: int
    detection_identification_rate: float | None
    known_images: int
    known_source: str
    entries: int
    data: str
    curve: tuple[tuple[float, float], ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> Threshold:
        return Threshold(**{**values, "curve": tuple((float(x), float(y)) for x, y in values["curve"])})

    def __str__(self) -> str:
        text = (
            f"Threshold {self.similarity:.4f}: of {self.unknown_images} images of {self.unknown_names} that are in no "
            f"gallery ({self.data}), {self.measured_far:.4f} get a name; asked for {self.far:g}"
        )
        if self.far and self.unknown_images * self.far < 1:
            text += f" (with so few images the next rate is {1 / self.unknown_images:.3f})"
        text += "."
        if self.detection_identification_rate is not None:
            text += (
                f"\nOf {self.known_images} images of those in the gallery ({self.known_source}), "
                f"{self.detection_identification_rate:.4f} get their right name (DIR at this FAR)."
            )
        return text


def identify(store: VectorStore, entries: Entries, root: Path, threshold: float) -> list[Identification]:
    """Who is on each of the images; the score of a name is the maximum over its references."""
    check_names(store)
    found = store.search(entries.vectors, min(REACH, len(store)))
    paths = entries.columns.get("path", entries.ids)
    return [
        _identified(query, str(root / path), neighbors, threshold)
        for query, path, neighbors in zip(entries.ids, paths, found, strict=True)
    ]


def _identified(query: str, path: str, neighbors: list[Neighbor], threshold: float) -> Identification:
    best: dict[str, Candidate] = {}
    for one in neighbors:  # the nearest first, so the first of a name is its maximum
        best.setdefault(name_of(one), Candidate(name_of(one), one.similarity, one))
    candidates = list(best.values())[:CANDIDATES]
    name = candidates[0].name if candidates[0].similarity >= threshold else None
    return Identification(query, path, name, candidates, threshold)


def name_of(neighbor: Neighbor) -> str:
    return neighbor.columns["name"]


def check_names(store: VectorStore) -> list[str]:
    """The name of each entry. Raises ZorkiError where there are none, or one name alone."""
    if not len(store):
        raise ZorkiError(f"{store.place}: the index is empty; add images: zorki index --into {store.place} IMAGES")
    names = store.column("name") if "name" in store.header.columns else []
    if not names or not all(names):
        unnamed = next((one for one, name in zip(store.ids(), names, strict=False) if not name), "")
        lacking = f"{unnamed} has no name" if unnamed else "no image has a name"
        raise ZorkiError(
            f"{store.place}: {lacking}; expected a folder for each person or thing, or "
            "--ids CSV with the columns path, id and name"
        )
    if len(set(names)) == 1:
        raise ZorkiError(
            f"{store.place}: a gallery with one identity, {names[0]}; to tell who it is takes two or more. Whether two "
            "images show the same: zorki verify RUN A B"
        )
    return names


def check_rate(far: float) -> None:
    """Raises RecipeError where a false accept rate is none."""
    if not 0 <= far <= 1:
        raise RecipeError(f"the false accept rate is {far:g}; expected 0 to 1")


def choose_threshold(
    store: VectorStore, root: Path, probes: Entries, probe_root: Path, far: float, data: str
) -> Threshold:
    """The threshold at a false accept rate, on images of which some show nobody of the gallery.

    Where none shows anybody of the gallery, each image of the gallery is asked against the others.

    Raises:
        ZorkiError: the rate is not in 0..1, or there is nobody unknown.
    """
    check_rate(far)
    names = set(check_names(store))
    own = probes.columns["name"]
    unknown = [place for place, name in enumerate(own) if name not in names]
    enrolled = [place for place, name in enumerate(own) if name in names]
    if not unknown:
        raise ZorkiError(
            f"{data}: all of its {len(set(own))} identities are in the gallery; expected some that are not, to "
            "know how near a stranger comes: name other images, --val DATA"
        )
    strangers = np.array([own[0].similarity for own in store.search(probes.vectors[unknown], 1)])
    paths = [str((probe_root / probes.columns["path"][place]).resolve()) for place in enrolled]
    scores, right = _known(store, root, probes.rows(enrolled), paths)
    source = data
    if not len(scores):
        gallery, source = store.entries(), "each image of the gallery against the others"
        if len(gallery) > MAX_PROBES:
            drawn = np.random.default_rng(0).permutation(len(gallery))[:MAX_PROBES]
            gallery, source = gallery.rows(drawn.tolist()), f"{MAX_PROBES:,} images of the gallery against the others"
        scores, right = _known(store, root, gallery, [""] * len(gallery), leave_out=True)
    tradeoff = open_set_tradeoff(strangers, scores, right)
    point = tradeoff.at_false_accept_rate(far)
    return Threshold(
        similarity=point.threshold,
        far=far,
        measured_far=point.false_positive_identification_rate,
        unknown_images=len(unknown),
        unknown_names=len({own[place] for place in unknown}),
        detection_identification_rate=point.detection_identification_rate,
        known_images=len(scores),
        known_source=source,
        entries=len(store),
        data=data,
        curve=_curve(tradeoff),
    )


def _known(
    store: VectorStore, root: Path, probes: Entries, paths: list[str], *, leave_out: bool = False
) -> tuple[Any, Any]:
    """(score, right) of the nearest name of each image, which is no neighbor of itself.

    Args:
        leave_out: the images are the entries themselves; those that are the only one of their name ask nothing.
    """
    if not len(probes):
        return np.zeros(0), np.zeros(0, bool)
    own = probes.columns["name"]
    counts = Counter(store.column("name")) if leave_out else Counter()
    scores, right = [], []
    found = store.search(probes.vectors, min(2, len(store)))
    for one, path, name, neighbors in zip(probes.ids, paths, own, found, strict=True):
        if leave_out:
            others = [neighbor for neighbor in neighbors if neighbor.id != one]
        else:
            others = [n for n in neighbors if str((root / n.columns.get("path", "")).resolve()) != path]
        if others and (not leave_out or counts[name] > 1):
            scores.append(others[0].similarity)
            right.append(name_of(others[0]) == name)
    return np.array(scores), np.array(right, bool)


def _curve(tradeoff: OpenSetTradeoff) -> tuple[tuple[float, float], ...]:
    points = tradeoff.points()
    stride = max(1, len(points) // MAX_POINTS)
    return tuple(points[::stride])
