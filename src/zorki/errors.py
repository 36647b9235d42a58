"""Errors that a stranger can act on: what was expected, what came, where, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ZorkiError(Exception):
    """Bad input or a broken machine, told in one message; the command line exits with 2 and no traceback."""


class DataError(ZorkiError):
    """The dataset cannot be used as it is."""


class RecipeError(ZorkiError):
    """A setting of a run has a value that it cannot have."""


class WeightsError(ZorkiError):
    """A file of weights, or a checkpoint, does not belong here or cannot be read."""


def did_you_mean(word: str, available: Iterable[str]) -> str:
    """A closing sentence with the nearest known words, or an empty string where nothing is near.

    >>> did_you_mean("resnet81", ["resnet18", "lenet5"])
    ' Did you mean resnet18?'
    """
    return suggestion(difflib.get_close_matches(word, list(available), n=3, cutoff=0.6))


def suggestion(words: Iterable[str]) -> str:
    """A closing sentence that offers these words, or an empty string where there are none."""
    offered = " or ".join(words)
    return f" Did you mean {offered}?" if offered else ""
