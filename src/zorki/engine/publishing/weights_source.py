"""Where the weights came from that a training began with."""

from __future__ import annotations

from typing import Any

from zorki import hub, registry
from zorki.engine.publishing.public_facts import public_weights
from zorki.weights.fetching import published


def weights_source(model: str, word: str | None) -> dict[str, Any] | None:
    """`source` and `license` of published weights, as far as they are known, of files the name; None: from nowhere.

    Args:
        model: its name.
        word: of `--weights`.
    """
    if word is None:
        return None
    if hub.is_address(word):
        return {"source": word, "license": hub.cached_license(word)}
    known = [one for one in published(registry.find(model).weights) if word in (one.word, one.source)]
    if known:
        return {"source": known[0].source, "license": known[0].license}
    return {"source": public_weights(word), "license": None}
