"""Approximate search by faiss over the same files: HNSW (Malkov and Yashunin, 2016) or an inverted file (IVF).

Rows that came after the graph was made are compared exactly, until there are many; then they join it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Float32, Int64

from zorki.errors import ZorkiError
from zorki.files import whole
from zorki.index.exact import ExactStore, nearest
from zorki.index.recall import NEIGHBORS, query_rows, recall_at_10, tuned
from zorki.index.segments import Segments, next_number, with_graph
from zorki.index.store import Tell

LINKS, CONSTRUCTION = 32, 100  # of HNSW: links of a node, candidates while it is built
EFFORTS = {"hnsw": (32, 64, 128, 256, 512, 1024), "ivf": (8, 16, 32, 64, 128)}
EFFORT_NAMES = {"hnsw": "efSearch", "ivf": "nprobe"}
MAX_OUTSIDE = 10_000  # rows that are compared exactly beside the graph
FEW = 0.1  # share of the rows below which those that a filter leaves are compared exactly
ADDED_AT_ONCE = 65_536


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
        faiss_module()
        super().__init__(folder, tell)
        self._loaded: tuple[str, Any] | None = None

    @classmethod
    def _fill(cls, segments: Segments, tell: Tell) -> Segments:
        faiss = faiss_module()
        count, dim = len(segments.ids), segments.state.header.dim
        graph = _empty(faiss, cls.kind, count, dim)
        if not graph.is_trained:
            chosen = np.random.default_rng(0).permutation(count)[: 64 * graph.nlist]
            graph.train(segments.take(np.sort(chosen)))
        _extend(graph, segments, 0)
        return _write(faiss, cls.kind, graph, segments, tell)

    def _tidy(self) -> None:
        before = self._segments.state.segments
        super()._tidy()
        segments = self._segments
        made = int((segments.state.graph or {}).get("rows", 0))
        if segments.state.segments == before or made < len(segments.ids):
            outside = len(segments.ids) - made
            if outside > max(MAX_OUTSIDE, len(segments.ids) // 20):
                self._tell(f"{self.place}: {outside:,} rows join the approximate index")
                graph = self._graph()
                _extend(graph, segments, made)
                self._segments = _write(faiss_module(), self.kind, graph, segments, self._tell)

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
        made = self._segments.state.graph or {}
        count, every = int(made["rows"]), bool(mask.all())
        if not every and mask.sum() < FEW * len(mask):
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


def _extend(graph: Any, segments: Segments, start: int) -> None:
    for _, block in segments.blocks(ADDED_AT_ONCE, start):
        graph.add(np.ascontiguousarray(block))


def _write(faiss: Any, kind: str, graph: Any, segments: Segments, tell: Tell) -> Segments:
    """With the graph in a file, after its recall was found good enough."""
    effort = _tuned(faiss, kind, graph, segments, tell)
    name = f"graph-{next_number(segments)}.faiss"
    with whole(segments.folder / name) as aside:
        faiss.write_index(graph, os.fspath(aside))
    return with_graph(segments, {"file": name, "rows": len(segments.ids), "effort": effort})


def _tuned(faiss: Any, kind: str, graph: Any, segments: Segments, tell: Tell) -> int:
    """The effort of a search, by its recall on rows that are asked for; each is left out of what it finds."""
    rows = query_rows(len(segments.ids))
    queries, k = segments.take(rows), min(NEIGHBORS, len(segments.ids) - 1)
    if k < 1:
        return EFFORTS[kind][0]
    exact = _without(rows, *nearest(segments, queries, k + 1, np.ones(len(segments.ids), bool)))

    def measure(effort: int) -> float:
        return recall_at_10(_without(rows, *_search(faiss, kind, graph, queries, k + 1, effort, None)), exact)

    name = {"hnsw": "HNSW", "ivf": "IVF"}[kind]
    return tuned(measure, EFFORTS[kind], tell, name=name, effort_name=EFFORT_NAMES[kind], instead=FaissStore.instead)


def _without(rows: Any, found: Any, values: Any) -> Any:
    """Similarities without those of the row that asked, one column less."""
    values = np.where(found == rows[:, None], -np.inf, values)
    return -np.sort(-values, 1)[:, :-1]


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
