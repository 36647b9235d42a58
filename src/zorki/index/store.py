"""What every index of vectors can do, whatever keeps them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32

from zorki.errors import RecipeError, ZorkiError

MAX_EXACT = 200_000
"""Vectors up to which every one is compared with a query; of more an approximate index is made."""

Tell = Callable[[str], None]
_COLUMN = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_TAKEN = ("id", "vector")


@dataclass(frozen=True)
class Header:
    """What an index says of itself.

    Attributes:
        dim: numbers of a vector.
        columns: names of the texts that stand beside each id, such as "name" and "path".
        about: what the user of the index wants to find again: plain JSON.
    """

    dim: int
    columns: tuple[str, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.columns:
            if not _COLUMN.fullmatch(name) or name in _TAKEN:
                raise ZorkiError(
                    f"a column is called {name!r}; expected a letter, then letters, digits and _, and neither id nor "
                    "vector"
                )


@dataclass(frozen=True)
class Neighbor:
    """An entry of an index that lies near a query.

    Attributes:
        id: the user's own.
        distance: Euclidean, on the unit sphere, not squared: 0..2.
        columns: the texts beside it.
    """

    id: str
    distance: float
    columns: Mapping[str, str]

    @property
    def similarity(self) -> float:
        """The cosine, -1..1."""
        return 1.0 - self.distance**2 / 2.0


@dataclass
class Entries:
    """Vectors with their ids and columns, in one order; of length 1 after `checked`."""

    ids: list[str]
    vectors: Float[np.ndarray, "N D"]
    columns: dict[str, list[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def checked(self, header: Header) -> Entries:
        """The same with float32 vectors of length 1 and the header's columns, those that lack being empty.

        Raises:
            ZorkiError: an id stands twice, a vector is of another length, holds no finite number, or is 0; or there is
                a column that the index does not have.
        """
        if self.vectors.ndim != 2 or self.vectors.shape != (len(self.ids), header.dim):
            raise ZorkiError(
                f"{len(self.ids)} ids with vectors of shape {self.vectors.shape}; expected ({len(self.ids)}, "
                f"{header.dim}): a row an id, and {header.dim} numbers as all of this index"
            )
        check_unique(self.ids)
        if strays := [name for name in self.columns if name not in header.columns]:
            raise ZorkiError(f"the index has no column {strays[0]!r}; it has {', '.join(header.columns) or 'none'}")
        lengths = np.linalg.norm(self.vectors, axis=1)
        wrong = np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))
        if len(wrong):
            raise ZorkiError(
                f"the vector of {self.ids[wrong[0]]} is {'0' if lengths[wrong[0]] == 0 else 'not finite'}, which has "
                "no direction; leave it out, or train the network with a lower learning rate"
            )
        vectors = np.ascontiguousarray(self.vectors / lengths[:, None], dtype=np.float32)
        empty = [""] * len(self.ids)
        return Entries(list(self.ids), vectors, {name: self.columns.get(name, empty) for name in header.columns})

    def rows(self, places: Sequence[int]) -> Entries:
        """Those at these places."""
        columns = {name: [values[place] for place in places] for name, values in self.columns.items()}
        return Entries([self.ids[place] for place in places], self.vectors[list(places)], columns)


@runtime_checkable
class VectorStore(Protocol):
    """Vectors by the user's ids. A new kind is a class with these methods, and a line in `zorki.index.open`."""

    place: str
    """Where it lies, as messages name it."""

    @property
    def header(self) -> Header: ...

    def __len__(self) -> int:
        """Entries that are there, those that were deleted not among them."""

    def ids(self) -> list[str]:
        """All ids."""

    def column(self, name: str) -> list[str]:
        """The texts of a column of the header, in the order of `ids`."""

    def add(self, entries: Entries) -> None:
        """Takes in new entries, all or none.

        Raises:
            ZorkiError: as `Entries.checked`; or an id is in the index already.
        """

    def delete(self, ids: Sequence[str]) -> None:
        """Takes entries out, all or none. Raises ZorkiError where an id is not in the index."""

    def search(
        self, queries: Float32[np.ndarray, "Q D"], k: int, where: Mapping[str, str] | None = None
    ) -> list[list[Neighbor]]:
        """The k most similar entries of each query, the most similar first; fewer where `where` leaves fewer.

        Args:
            queries: vectors of length 1.
            where: texts that columns must have, all of them.

        Raises:
            ZorkiError: k is below 1 or above the number of entries, the vectors are of another length, or there is no
                such column.
        """

    def entries(self) -> Entries:
        """All that is there."""

    def set_about(self, about: Mapping[str, Any]) -> None:
        """Replaces `header.about`."""

    def reload(self) -> None:
        """Sees what other processes have written meanwhile."""


def check_unique(ids: Sequence[str]) -> None:
    """Raises ZorkiError where an id stands twice, or is empty."""
    seen: set[str] = set()
    for one in ids:
        if one in seen or not one:
            raise ZorkiError(f"the id {one!r} {'stands twice' if one else 'is empty'}; every entry needs its own")
        seen.add(one)


def check_search(store: VectorStore, queries: Float[np.ndarray, "Q D"], k: int, where: Mapping[str, str]) -> None:
    """Raises ZorkiError as `VectorStore.search`."""
    header, count = store.header, len(store)
    if queries.ndim != 2 or queries.shape[1] != header.dim:
        raise ZorkiError(f"{store.place} holds vectors of {header.dim} numbers; the queries are {queries.shape}")
    if not 1 <= k <= count:
        raise ZorkiError(f"{store.place} holds {count} entries, and k is {k}; expected k from 1 to {count}")
    for name in where:
        if name not in header.columns:
            raise ZorkiError(f"{store.place} has no column {name!r}; it has {', '.join(header.columns) or 'none'}")


def check_threshold(similarity: float) -> None:
    """Raises RecipeError where it is no cosine."""
    if not -1 <= similarity <= 1:
        raise RecipeError(f"threshold is {similarity:g}; expected a similarity from -1 to 1")


def check_new(store: VectorStore, there: Sequence[str]) -> None:
    """Raises ZorkiError where ids that are to be added are there."""
    if there:
        more = f" (and {len(there) - 1} more)" if len(there) > 1 else ""
        raise ZorkiError(f"{store.place}: the id {there[0]!r}{more} is in it already; delete it first, or name another")


def check_found(store: VectorStore, missing: Sequence[str]) -> None:
    """Raises ZorkiError where ids that are to be deleted are not there."""
    if missing:
        more = f" (nor {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise ZorkiError(f"{store.place}: holds no id {missing[0]!r}{more}; nothing was deleted")
