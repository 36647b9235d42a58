"""Scores of tracking many objects: HOTA, IDF1, MOTA and what they are made of, over all videos and of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jaxtyping import Float64
from numpy import ndarray

from zorki.contracts.metric import MetricResult
from zorki.metrics.tracks.clear_mot import ClearCounts, clear_counts, join_clear
from zorki.metrics.tracks.hota import HotaCurves, hota_curves, join_hota
from zorki.metrics.tracks.identity import IdentityCounts, identity_counts, join_identity
from zorki.metrics.tracks.sequence import SequenceOverlap


@dataclass(frozen=True)
class SequenceScores:
    """The headlines of one video; see `TrackingScores`."""

    sequence: str
    hota: float | None
    det_a: float | None
    ass_a: float | None
    idf1: float | None
    mota: float | None
    id_switches: int
    frames: int


@dataclass(frozen=True, kw_only=True)
class TrackingScores(MetricResult):
    """Scores in 0..1, MOTA down to below 0; None without any box, and where there is nothing to be a share of.

    Attributes:
        count: frames.
        hota, det_a, ass_a: HOTA, and its halves for detection and association (Luiten et al., 2021); means over the
            IoU thresholds .05, .10, ..., .95, as are those with det_, ass_ and loc_.
        det_re, det_pr, ass_re, ass_pr: recall and precision of both; loc_a: mean IoU.
        idf1, idp, idr: F1, precision and recall of identities, at an IoU of .5 (Ristani et al., 2016).
        mota, motp: CLEAR MOT, at an IoU of .5; motp is the mean IoU.
        recall, precision: of boxes, at an IoU of .5.
        id_switches, fragmentations, false_positives, false_negatives: counts.
        mostly_tracked, partly_tracked, mostly_lost: objects by the share of their frames: above .8, from .2, below.
        sequences: the headlines of each video.
    """

    hota: float | None
    det_a: float | None
    ass_a: float | None
    det_re: float | None
    det_pr: float | None
    ass_re: float | None
    ass_pr: float | None
    loc_a: float | None
    idf1: float | None
    idp: float | None
    idr: float | None
    mota: float | None
    motp: float | None
    recall: float | None
    precision: float | None
    id_switches: int
    fragmentations: int
    false_positives: int
    false_negatives: int
    mostly_tracked: int
    partly_tracked: int
    mostly_lost: int
    sequences: tuple[SequenceScores, ...] = ()


@dataclass(frozen=True)
class _Parts:
    """What one or several videos come to."""

    hota: HotaCurves
    identity: IdentityCounts
    clear: ClearCounts

    @property
    def ground_truths(self) -> int:
        return self.clear.true_positives + self.clear.false_negatives

    @property
    def predictions(self) -> int:
        return self.clear.true_positives + self.clear.false_positives

    def share(self, value: float | Float64[ndarray, " A"], of: int) -> float | None:
        return None if of == 0 else float(value) if isinstance(value, float) else float(value.mean())


def score_tracks(videos: Mapping[str, SequenceOverlap]) -> TrackingScores:
    """Scores over all videos together, and of each, by its name; equal to TrackEval's to the last bit."""
    parts = {
        name: _Parts(hota_curves(video), identity_counts(video), clear_counts(video)) for name, video in videos.items()
    }
    rows = tuple(_sequence(name, part, len(videos[name].frames)) for name, part in parts.items())
    return _scores(_join(list(parts.values())), sum(row.frames for row in rows), rows)


def _join(parts: Sequence[_Parts]) -> _Parts:
    return _Parts(
        join_hota([part.hota for part in parts]),
        join_identity([part.identity for part in parts]),
        join_clear([part.clear for part in parts]),
    )


def _sequence(name: str, part: _Parts, frames: int) -> SequenceScores:
    scores = _scores(part, frames, ())
    return SequenceScores(
        name, scores.hota, scores.det_a, scores.ass_a, scores.idf1, scores.mota, scores.id_switches, frames
    )


def _scores(part: _Parts, frames: int, sequences: tuple[SequenceScores, ...]) -> TrackingScores:
    hota, identity, clear = part.hota, part.identity, part.clear
    ground_truths, predictions, right = part.ground_truths, part.predictions, int(hota.true_positives[0])
    return TrackingScores(
        count=frames,
        hota=part.share(hota.hota, ground_truths + predictions),
        det_a=part.share(hota.det_a, ground_truths + predictions),
        ass_a=part.share(hota.ass_a, ground_truths + predictions),
        det_re=part.share(hota.det_re, ground_truths),
        det_pr=part.share(hota.det_pr, predictions),
        ass_re=part.share(hota.ass_re, ground_truths),
        ass_pr=part.share(hota.ass_pr, predictions),
        loc_a=part.share(hota.loc_a, right),
        idf1=part.share(identity.idf1, ground_truths + predictions),
        idp=part.share(identity.idp, predictions),
        idr=part.share(identity.idr, ground_truths),
        mota=part.share(clear.mota, ground_truths),
        motp=part.share(clear.motp, clear.true_positives),
        recall=part.share(clear.recall, ground_truths),
        precision=part.share(clear.precision, predictions),
        id_switches=clear.switches,
        fragmentations=clear.fragmentations,
        false_positives=clear.false_positives,
        false_negatives=clear.false_negatives,
        mostly_tracked=clear.mostly_tracked,
        partly_tracked=clear.partly_tracked,
        mostly_lost=clear.mostly_lost,
        sequences=sequences,
    )
