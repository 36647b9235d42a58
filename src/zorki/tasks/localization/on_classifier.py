"""Methods that stand on any classification network, by its name there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zorki.errors import RecipeError
from zorki.registry import Entry, Variant, family, find, variant_entry
from zorki.tasks.localization.task import Localization


def on_classifier(build: Callable[..., Any], pattern: str, summary: str) -> None:
    """Registers a method on every classification network: the builder's argument `classifier` gets its name.

    Args:
        pattern: of the names, with "{backbone}" where that of the network stands.
    """

    def entry(name: str) -> Entry:
        classifier = find(name)
        if classifier.task.name != "classification":
            raise RecipeError(f"{name} is a model of {classifier.task.name}; expected a classification network")
        own = pattern.replace("{backbone}", name)
        fixed = {"classifier": name}
        return variant_entry(
            Localization, build, Variant(own, f"{summary}; on {name}.", fixed, weights=classifier.weights)
        )

    family(pattern, entry)
