"""An index by its address: a folder, `lancedb:FOLDER`, `milvus:FILE.db` or `milvus:http://host:19530`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from zorki.errors import RecipeError, ZorkiError
from zorki.index.exact import ExactStore
from zorki.index.faiss import FaissStore, IvfStore, faiss_module
from zorki.index.segments import check_new_folder, read_segments
from zorki.index.store import MAX_EXACT, Entries, Header, Tell, VectorStore

KINDS = ("auto", "exact", "hnsw", "ivf")
TABLE = "zorki"
"""The table or collection, where the address has no #NAME at its end."""
_FOLDERS: dict[str, type[ExactStore]] = {"exact": ExactStore, "hnsw": FaissStore, "ivf": IvfStore}


def create_store(address: str, header: Header, entries: Entries, *, kind: str = "auto", tell: Tell) -> VectorStore:
    """A new index of these entries, written whole or not at all.

    Args:
        address: a new folder; or what stands behind `lancedb:` and `milvus:` as these libraries take it, with #NAME of
            the table where it is not "zorki".
        kind: of a folder: "exact" compares every vector, "hnsw" and "ivf" are approximate, by faiss; "auto" is exact up
            to 200,000 vectors, and hnsw above. LanceDB and Milvus choose themselves, above 20,000 and 200,000.
        tell: takes lines about what is done, such as the recall.

    Raises:
        ZorkiError: the address holds something already; the library is missing; or as `Entries.checked`.
    """
    check_new_store(address, kind)
    library, location, table = split_address(address)
    if library:
        if library == "lancedb":
            from zorki.index.lance import LanceStore

            return LanceStore.create(location, table, header, entries, tell)
        from zorki.index.milvus import MilvusStore

        return MilvusStore.create(location, table, header, entries, tell)
    if kind == "auto":
        kind = "exact" if len(entries) <= MAX_EXACT else "hnsw"
    return _FOLDERS[kind].create(Path(location), header, entries, tell)


def check_new_store(address: str, kind: str = "auto") -> None:
    """Raises ZorkiError where `create_store` would refuse, whatever the entries: to be asked before they are made."""
    if kind not in KINDS:
        raise RecipeError(f"kind is {kind!r}; expected one of {', '.join(KINDS)}")
    library, location, _ = split_address(address)
    if library and kind != "auto":
        raise RecipeError(f"kind is {kind}, but {address} chooses itself how it searches; leave kind out")
    if library == "lancedb":
        from zorki.index.lance import lancedb_module

        lancedb_module()
    elif library == "milvus":
        from zorki.index.milvus import pymilvus_module

        pymilvus_module()
    else:
        check_new_folder(Path(location))
        if kind in ("hnsw", "ivf"):
            faiss_module()


def open_store(address: str, tell: Tell) -> VectorStore:
    """The index at an address. Raises ZorkiError where none is there, it is broken, or its library is missing."""
    library, location, table = split_address(address)
    if library == "lancedb":
        from zorki.index.lance import LanceStore

        return LanceStore(location, table, tell)
    if library == "milvus":
        from zorki.index.milvus import MilvusStore

        return MilvusStore(location, table, tell)
    kind = read_segments(Path(location)).state.kind
    if kind not in _FOLDERS:
        raise ZorkiError(f"{location}: is of the kind {kind!r}; expected {', '.join(_FOLDERS)}")
    made: Callable[[Path, Tell], VectorStore] = _FOLDERS[kind]
    return made(Path(location), tell)


def split_address(address: str) -> tuple[str, str, str]:
    """(library, location, table) of an address; the library is empty for a folder.

    >>> split_address("milvus:http://host:19530#faces")
    ('milvus', 'http://host:19530', 'faces')
    """
    library, colon, rest = address.partition(":")
    if not colon or library not in ("lancedb", "milvus"):
        return "", address, ""
    location, _, table = rest.partition("#")
    if not location:
        raise RecipeError(
            f"{address}: expected a place behind {library}:, such as {library}:faces"
            + (".db" if library == "milvus" else "")
        )
    return library, location, table or TABLE
