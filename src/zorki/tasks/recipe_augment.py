"""The recipe's augmentations for tasks that say where things are: their crops keep their shape."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import TYPE_CHECKING

from zorki.data.transforms.augment import Augment

if TYPE_CHECKING:
    from zorki.recipe import Recipe

_FIELDS = tuple(f.name for f in dataclasses.fields(Augment) if f.name != "image_size")


def augment_of(recipe: Recipe) -> Augment:
    """The augmentations that the recipe has; crops keep their shape, since a squeezed image has other objects."""
    return _augment(tuple(getattr(recipe, name, None) for name in _FIELDS))


@lru_cache(maxsize=4)
def _augment(values: tuple[float | None, ...]) -> Augment:
    given = {name: value for name, value in zip(_FIELDS, values, strict=True) if value is not None}
    return dataclasses.replace(Augment(), **given)  # type: ignore[arg-type]
