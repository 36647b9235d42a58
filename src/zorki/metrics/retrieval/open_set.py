"""Open-set identification: of probes some show nobody of the gallery (Phillips, Grother and Micheals, 2011)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float


@dataclass(frozen=True)
class IdentificationPoint:
    """A threshold, and what it does.

    Attributes:
        threshold: a name is said from this score on.
        false_positive_identification_rate: share of unknown probes that get a name.
        detection_identification_rate: share of known probes that get their right name, at rank 1; None without any.
    """

    threshold: float
    false_positive_identification_rate: float
    detection_identification_rate: float | None


@dataclass(frozen=True)
class OpenSetTradeoff:
    """Scores of probes against a gallery: for each the highest over all names.

    Attributes:
        unknown: of probes whose identity is in no gallery.
        known: of the others; `right` says whether the name with that score is theirs.
    """

    unknown: Float[np.ndarray, " U"]
    known: Float[np.ndarray, " K"]
    right: Bool[np.ndarray, " K"]

    def at_threshold(self, threshold: float) -> IdentificationPoint:
        """What a threshold does."""
        accepted = float((self.unknown >= threshold).mean()) if len(self.unknown) else 0.0
        identified = float((self.right & (self.known >= threshold)).mean()) if len(self.known) else None
        return IdentificationPoint(threshold, accepted, identified)

    def at_false_accept_rate(self, rate: float) -> IdentificationPoint:
        """The lowest threshold at which at most `rate` of the unknown probes get a name (DIR at FAR)."""
        falling = -np.sort(-self.unknown)
        allowed = int(np.floor(rate * len(falling) + 1e-9))
        if allowed >= len(falling):
            return self.at_threshold(-np.inf if not len(falling) else float(min(falling[-1], -1.0)))
        # Just above the first score that may not pass.
        return self.at_threshold(float(np.nextafter(falling[allowed], np.inf)))

    def points(self) -> list[tuple[float, float]]:
        """(false positive, false negative identification rate) at each score of an unknown probe, falling: a DET curve.

        None where there are no known probes.
        """
        if not len(self.known) or not len(self.unknown):
            return []
        thresholds = -np.unique(-self.unknown)
        below = np.sort(self.known[self.right])
        identified = len(below) - np.searchsorted(below, thresholds, side="left")
        accepted = len(self.unknown) - np.searchsorted(np.sort(self.unknown), thresholds, side="left")
        return [
            (float(x) / len(self.unknown), 1 - float(y) / len(self.known))
            for x, y in zip(accepted, identified, strict=True)
        ]


def open_set_tradeoff(
    unknown: Float[np.ndarray, " U"], known: Float[np.ndarray, " K"], right: Bool[np.ndarray, " K"]
) -> OpenSetTradeoff:
    """The trade-off of false positives and right names.

    >>> open_set_tradeoff(np.array([0.2, 0.5]), np.array([0.4, 0.9]), np.array([True, True])).points()
    [(0.5, 0.5), (1.0, 0.0)]
    """
    return OpenSetTradeoff(np.asarray(unknown, np.float64), np.asarray(known, np.float64), np.asarray(right, bool))
