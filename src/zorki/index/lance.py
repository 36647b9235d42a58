"""LanceDB: a persistent, filterable store that several processes write to, on a disk or in an object store."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32

from zorki.errors import ZorkiError
from zorki.index.recall import padded, tuned_on_own
from zorki.index.store import Entries, Header, Neighbor, Tell, check_found, check_new, check_search

BATCH = 1000  # ids of one condition
MAX_SCANNED = 20_000  # entries up to which all are compared: of 100,000 that takes LanceDB ten times as long as numpy
EFFORTS = (8, 16, 32, 64, 128)


class LanceStore:
    """A table of LanceDB, beside which a second one holds what the index says of itself.

    Args:
        location: what `lancedb.connect` takes: a folder, s3://..., gs://...
        table: its name.
    """

    def __init__(self, location: str, table: str, tell: Tell) -> None:
        self.place = f"lancedb:{location}#{table}"
        self._tell = tell
        self._database = _connect(location)
        if table not in _tables(self._database):
            raise ZorkiError(f"{self.place}: there is no such table; `zorki index RUN IMAGES --out INDEX` builds it")
        self._table, self._about = self._database.open_table(table), self._database.open_table(_about(table))
        self._header = self._read_header()

    @classmethod
    def create(cls, location: str, table: str, header: Header, entries: Entries, tell: Tell) -> LanceStore:
        """A new table of these entries, written whole or not at all."""
        entries = entries.checked(header)
        database = _connect(location)
        import pyarrow

        there = _tables(database)
        if table in there:
            raise ZorkiError(f"lancedb:{location}#{table}: is there already; name another table behind #")
        words = pyarrow.table({"key": ["about"], "json": [_words(header)], "effort": [0]})
        try:
            if _about(table) in there:  # of a build that was killed
                database.drop_table(_about(table))
            database.create_table(_about(table), words)
            database.create_table(table, _rows(entries, header))
            made = cls(location, table, tell)
            if len(entries) > MAX_SCANNED:
                made._build(entries)
        except BaseException:
            for name in (table, _about(table)):
                if name in _tables(database):
                    database.drop_table(name)
            raise
        return made

    def _build(self, entries: Entries) -> None:
        """An approximate index, whose recall is told."""
        from lancedb.index import IvfFlat

        self._table.create_index("vector", config=IvfFlat(num_partitions=int(np.sqrt(len(entries)))))
        effort = tuned_on_own(
            lambda queries, k, effort: padded([self._ask(query, k, "", effort) for query in queries], k),
            entries.vectors, EFFORTS, self._tell, name="IVF of LanceDB", effort_name="nprobes",
            instead="Use another kind: --out FOLDER --kind hnsw",
        )  # fmt: skip
        self._about.update(values={"effort": effort})
        self._header = self._read_header()

    @property
    def header(self) -> Header:
        return self._header

    def __len__(self) -> int:
        return int(self._table.count_rows())

    def ids(self) -> list[str]:
        return [one for part in self._parts(["id"]) for one in part.column("id").to_pylist()]

    def column(self, name: str) -> list[str]:
        return [text for part in self._parts(["id", name]) for text in part.column(name).to_pylist()]

    def entries(self) -> Entries:
        names = self._header.columns
        table = self._table.to_arrow()
        vectors = table.column("vector").combine_chunks().flatten().to_numpy(zero_copy_only=False)
        columns = {name: table.column(name).to_pylist() for name in names}
        return Entries(table.column("id").to_pylist(), vectors.reshape(-1, self._header.dim), columns)

    def add(self, entries: Entries) -> None:
        entries = entries.checked(self._header)
        self.reload()
        check_new(self, self._among(entries.ids))
        self._table.merge_insert("id").when_not_matched_insert_all().execute(_rows(entries, self._header))
        self._drop_twins(entries.ids)

    def _drop_twins(self, ids: Sequence[str]) -> None:
        """Of an id that several processes added in one moment, the first row is kept.

        A merge (lancedb 0.40) looks for ids in the version that it began with: all of them add their row. Who comes
        last sees every row, and whoever sees them keeps the same one.
        """
        self.reload()
        for condition in _conditions(ids):
            found = self._table.search().where(condition).select(["id"]).with_row_id(True).limit(2**31).to_arrow()
            rows = sorted(zip(found.column("id").to_pylist(), found.column("_rowid").to_pylist(), strict=True))
            twins = [row for (one, row), (before, _) in zip(rows[1:], rows[:-1], strict=True) if one == before]
            if twins:
                self._table.delete(f"_rowid IN ({', '.join(map(str, twins))})")

    def delete(self, ids: Sequence[str]) -> None:
        self.reload()
        there = set(self._among(ids))
        check_found(self, [one for one in ids if one not in there])
        for condition in _conditions(ids):
            self._table.delete(condition)

    def search(
        self, queries: Float32[np.ndarray, "Q D"], k: int, where: Mapping[str, str] | None = None
    ) -> list[list[Neighbor]]:
        check_search(self, queries, k, where or {})
        condition = " AND ".join(f"{name} = {_quoted(text)}" for name, text in (where or {}).items())
        return [self._ask(query, k, condition, self._effort) for query in queries]

    def _ask(self, query: np.ndarray, k: int, condition: str, effort: int) -> list[Neighbor]:
        query_builder = self._table.search(query, vector_column_name="vector").distance_type("l2").limit(k)
        query_builder = query_builder.select(["id", *self._header.columns, "_distance"])
        if effort:
            query_builder = query_builder.nprobes(effort)
        if condition:
            query_builder = query_builder.where(condition, prefilter=True)
        rows = query_builder.to_arrow().to_pylist()
        # What LanceDB calls l2 is squared.
        found = [
            Neighbor(row["id"], math.sqrt(row["_distance"]), {name: row[name] for name in self._header.columns})
            for row in rows
        ]
        return sorted(found, key=lambda one: one.distance)

    def set_about(self, about: Mapping[str, Any]) -> None:
        header = Header(self._header.dim, self._header.columns, dict(about))
        self._about.update(values={"json": _words(header)})
        self._header = header

    def reload(self) -> None:
        self._table.checkout_latest()
        self._about.checkout_latest()
        self._header = self._read_header()

    def _read_header(self) -> Header:
        (row,) = self._about.to_arrow().to_pylist()
        self._effort = int(row["effort"])
        words = json.loads(row["json"])
        return Header(words["dim"], tuple(words["columns"]), words["about"])

    def _among(self, ids: Sequence[str]) -> list[str]:
        """Those of the ids that are in the table."""
        return [
            one
            for condition in _conditions(ids)
            for one in self._table.search()
            .where(condition)
            .select(["id"])
            .limit(BATCH)
            .to_arrow()
            .column("id")
            .to_pylist()
        ]

    def _parts(self, columns: Sequence[str]) -> Iterator[Any]:
        yield from self._table.search().select(list(columns)).limit(max(1, len(self))).to_batches(65_536)


def lancedb_module() -> Any:
    """The module. Raises ZorkiError where it is not installed."""
    try:
        import lancedb
        import pyarrow  # noqa: F401  # which comes with the same extra
    except ImportError as error:
        raise ZorkiError("lancedb:... needs LanceDB: pip install 'zorki[lancedb]'") from error
    return lancedb


def _connect(location: str) -> Any:
    return lancedb_module().connect(location)


def _tables(database: Any) -> list[str]:
    found, token = [], None
    while True:
        page = database.list_tables(page_token=token)
        found += page.tables
        token = page.page_token
        if not token:
            return found


def _about(table: str) -> str:
    return f"{table}_about"


def _words(header: Header) -> str:
    return json.dumps({"dim": header.dim, "columns": list(header.columns), "about": dict(header.about)})


def _rows(entries: Entries, header: Header) -> Any:
    import pyarrow

    fields = [("id", pyarrow.string()), ("vector", pyarrow.list_(pyarrow.float32(), header.dim))]
    schema = pyarrow.schema([*fields, *((name, pyarrow.string()) for name in header.columns)])
    vectors = pyarrow.FixedSizeListArray.from_arrays(entries.vectors.ravel(), header.dim)
    return pyarrow.table({"id": entries.ids, "vector": vectors, **entries.columns}, schema=schema)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _conditions(ids: Sequence[str]) -> Iterator[str]:
    for start in range(0, len(ids), BATCH):
        yield f"id IN ({', '.join(map(_quoted, ids[start : start + BATCH]))})"
