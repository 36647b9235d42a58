"""Milvus: from a file (Milvus Lite) to a cluster by the same words, `milvus:photos.db` and `milvus:http://host:19530`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from jaxtyping import Float32

from zorki.errors import ZorkiError
from zorki.index.recall import padded, tuned_on_own
from zorki.index.store import MAX_EXACT, Entries, Header, Neighbor, Tell, check_found, check_new, check_search

BATCH = 1000  # rows of one message
LONGEST = 65_535  # bytes of a text


class MilvusStore:
    """A collection of Milvus, beside which a second one holds what the index says of itself.

    A file is open to one process at a time; a server is open to many.

    Args:
        location: what `pymilvus.MilvusClient` takes: a file that ends in .db, or the address of a server.
        collection: its name.
    """

    def __init__(self, location: str, collection: str, tell: Tell) -> None:
        self.place = f"milvus:{location}#{collection}"
        self._name, self._tell = collection, tell
        self._client = _connect(location)
        if not self._client.has_collection(collection) or not self._client.has_collection(_about(collection)):
            self._client.close()
            raise ZorkiError(
                f"{self.place}: there is no such collection; `zorki index RUN IMAGES --out INDEX` builds it"
            )
        for name in (collection, _about(collection)):
            self._client.load_collection(name)
        self._header = self._read_header()

    @classmethod
    def create(cls, location: str, collection: str, header: Header, entries: Entries, tell: Tell) -> MilvusStore:
        """A new collection of these entries, written whole or not at all."""
        entries = entries.checked(header)
        client = _connect(location)
        try:
            if client.has_collection(collection):
                raise ZorkiError(f"milvus:{location}#{collection}: is there already; name another one behind #")
            try:
                _create(client, collection, header.dim, header.columns)
                _insert(client, collection, entries)
                _index(client, collection, len(entries))
                _create(client, _about(collection), 2, ("json",))  # a collection without vectors is none
                _index(client, _about(collection), 1)
                _write_words(client, collection, header)
            except BaseException:
                for name in (collection, _about(collection)):
                    with suppress(Exception):
                        client.drop_collection(name)
                raise
        finally:
            client.close()
        made = cls(location, collection, tell)
        if len(entries) > MAX_EXACT:
            made._check_recall(entries)
        return made

    def _check_recall(self, entries: Entries) -> None:
        """Tells the recall of the index that Milvus chose; drops the collections where it is too low."""
        try:
            tuned_on_own(
                lambda queries, k, _: padded(self.search(queries, k), k), entries.vectors, (0,), self._tell,
                name="Milvus (AUTOINDEX)", effort_name="level", instead="Use another kind: --out FOLDER --kind hnsw",
            )  # fmt: skip
        except ZorkiError:
            for name in (self._name, _about(self._name)):
                self._client.drop_collection(name)
            raise

    def close(self) -> None:
        """Lets go of the file."""
        self._client.close()

    @property
    def header(self) -> Header:
        return self._header

    def __len__(self) -> int:
        return int(self._client.query(self._name, filter="", output_fields=["count(*)"])[0]["count(*)"])

    def ids(self) -> list[str]:
        return [row["id"] for row in self._rows(["id"])]

    def column(self, name: str) -> list[str]:
        return [row[name] for row in self._rows(["id", name])]

    def entries(self) -> Entries:
        rows = list(self._rows(["id", "vector", *self._header.columns]))
        vectors = np.array([row["vector"] for row in rows], np.float32).reshape(len(rows), self._header.dim)
        columns = {name: [row[name] for row in rows] for name in self._header.columns}
        return Entries([row["id"] for row in rows], vectors, columns)

    def add(self, entries: Entries) -> None:
        entries = entries.checked(self._header)
        check_new(self, self._among(entries.ids))
        _insert(self._client, self._name, entries)

    def delete(self, ids: Sequence[str]) -> None:
        there = set(self._among(ids))
        check_found(self, [one for one in ids if one not in there])
        for start in range(0, len(ids), BATCH):
            self._client.delete(self._name, ids=list(ids[start : start + BATCH]))

    def search(
        self, queries: Float32[np.ndarray, "Q D"], k: int, where: Mapping[str, str] | None = None
    ) -> list[list[Neighbor]]:
        check_search(self, queries, k, where or {})
        condition = " and ".join(f"{name} == {json.dumps(text)}" for name, text in (where or {}).items())
        names = list(self._header.columns)
        found = []
        for start in range(0, len(queries), BATCH):
            data = [query.tolist() for query in queries[start : start + BATCH]]
            found += self._client.search(
                self._name, data=data, limit=k, filter=condition, output_fields=names, consistency_level="Strong"
            )
        return [
            [
                Neighbor(hit["id"], _distance(hit["distance"]), {name: hit["entity"][name] for name in names})
                for hit in own
            ]
            for own in found
        ]

    def set_about(self, about: Mapping[str, Any]) -> None:
        self._header = Header(self._header.dim, self._header.columns, dict(about))
        _write_words(self._client, self._name, self._header)

    def reload(self) -> None:
        self._header = self._read_header()

    def _read_header(self) -> Header:
        rows = self._client.query(_about(self._name), ids=["about"], output_fields=["json"])
        if not rows:
            raise ZorkiError(f"{self.place}: the collection was not made by zorki, or not to its end; build it again")
        words = json.loads(rows[0]["json"])
        return Header(words["dim"], tuple(words["columns"]), words["about"])

    def _among(self, ids: Sequence[str]) -> list[str]:
        """Those of the ids that are in the collection."""
        return [
            row["id"]
            for start in range(0, len(ids), BATCH)
            for row in self._client.query(self._name, ids=list(ids[start : start + BATCH]), output_fields=["id"])
        ]

    def _rows(self, fields: Sequence[str]) -> Iterator[dict[str, Any]]:
        rows = self._client.query_iterator(self._name, batch_size=BATCH, filter="", output_fields=list(fields))
        try:
            while part := rows.next():
                yield from part
        finally:
            rows.close()


def _distance(product: float) -> float:
    """Of the inner product, which is what the metric IP calls the distance; that of copies is .0003 at most."""
    return math.sqrt(max(0.0, 2.0 - 2.0 * product))


def pymilvus_module() -> Any:
    """The module. Raises ZorkiError where it is not installed."""
    try:
        import pymilvus
    except ImportError as error:
        raise ZorkiError("milvus:... needs pymilvus: pip install 'zorki[milvus]'") from error
    return pymilvus


def _connect(location: str) -> Any:
    pymilvus_module()
    from pymilvus import MilvusClient
    from pymilvus.exceptions import MilvusException

    try:
        return MilvusClient(location)
    except MilvusException as error:
        raise ZorkiError(
            f"milvus:{location}: cannot be opened: {error.message} (a file is open to one process at a time)"
        ) from error


def _about(collection: str) -> str:
    return f"{collection}_about"


def _create(client: Any, name: str, dim: int, columns: Sequence[str]) -> None:
    from pymilvus import DataType

    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=LONGEST)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dim)
    for column in columns:
        schema.add_field(column, DataType.VARCHAR, max_length=LONGEST)
    client.create_collection(name, schema=schema, consistency_level="Strong")


def _index(client: Any, name: str, count: int) -> None:
    """Made after the vectors are there: Milvus Lite is slow where it was declared before them."""
    client.flush(name)
    parameters = client.prepare_index_params()
    parameters.add_index("vector", index_type="FLAT" if count <= MAX_EXACT else "AUTOINDEX", metric_type="IP")
    client.create_index(name, parameters)
    client.load_collection(name)


def _insert(client: Any, name: str, entries: Entries) -> None:
    """A batch after another; those before one that fails are taken back."""
    done: list[str] = []
    try:
        for start in range(0, len(entries), BATCH):
            part = entries.rows(range(start, min(start + BATCH, len(entries))))
            texts = [
                dict(zip(part.columns, values, strict=True)) for values in zip(*part.columns.values(), strict=True)
            ]
            rows = zip(part.ids, part.vectors, texts or [{}] * len(part), strict=True)
            done += part.ids
            client.insert(name, [{"id": one, "vector": vector.tolist(), **more} for one, vector, more in rows])
    except BaseException:
        for start in range(0, len(done), BATCH):
            with suppress(Exception):
                client.delete(name, ids=done[start : start + BATCH])
        raise


def _write_words(client: Any, collection: str, header: Header) -> None:
    words = json.dumps({"dim": header.dim, "columns": list(header.columns), "about": dict(header.about)})
    if len(words.encode()) > LONGEST:
        raise ZorkiError(f"milvus: {len(words):,} characters about the index; Milvus keeps {LONGEST:,} at most")
    client.upsert(_about(collection), [{"id": "about", "vector": [1.0, 0.0], "json": words}])
