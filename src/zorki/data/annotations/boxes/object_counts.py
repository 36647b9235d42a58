"""How many objects images have: exactly one, each class once at most, or any number."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from zorki.types import Boxes

OneOrEach = Literal["one", "each"]
"""Each image has exactly one object; or it shows each of the classes, parts of one thing, once at most."""


@dataclass(frozen=True)
class ImagesByObjects:
    """Images by what they hold.

    Attributes:
        images: all of them.
        one: with exactly one object.
        every: with exactly one object of each class, of two classes or more.
        each: with one object or more, and no class twice.
        none: without any object.
    """

    images: int
    one: int
    every: int
    each: int
    none: int

    @property
    def kind(self) -> OneOrEach:
        """What most images have: a class that is missing in an image is a part that is hidden."""
        return "each" if self.every > self.one else "one"

    @property
    def fitting(self) -> int:
        """Images of that kind."""
        return self.each if self.kind == "each" else self.one

    def __str__(self) -> str:
        held = "exactly one object" if self.kind == "one" else "one object of each class at most"
        return f"{self.fitting} of {self.images} images have {held}"


def count_objects(targets: Iterable[Boxes[Any]], num_classes: int) -> ImagesByObjects:
    """The counts of some images. Crowds are many objects: their images are of neither kind."""
    images = one = every = each = none = 0
    for target in targets:
        images += 1
        one += fits(target, "one")
        each += fits(target, "each")
        every += num_classes > 1 and len(target) == num_classes and fits(target, "each")
        none += len(target) == 0
    return ImagesByObjects(images, one, every, each, none)


def fits(target: Boxes[Any], kind: OneOrEach) -> bool:
    """Whether an image is of that kind."""
    if target.crowd is not None and bool(target.crowd.any()):
        return False
    if kind == "one":
        return len(target) == 1
    return 0 < len(target) == len(set(target.labels.tolist()))
