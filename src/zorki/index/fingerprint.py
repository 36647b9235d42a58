"""Which network made the vectors of an index: distances between embeddings of two networks mean nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from zorki.errors import ZorkiError

_SHOWN = 8  # characters of a digest


@dataclass(frozen=True)
class Fingerprint:
    """A network, by what its embeddings depend on.

    Attributes:
        run: the run's folder, or the model's name, as the user calls it; it may move.
        model: the model's name.
        weights: SHA-256 of all weights.
        preprocess: its settings, as JSON.
        dim: numbers of an embedding.
    """

    run: str
    model: str
    weights: str
    preprocess: str
    dim: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> Fingerprint:
        """Raises ZorkiError where these are no fingerprint's."""
        try:
            texts = {name: str(values[name]) for name in ("run", "model", "weights", "preprocess")}
            return Fingerprint(**texts, dim=int(values["dim"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ZorkiError(f"no fingerprint of a network: {error!r}; build the index again") from error

    def __str__(self) -> str:
        return f"{self.run} ({self.model}, weights {self.weights[:_SHOWN]})"

    def check(self, place: str, other: Fingerprint) -> None:
        """Raises ZorkiError where another network, or other preprocessing, asks than made the vectors at `place`."""
        if self.weights == other.weights and self.preprocess == other.preprocess:
            return
        if self.weights == other.weights:
            difference = f"preprocessed by {self.preprocess}; the query by {other.preprocess}"
            raise ZorkiError(f"{place}: its images were {difference}. Use the same, or build the index again")
        raise ZorkiError(
            f"{place}: was made by {self}, and is asked by {other}: distances between the embeddings of two networks "
            "mean nothing. Ask it by its own, or build the index again"
        )


def canonical(values: Any) -> str:
    """JSON that is equal where the values are."""
    return json.dumps(values, sort_keys=True, default=str)
