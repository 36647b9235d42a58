"""Approximate search by faiss over the same files: HNSW (Malkov and Yashunin, 2016) or an inverted file (IVF).

Rows that came after the graph was made are compared exactly, until there are many; then they join it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Float32, Int64

from zorki.errors import ZorkiError
from zorki.files import whole
from zorki.index.exact import ExactStore, nearest
from zorki.index.recall import NEIGHBORS, QUERIES, query_rows, recall_at_10, tuned
from zorki.index.segments import Segments, next_number, with_graph
from zorki.index.store import Entries, Header, Tell

LINKS, CONSTRUCTION = 32, 100  # of HNSW: links of a node, candidates while it is built
EFFORTS = {"hnsw": (32, 64, 128, 256, 512, 1024), "ivf": (8, 16, 32, 64, 128)}
EFFORT_NAMES = {"hnsw": "efSearch", "ivf": "nprobe"}
MAX_OUTSIDE = 10_000  # rows that are compared exactly beside the graph
FEW = 0.1  # share of the rows below which those that a filter leaves are compared exactly
ADDED_AT_ONCE = 65_536
_NO_GRAPH = {"rows": 0, "effort": 0}


def faiss_module() -> Any:
    """The module. Raises ZorkiError where it is not installed."""
    try:
        import faiss
    except ImportError as error:
        raise ZorkiError(
            "approximate search needs faiss: pip install 'zorki[index]'; or compare every vector: --kind exact"
        ) from error
    return faiss


class FaissStore(ExactStore):
    """A folder as `ExactStore`, with a graph or an inverted file by faiss beside it."""

    kind = "hnsw"
    instead: ClassVar[str] = "Compare every vector (--kind exact), or try the other kind: --kind hnsw, --kind ivf"

    def __init__(self, folder: Path, tell: Tell) -> None:
        if find_spec("faiss") is None:  # which takes longer to load than the index
            faiss_module()
        super().__init__(folder, tell)
        self._loaded: tuple[str, Any] | None = None

    @classmethod
    def create(cls, folder: Path, header: Header, entries: Entries, tell: Tell) -> FaissStore:
        """As `ExactStore.create`; entries drawn by a seed stand last: the recall is measured on them."""
        order = np.random.default_rng(0).permutation(len(entries))
        held = np.sort(order[: _held(len(entries))])
        rest = np.delete(np.arange(len(entries)), held)
        super().create(folder, header, entries.rows([*rest.tolist(), *held.tolist()]), tell)
        return cls(folder, tell)

    @classmethod
    def _fill(cls, segments: Segments, tell: Tell) -> Segments:
        faiss = faiss_module()
        count, dim = len(segments.ids), segments.state.header.dim
        graph = _empty(faiss, cls.kind, count, dim)
        if not graph.is_trained:
            chosen = np.random.default_rng(0).permutation(count)[: 64 * graph.nlist]
            graph.train(segments.take(np.sort(chosen)))
        _extend(graph, segments, 0, count - _held(count))
        return _finish(faiss, cls.kind, graph, segments, tell)

    def _tidy(self) -> None:
        """As `ExactStore`; rows beside the graph join it when they are many."""
        try:
            super()._tidy()
            segments = self._segments
            outside = len(segments.ids) - int((segments.state.graph or _NO_GRAPH)["rows"])
            if segments.state.graph and outside > max(MAX_OUTSIDE, len(segments.ids) // 20):
                self._tell(f"{self.place}: {outside:,} rows join the approximate index")
                self._segments = _finish(faiss_module(), self.kind, self._graph(), segments, self._tell)
        except ZorkiError as error:
            # What was added or deleted stands: it is found exactly, which is slower.
            self.reload()
            self._loaded = None
            self._tell(f"{self.place}: the approximate index was not made anew: {error}")

    def _graph(self) -> Any:
        """The graph of the present files, read when it is first asked."""
        name = str((self._segments.state.graph or {})["file"])
        if self._loaded is None or self._loaded[0] != name:
            try:
                self._loaded = name, faiss_module().read_index(str(self._segments.folder / name))
            except RuntimeError as error:
                raise ZorkiError(f"{self.place}/{name}: cannot be read: {error}; build the index again") from error
        return self._loaded[1]

    def _nearest(
        self, queries: Float32[np.ndarray, "Q D"], k: int, mask: Bool[np.ndarray, " R"]
    ) -> tuple[Int64[np.ndarray, "Q K"], Float32[np.ndarray, "Q K"]]:
        made = self._segments.state.graph or _NO_GRAPH
        count, every = int(made["rows"]), bool(mask.all())
        if not count or (not every and mask.sum() < FEW * len(mask)):
            return nearest(self._segments, queries, k, mask)
        inside = None if every else mask[:count]
        rows, values = _search(faiss_module(), self.kind, self._graph(), queries, k, int(made["effort"]), inside)
        if count < len(mask):
            more_rows, more = nearest(self._segments, queries, k, mask, count)
            rows, values = np.concatenate([rows, more_rows], 1), np.concatenate([values, more], 1)
            order = np.argsort(-values, 1, kind="stable")[:, :k]
            rows, values = np.take_along_axis(rows, order, 1), np.take_along_axis(values, order, 1)
        return rows, values


class IvfStore(FaissStore):
    """An inverted file: quicker to build than HNSW, slower to ask."""

    kind = "ivf"


def _empty(faiss: Any, kind: str, count: int, dim: int) -> Any:
    if kind == "ivf":
        lists = max(1, min(4096, int(4 * np.sqrt(count)), count // 39))  # faiss wants 39 vectors a list
        return faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, lists, faiss.METRIC_INNER_PRODUCT)
    made = faiss.IndexHNSWFlat(dim, LINKS, faiss.METRIC_INNER_PRODUCT)
    made.hnsw.efConstruction = CONSTRUCTION
    return made


def _held(count: int) -> int:
    """How many rows are first asked for, and added then."""
    return min(QUERIES, count // 4)


def _extend(graph: Any, segments: Segments, start: int, end: int) -> None:
    """Adds the rows from start to end."""
    for first, block in segments.blocks(ADDED_AT_ONCE, start):
        if first < end:
            graph.add(np.ascontiguousarray(block[: end - first]))


def _finish(faiss: Any, kind: str, graph: Any, segments: Segments, tell: Tell) -> Segments:
    """With all rows in the graph, and the graph in a file, after its recall was found good enough."""
    effort = _tuned(faiss, kind, graph, segments, tell)
    _extend(graph, segments, graph.ntotal, len(segments.ids))
    name = f"graph-{next_number(segments)}.faiss"
    with whole(segments.folder / name) as aside:
        faiss.write_index(graph, os.fspath(aside))
    return with_graph(segments, {"file": name, "rows": len(segments.ids), "effort": effort})


def _tuned(faiss: Any, kind: str, graph: Any, segments: Segments, tell: Tell) -> int:
    """The effort of a search, by its recall with rows as queries that are not in it yet.

    Those that are in it would be found too easily: their own links lead to their neighbors.
    """
    made, count = graph.ntotal, len(segments.ids)
    k = min(NEIGHBORS, made)
    if k < 1 or made == count:
        return EFFORTS[kind][0]
    queries = segments.take(made + query_rows(count - made))
    _, exact = nearest(segments, queries, k, np.arange(count) < made)

    def measure(effort: int) -> float:
        return recall_at_10(_search(faiss, kind, graph, queries, k, effort, None)[1], exact)

    name = {"hnsw": "HNSW", "ivf": "IVF"}[kind]
    return tuned(measure, EFFORTS[kind], tell, name=name, effort_name=EFFORT_NAMES[kind], instead=FaissStore.instead)


def _search(
    faiss: Any, kind: str, graph: Any, queries: Any, k: int, effort: int, mask: Any
) -> tuple[np.ndarray, np.ndarray]:
    bits = None if mask is None else np.packbits(mask, bitorder="little")
    selector = None if bits is None else faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
    named: Mapping[str, Any] = {} if selector is None else {"sel": selector}
    if kind == "ivf":
        parameters = faiss.SearchParametersIVF(nprobe=min(effort, graph.nlist), **named)
    else:
        parameters = faiss.SearchParametersHNSW(efSearch=max(effort, k), **named)
    values, rows = graph.search(np.ascontiguousarray(queries), k, params=parameters)
    return rows.astype(np.int64, copy=False), np.where(rows < 0, -np.inf, values).astype(np.float32, copy=False)
