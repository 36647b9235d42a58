"""Exact search over files of our own: every vector is compared with the query, block by block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int64

from zorki.index.segments import Segments, append, begin, compact, describe, locked, new_folder, read_segments, remove
from zorki.index.store import Entries, Header, Neighbor, Tell, check_found, check_new, check_search

BLOCK = 32_768  # vectors that are compared at once
QUERIES = 256  # that are asked at once
MAX_SEGMENTS = 32  # additions, after which all are written into one
MAX_DELETED = 0.2  # share of the rows, from which on they are written anew without those


class ExactStore:
    """Vectors in a folder, found by comparing all of them: recall is 1, and nothing has to be built."""

    kind = "exact"

    def __init__(self, folder: Path, tell: Tell) -> None:
        self.place = str(folder)
        self._tell = tell
        self._segments = read_segments(folder)

    @classmethod
    def create(cls, folder: Path, header: Header, entries: Entries, tell: Tell) -> ExactStore:
        """A new index of these entries, written whole or not at all."""
        entries = entries.checked(header)
        with new_folder(folder) as aside:
            cls._fill(append(begin(aside, cls.kind, header), entries), tell)
        return cls(folder, tell)

    @classmethod
    def _fill(cls, segments: Segments, tell: Tell) -> Segments:
        """What is made of the vectors beyond keeping them."""
        return segments

    @property
    def header(self) -> Header:
        return self._segments.state.header

    def __len__(self) -> int:
        return self._segments.count

    def ids(self) -> list[str]:
        return list(self._segments.row_of())

    def column(self, name: str) -> list[str]:
        values = self._segments.columns[name]
        return [values[row] for row in self._segments.row_of().values()]

    def entries(self) -> Entries:
        return self._segments.entries()

    def reload(self) -> None:
        self._segments = read_segments(self._segments.folder)

    def set_about(self, about: Mapping[str, Any]) -> None:
        with locked(self._segments.folder):
            self.reload()
            self._segments = describe(self._segments, about)

    def add(self, entries: Entries) -> None:
        entries = entries.checked(self.header)
        with locked(self._segments.folder):
            self.reload()
            row_of = self._segments.row_of()
            check_new(self, [one for one in entries.ids if one in row_of])
            self._segments = append(self._segments, entries)
            self._tidy()

    def delete(self, ids: Sequence[str]) -> None:
        with locked(self._segments.folder):
            self.reload()
            row_of = self._segments.row_of()
            check_found(self, [one for one in ids if one not in row_of])
            self._segments = remove(self._segments, [row_of[one] for one in ids])
            self._tidy()

    def _tidy(self) -> None:
        """Writes all anew where many rows are deleted, or many segments are there, and says so."""
        segments = self._segments
        gone = len(segments.ids) - segments.count
        parts = len(segments.state.segments)
        if gone > MAX_DELETED * len(segments.ids) or parts > MAX_SEGMENTS:
            kept = "1 part" if parts == 1 else f"{parts} parts"
            self._tell(f"{self.place}: written anew: {gone} deleted rows in {kept}")
            self._segments = self._fill(compact(segments), self._tell)

    def search(
        self, queries: Float32[np.ndarray, "Q D"], k: int, where: Mapping[str, str] | None = None
    ) -> list[list[Neighbor]]:
        check_search(self, queries, k, where or {})
        rows, similarities = self._nearest(queries, k, self._segments.mask(where or {}))
        return self._neighbors(queries, rows, similarities)

    def _nearest(
        self, queries: Float32[np.ndarray, "Q D"], k: int, mask: Bool[np.ndarray, " R"]
    ) -> tuple[Int64[np.ndarray, "Q K"], Float32[np.ndarray, "Q K"]]:
        """Rows and similarities of the nearest; minus infinity where there are fewer than k."""
        return nearest(self._segments, queries, k, mask)

    def _neighbors(self, queries: np.ndarray, rows: np.ndarray, similarities: np.ndarray) -> list[list[Neighbor]]:
        segments, found = self._segments, []
        for query, own, similarity in zip(queries, rows, similarities, strict=True):
            own = own[similarity > -np.inf]
            # From differences: an inner product of float32 tells copies apart by .0003.
            distances = np.linalg.norm(segments.take(own) - query, axis=1)
            found.append(
                [
                    Neighbor(segments.ids[row], distance, segments.texts(row))
                    for distance, row in sorted(zip(distances.tolist(), own.tolist(), strict=True))
                ]
            )
        return found


def nearest(
    segments: Segments, queries: Float32[np.ndarray, "Q D"], k: int, mask: Bool[np.ndarray, " R"], start: int = 0
) -> tuple[Int64[np.ndarray, "Q K"], Float32[np.ndarray, "Q K"]]:
    """(rows, similarities) of the k most similar rows of the mask, from row `start` on, the most similar first.

    Of equally similar ones the earlier row; minus infinity where there are fewer than k. The work is one product of
    matrices a block, and memory that of `QUERIES` x `BLOCK` similarities.
    """
    if len(queries) > QUERIES:
        parts = [
            nearest(segments, queries[at : at + QUERIES], k, mask, start) for at in range(0, len(queries), QUERIES)
        ]
        return np.concatenate([rows for rows, _ in parts]), np.concatenate([values for _, values in parts])
    best_rows = np.zeros((len(queries), 0), np.int64)
    best = np.zeros((len(queries), 0), np.float32)
    whole = bool(mask.all())
    for first, block in segments.blocks(BLOCK, start):
        similarity = queries @ block.T
        if not whole:
            similarity[:, ~mask[first : first + len(block)]] = -np.inf
        rows, values = _top(similarity, k)
        best_rows, best = np.concatenate([best_rows, rows + first], 1), np.concatenate([best, values], 1)
        best_rows, best = _best(best_rows, best, k)
    return _padded(best_rows, best, k)


def _top(similarity: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns and values of the k highest of each row, in no order."""
    if similarity.shape[1] <= k:
        columns = np.broadcast_to(np.arange(similarity.shape[1]), similarity.shape)
        return columns, similarity
    columns = np.argpartition(similarity, -k, axis=1)[:, -k:]
    return columns, np.take_along_axis(similarity, columns, 1)


def _best(rows: np.ndarray, values: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.lexsort((rows, -values), axis=1)[:, :k]
    return np.take_along_axis(rows, order, 1), np.take_along_axis(values, order, 1)


def _padded(rows: np.ndarray, values: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    lack = ((0, 0), (0, k - rows.shape[1]))
    return np.pad(rows, lack), np.pad(values, lack, constant_values=-np.inf)
