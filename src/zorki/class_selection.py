"""Which classes of a dataset are read, and by what names: subset, rename and merge."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zorki.errors import DataError, RecipeError, did_you_mean

BACKGROUND, SKIP = UNLABELED = ("background", "skip")
"""What images of which the data say nothing are taken for, where the format leaves that open."""

LEFT_OUT = "-"
"""The new name that leaves a class out."""


@dataclass(frozen=True)
class ClassSelection:
    """New names of classes, and those that are kept; nothing of either reads the data as they are.

    Attributes:
        names: (old name, new name): two old ones with one new are merged; None leaves the class out.
        only: names, after renaming, that are kept; empty keeps all.
        attribute: of regions, that is the class, where a format has several; None lets the reader choose.
        skips_unlabeled: images of which the format says nothing are left out, and not taken for background.
    """

    names: tuple[tuple[str, str | None], ...] = ()
    only: tuple[str, ...] = ()
    attribute: str | None = None
    skips_unlabeled: bool = False

    def __bool__(self) -> bool:
        return bool(self.names or self.only or self.attribute is not None or self.skips_unlabeled)

    @classmethod
    def parse(
        cls,
        class_map: str | Mapping[str, str | None] | None = None,
        only: str | Sequence[str] | None = None,
        *,
        attribute: str | None = None,
        unlabeled: str = BACKGROUND,
    ) -> ClassSelection:
        """From what is typed: "car=vehicle,truck=vehicle,cat=-" and "vehicle,dog"; or a mapping, and a list, of names.

        A mapping and a list may be JSON too, which names with commas or "=" need.

        Args:
            unlabeled: what images without an annotation are, `UNLABELED`.

        Raises:
            RecipeError: one of them is neither, or a class has two new names.

        >>> ClassSelection.parse("car=vehicle,cat=-").names
        (('car', 'vehicle'), ('cat', None))
        """
        if unlabeled not in UNLABELED:
            raise RecipeError(f"unlabeled is {unlabeled!r}; expected one of {', '.join(UNLABELED)}")
        names, kept = tuple(_pairs(class_map)), tuple(dict.fromkeys(_words(only)))
        return cls(names, kept, attribute, unlabeled == SKIP)

    def new_names(self, found: Sequence[str], source: object, *, strict: bool = True) -> dict[str, str | None]:
        """The new name of each class; None where it is left out.

        Args:
            found: the classes of the data, in their order.
            source: where they come from, for messages.
            strict: names that the data do not have are refused; else they are passed over, as where a run reads other
                data than it was trained on.

        Raises:
            DataError: a name is of no class of the data, or no class is left.
        """
        renamed = dict(self.names)
        after = {name: renamed.get(name, name) for name in found}
        there = [name for name in after.values() if name is not None]
        if strict:
            _refuse(renamed, found, source, "class_map")
            _refuse(self.only, there, source, "only_classes")
        kept = {name: None if self.only and new not in self.only else new for name, new in after.items()}
        if found and strict and not any(new is not None for new in kept.values()):
            raise DataError(f"{source}: no class is left of {_some(found)}; keep one at least")
        return kept


def class_order(new_names: Mapping[str, str | None]) -> list[str]:
    """The classes that are left, in the order of the old ones; a merged one stands where its first part stood."""
    return list(dict.fromkeys(name for name in new_names.values() if name is not None))


def _refuse(chosen: Iterable[str], class_names: Sequence[str], source: object, field: str) -> None:
    for name in chosen:
        if name not in class_names:
            near = did_you_mean(name, dict.fromkeys(class_names))
            raise DataError(f"{source}: {field} names {name!r}, and the classes are {_some(class_names)}.{near}")


def _some(names: Sequence[str], most: int = 10) -> str:
    names = list(dict.fromkeys(names))
    return ", ".join(names[:most]) + (f", ... ({len(names)} in all)" if len(names) > most else "") or "none"


def _pairs(value: str | Mapping[str, str | None] | None) -> list[tuple[str, str | None]]:
    if value is None:
        return []
    if isinstance(value, str):
        value = _json(value, "class_map", dict) if value.lstrip().startswith("{") else _typed(value)
    wrong = [name for name, new in value.items() if not isinstance(name, str) or not isinstance(new, str | None)]
    if wrong:
        raise RecipeError(f"class_map: {wrong[0]!r} becomes {value[wrong[0]]!r}; expected names of classes, or null")
    return [(name, None if new in (None, LEFT_OUT) else new) for name, new in value.items()]


def _typed(text: str) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for part in filter(None, (word.strip() for word in text.split(","))):
        old, sign, new = (word.strip() for word in part.partition("="))
        if not (old and sign and new):
            raise RecipeError(
                f"class_map is {text!r}: expected OLD=NEW,OLD=NEW,..., where - in place of NEW leaves a class out, and "
                f"got {part!r}"
            )
        if found.get(old, new) != new:
            raise RecipeError(f"class_map is {text!r}: {old!r} becomes {found[old]!r} and {new!r}; expected one name")
        found[old] = new
    return found


def _words(value: str | Sequence[str] | None) -> list[str]:
    if value is None:
        return []
    if isinstance(value, str):
        if not value.lstrip().startswith("["):
            return [word.strip() for word in value.split(",") if word.strip()]
        value = _json(value, "only_classes", list)
    if not all(isinstance(name, str) for name in value):
        raise RecipeError(f"only_classes is {value!r}; expected names of classes")
    return list(value)


def _json(text: str, field: str, kind: type) -> Any:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RecipeError(f"{field} is {text!r}, which begins as JSON and is none: {error}") from error
    if not isinstance(found, kind):
        raise RecipeError(f"{field} is {text!r}; expected a JSON {'object' if kind is dict else 'list'}")
    return found
