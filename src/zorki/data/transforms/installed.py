"""Transforms that installed packages bring: what is done to a sample after the augmentations of the recipe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from zorki.errors import RecipeError, did_you_mean
from zorki.installed import installed
from zorki.types import Sample

ENTRY_POINTS = "zorki.transforms"
"""Entry point group of installed packages; each entry point is a `Transform`, named as in `--transforms`."""

Transform = Callable[[Sample[Any], torch.Generator], Sample[Any]]
"""A training sample, image and target together, changed with chance from the generator alone; the input stays."""


def transforms_of(names: str | None) -> list[Transform]:
    """The transforms that are named, between commas, in their order.

    Raises:
        RecipeError: no installed package brings one of that name.
    """
    words = [word.strip() for word in (names or "").split(",") if word.strip()]
    packages = installed(ENTRY_POINTS) if words else {}
    for word in words:
        if word not in packages:
            there = ", ".join(sorted(packages)) or "none"
            raise RecipeError(
                f"transforms: no installed package brings {word!r}.{did_you_mean(word, packages)} There are: {there}"
            )
    return [packages[word] for word in words]
