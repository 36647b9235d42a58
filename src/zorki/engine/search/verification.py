"""Do two images show the same? One pair, or a table of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zorki.data.annotations.outside import leads_out, outside_allowed, reading_within
from zorki.data.images import read_image
from zorki.engine.run.folder import is_run, read_results
from zorki.engine.search.identification import check_rate
from zorki.engine.search.images import Gallery, GalleryImage, embed
from zorki.engine.search.network import EmbeddingNetwork
from zorki.errors import DataError, ZorkiError
from zorki.index.store import Tell, check_threshold
from zorki.input_files.csv_files import csv_rows
from zorki.metrics.retrieval.verification import ErrorTradeoff, accuracy_at, error_tradeoff

SAME = {"1": True, "true": True, "yes": True, "same": True, "0": False, "false": False, "no": False, "different": False}
CURVE_POINTS = 200


@dataclass(frozen=True)
class Pair:
    """Two images by their paths, and whether they show the same, where that is known."""

    a: str
    b: str
    same: bool | None = None


@dataclass(frozen=True)
class VerifiedPair:
    """A pair, and what the network says of it.

    Attributes:
        similarity: cosine, -1..1.
        distance: Euclidean, not squared, 0..2.
        accepted: whether the similarity reaches the threshold; None without one.
    """

    pair: Pair
    similarity: float
    distance: float
    accepted: bool | None


@dataclass(frozen=True)
class PairScores:
    """How well pairs are told apart whose ground truth is known.

    Attributes:
        auc: area under the ROC curve.
        equal_error_rate: where false accepts are as frequent as false rejects.
        accuracy: share of pairs decided rightly at the threshold that was chosen elsewhere; None without one.
        tar_at_far_01, tar_at_far_001: true accept rate where at most 1 %, or .1 %, of different pairs are accepted.
        same_pairs, different_pairs: how many there are.
        det_curve: (false accept rate, false reject rate) at falling thresholds.
    """

    auc: float
    equal_error_rate: float
    accuracy: float | None
    tar_at_far_01: float
    tar_at_far_001: float
    same_pairs: int
    different_pairs: int
    det_curve: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Verification:
    """Pairs, the threshold that decided them and where it comes from, and scores where ground truth is there."""

    pairs: list[VerifiedPair]
    threshold: float | None
    threshold_source: str
    scores: PairScores | None = None


def verify(
    network: EmbeddingNetwork,
    pairs: Sequence[Pair],
    *,
    threshold: float | None = None,
    far: float = 0.01,
    tell: Tell,
) -> Verification:
    """Whether the images of each pair show the same.

    Args:
        threshold: similarity from which on they do; None: that of the run's own validation at a false accept rate of
            at most `far`.

    Raises:
        ZorkiError: an image cannot be read, the rate is not in 0..1, or the threshold not in -1..1.
    """
    check_rate(far)
    source = "as it was given"
    if threshold is not None:
        check_threshold(threshold)
    else:
        threshold, source = validation_threshold(network, far)
    names = list(dict.fromkeys(name for pair in pairs for name in (pair.a, pair.b)))
    images = [
        GalleryImage(name, {"path": name}, lambda side, name=name: read_image(Path(name), shorter_side=side))  # type: ignore[misc]
        for name in names
    ]
    entries = embed(network, Gallery(images, Path(), ("path",)), tell)
    rows = {name: row for row, name in enumerate(entries.ids)}
    a, b = (entries.vectors[[rows[name] for name in side]] for side in zip(*((p.a, p.b) for p in pairs), strict=True))
    distances = np.linalg.norm(a - b, axis=1).tolist()
    similarities = [1.0 - distance**2 / 2.0 for distance in distances]
    verified = [
        VerifiedPair(pair, similarity, distance, None if threshold is None else similarity >= threshold)
        for pair, similarity, distance in zip(pairs, similarities, distances, strict=True)
    ]
    return Verification(verified, threshold, source, _scores(pairs, similarities, threshold))


def validation_threshold(network: EmbeddingNetwork, far: float) -> tuple[float | None, str]:
    """The similarity at which at most `far` of the different pairs of the run's validation were accepted, and a note.

    None where the run was not validated, as a network with weights of others.
    """
    run = network.run
    results = read_results(run.folder) if is_run(run.folder) else {}
    for split in ("val", "test"):
        points = results.get(split, {}).get("metrics", {}).get("det_curve") or []
        below = [point["threshold"] for point in points if point["false_accept_rate"] <= far]
        below = [threshold for threshold in below if threshold is not None and math.isfinite(threshold)]
        if below:
            return min(below), f"of {run.folder} on {split} at a false accept rate of at most {far:g}"
    return None, f"{run.folder} has no results of validation; give a threshold of your own"


def read_pairs(path: Path, *, allow_outside: bool = False) -> list[Pair]:
    """The pairs of a CSV with the columns a and b, and same where it is known; paths are relative to its folder.

    Raises:
        DataError: there are no such columns, no rows, an image is not there, or `same` is no word for yes or no; with
            file and line.
    """
    rows = csv_rows(path)
    _, heads = next(rows, (1, []))
    if not {"a", "b"} <= set(heads):
        raise DataError(
            f"{path}:1: expected the columns a and b, and same where it is known; found {', '.join(heads) or 'nothing'}"
        )
    pairs = []
    with outside_allowed(allow_outside), reading_within(path):
        for line, cells in rows:
            if len(cells) != len(heads):
                raise DataError(f"{path}:{line}: {len(cells)} cells; expected {len(heads)}, as in the heading")
            row = dict(zip(heads, cells, strict=True))
            a, b = (_image(path, line, row[side]) for side in "ab")
            pairs.append(Pair(a, b, _same(path, line, row.get("same"))))
    if not pairs:
        raise DataError(f"{path}: holds no pair below its heading")
    return pairs


def _image(path: Path, line: int, name: str) -> str:
    if leads_out(path.parent, name):
        raise DataError(f"{path}:{line}: {name} leads out of the folder of the table; --allow-outside follows it")
    image = path.parent / name
    if not image.is_file():
        raise DataError(f"{path}:{line}: {image} is not there; paths are relative to the folder of the table")
    return str(image)


def _same(path: Path, line: int, text: str | None) -> bool | None:
    if text is None or not text.strip():
        return None
    if text.strip().lower() not in SAME:
        raise DataError(f"{path}:{line}: same is {text!r}; expected one of {', '.join(SAME)}")
    return SAME[text.strip().lower()]


def _scores(pairs: Sequence[Pair], similarities: Sequence[float], threshold: float | None) -> PairScores | None:
    labeled = [
        (similarity, pair.same) for pair, similarity in zip(pairs, similarities, strict=True) if pair.same is not None
    ]
    values = torch.tensor([similarity for similarity, _ in labeled], dtype=torch.float32)
    same = torch.tensor([same for _, same in labeled], dtype=torch.bool)
    tradeoff = error_tradeoff(values, same)
    if tradeoff is None:  # no ground truth, or pairs of one kind
        return None
    return PairScores(
        auc=tradeoff.auc(),
        equal_error_rate=tradeoff.equal_error_rate(),
        accuracy=None if threshold is None else accuracy_at(values, same, threshold),
        tar_at_far_01=tradeoff.at_false_accept_rate(0.01).true_accept_rate,
        tar_at_far_001=tradeoff.at_false_accept_rate(0.001).true_accept_rate,
        same_pairs=tradeoff.same_pairs,
        different_pairs=tradeoff.different_pairs,
        det_curve=_curve(tradeoff),
    )


def _curve(tradeoff: ErrorTradeoff) -> tuple[tuple[float, float], ...]:
    accepts: list[Any] = tradeoff.false_accept_rate.tolist()
    stride = max(1, len(accepts) // CURVE_POINTS)
    return tuple(zip(accepts[::stride], tradeoff.false_reject_rate.tolist()[::stride], strict=True))


def check_pair(a: str, b: str) -> list[Pair]:
    """One pair of files. Raises ZorkiError where one is not there."""
    for name in (a, b):
        if not Path(name).is_file():
            raise ZorkiError(f"{name}: there is no such image")
    return [Pair(a, b)]
