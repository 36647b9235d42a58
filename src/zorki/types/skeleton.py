"""The joints of a kind of objects: what each is called, which are joined by limbs, and which are mirrored twins."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Skeleton:
    """P named joints of every object of a dataset.

    Attributes:
        names: of the joints, in their order.
        limbs: pairs of joints, as places in `names`, that drawings join by a line.
        flip_pairs: left and right twins, which exchange names in a mirrored image; None: nobody said and no name
            tells, so nothing may be mirrored. The empty tuple: no joint has a twin.
        sigmas: OKS's falloff of each joint (Ruggero Ronchi and Perona, 2017), as shares of the root of the object's
            area; an object keypoint similarity compares only with another of the same sigmas.
        sigmas_reason: where the sigmas are from, for a person.
    """

    names: tuple[str, ...]
    limbs: Pairs = ()
    flip_pairs: Pairs | None = None
    sigmas: tuple[float, ...] = ()
    sigmas_reason: str = ""

    def __len__(self) -> int:
        return len(self.names)

    def place(self, *names: str) -> int | None:
        """The joint that is called by the first of these names that is there; None where none is."""
        plain = [_plain(name) for name in self.names]
        return next((plain.index(_plain(name)) for name in names if _plain(name) in plain), None)

    def to_json(self) -> dict[str, Any]:
        """Plain values; pairs that are not known are left out."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Skeleton:
        """The inverse of `to_json`; fields that this version does not know are left out."""
        pairs = {name: _pairs(values[name]) for name in ("limbs", "flip_pairs") if values.get(name) is not None}
        return cls(
            tuple(map(str, values["names"])),
            **pairs,
            sigmas=tuple(map(float, values.get("sigmas", ()))),
            sigmas_reason=str(values.get("sigmas_reason", "")),
        )


def _pairs(values: Sequence[Sequence[int]]) -> Pairs:
    return tuple((int(a), int(b)) for a, b in values)


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
