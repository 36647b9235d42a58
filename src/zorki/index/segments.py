"""An index as files in a folder: segments of vectors that never change, and one small file that says which count.

    index.json        kind, dimension, columns, segments, the file of deleted rows, what the user wrote about it
    vectors-1.npy     float32 (rows, dim), of length 1; mapped into memory, not read
    entries-1.json    ids and columns of these rows
    deleted-3.npy     numbers of the rows that are no more

What is written gets a new name, and counts from when index.json names it: a process that is killed leaves the index as
it was. Rows are numbered through all segments; nobody outside sees these numbers.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32

from zorki.errors import DataError, ZorkiError
from zorki.files import unwritable, whole, write_json
from zorki.index.store import Entries, Header
from zorki.input_files.content import open_file
from zorki.input_files.json_files import read_json

ABOUT = "index.json"
FORMAT, VERSION = "zorki index", 1
PATIENCE = 600.0  # seconds for which a writer waits for another one
Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class _State:
    """What index.json says."""

    kind: str
    header: Header
    generation: int = 0
    segments: tuple[str, ...] = ()  # the numbers in the names of their files
    deleted: str | None = None
    graph: Mapping[str, Any] | None = None  # of an approximate index

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT, "version": VERSION, "kind": self.kind, "dim": self.header.dim,
            "columns": list(self.header.columns), "generation": self.generation, "segments": list(self.segments),
            "deleted": self.deleted, "graph": None if self.graph is None else dict(self.graph),
            "about": dict(self.header.about),
        }  # fmt: skip


@dataclass
class Segments:
    """The rows of an index in a folder, as its files say.

    Attributes:
        ids, columns: of all rows, deleted ones among them.
        vectors: of each segment, mapped.
        alive: which rows count.
    """

    folder: Path
    state: _State
    ids: list[str] = field(default_factory=list)
    columns: dict[str, list[str]] = field(default_factory=dict)
    vectors: list[Array] = field(default_factory=list)
    alive: Bool[np.ndarray, " R"] = field(default_factory=lambda: np.zeros(0, bool))
    _rows: dict[str, int] | None = None

    @property
    def count(self) -> int:
        """Rows that count."""
        return int(self.alive.sum())

    def row_of(self) -> dict[str, int]:
        """The row of each id that counts."""
        if self._rows is None:
            self._rows = {one: row for row, one in enumerate(self.ids) if self.alive[row]}
        return self._rows

    def mask(self, where: Mapping[str, str]) -> Bool[np.ndarray, " R"]:
        """Rows that count and have these texts in their columns."""
        found = self.alive
        for name, text in where.items():
            found = found & np.fromiter((value == text for value in self.columns[name]), bool, len(self.ids))
        return found

    def blocks(self, size: int, start: int = 0) -> Iterator[tuple[int, Float32[np.ndarray, "B D"]]]:
        """The vectors from a row on, at most so many at once, each with the number of its first row."""
        first = 0
        for part in self.vectors:
            for offset in range(max(0, start - first), len(part), size):
                yield first + offset, part[offset : offset + size]
            first += len(part)

    def take(self, rows: Sequence[int] | Array) -> Float32[np.ndarray, "N D"]:
        """The vectors of some rows, which may be in any order."""
        rows = np.asarray(rows, np.int64)
        found, first = np.empty((len(rows), self.state.header.dim), np.float32), 0
        for part in self.vectors:
            inside = (rows >= first) & (rows < first + len(part))
            found[inside] = part[rows[inside] - first]
            first += len(part)
        return found

    def texts(self, row: int) -> dict[str, str]:
        """The columns of a row."""
        return {name: values[row] for name, values in self.columns.items()}

    def entries(self) -> Entries:
        """The rows that count."""
        rows = np.flatnonzero(self.alive)
        columns = {name: [values[row] for row in rows] for name, values in self.columns.items()}
        return Entries([self.ids[row] for row in rows], self.take(rows), columns)


def read_segments(folder: Path) -> Segments:
    """The index in a folder.

    Raises:
        ZorkiError: none is there, or it is broken, or of a later version.
    """
    for last in (False, True):
        try:
            return _read(folder, _read_state(folder))
        except FileNotFoundError as error:
            # Another process may have replaced the files between reading their names and opening them.
            if last:
                raise ZorkiError(f"{error.filename}: is missing; the index is broken: build it again") from error
    raise AssertionError


def _read_state(folder: Path) -> _State:
    path = folder / ABOUT
    if not path.is_file():
        raise ZorkiError(
            f"{folder}: no index is here ({ABOUT} is missing); `zorki index RUN IMAGES --out INDEX` builds one"
        )
    try:
        found = read_json(path)
        if found["format"] != FORMAT or found["version"] > VERSION:
            raise ZorkiError(
                f"{path}: {found['format']} of version {found['version']}; expected {FORMAT} of at most {VERSION}"
            )
        header = Header(int(found["dim"]), tuple(found["columns"]), dict(found["about"]))
        return _State(
            found["kind"], header, int(found["generation"]), tuple(found["segments"]), found["deleted"], found["graph"]
        )
    except DataError as error:
        raise ZorkiError(str(error)) from error
    except (KeyError, TypeError, ValueError) as error:
        raise ZorkiError(f"{path}: is no file of an index: {error!r}; build it again") from error


def _read(folder: Path, state: _State) -> Segments:
    found = Segments(folder, state, columns={name: [] for name in state.header.columns})
    for number in state.segments:
        vectors = _mapped(folder / f"vectors-{number}.npy", state.header.dim)
        path = folder / f"entries-{number}.json"
        ids, columns = _read_entries(path, len(vectors), state.header.columns)
        found.ids += ids
        for values, more in zip(found.columns.values(), columns, strict=True):
            values += more
        found.vectors.append(vectors)
    found.alive = np.ones(len(found.ids), bool)
    if state.deleted is not None:
        found.alive[_deleted(folder / f"deleted-{state.deleted}.npy")] = False
    return found


def _read_entries(path: Path, count: int, names: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Ids and columns of as many vectors. Raises ZorkiError where these are no entries, FileNotFoundError without."""
    path.stat()
    content = read_json(path)
    try:
        lists = [content["ids"], *(content["columns"][name] for name in names)]
        lengths = {len(values) for values in lists}
    except (KeyError, TypeError) as error:
        raise ZorkiError(f"{path}: is no file of an index: {error!r}; build it again") from error
    if lengths != {count}:
        raise ZorkiError(f"{path}: {len(lists[0])} ids of {count} vectors; build the index again")
    return lists[0], lists[1:]


def _deleted(path: Path) -> Array:
    with open_file(path) as file:
        try:
            return np.load(file)  # type: ignore[no-any-return]
        except ValueError as error:
            raise ZorkiError(f"{path}: cannot be read: {error}; build the index again") from error


def _mapped(path: Path, dim: int) -> Array:
    try:
        vectors: Array = np.load(path, mmap_mode="r")
    except ValueError as error:
        raise ZorkiError(f"{path}: cannot be read: {error}; build the index again") from error
    if vectors.ndim != 2 or vectors.shape[1] != dim or vectors.dtype != np.float32:
        raise ZorkiError(f"{path}: {vectors.dtype} {vectors.shape}; expected float32 (rows, {dim})")
    return vectors.view(np.ndarray)


# -- writing --


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Within, no other process writes here. Raises ZorkiError where one does for ten minutes."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(folder / ".lock", timeout=PATIENCE):
            yield
    except Timeout:
        raise ZorkiError(f"{folder}: another process has been writing here for {PATIENCE:g} seconds") from None


def check_new_folder(folder: Path) -> None:
    """Raises ZorkiError where something is there already; an empty folder is as good as none."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ZorkiError(f"{folder}: is there already, and nothing is written over anything; name a new one")


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder to write to; it becomes `folder` at the end, or leaves no trace after an error.

    Raises:
        ZorkiError: `folder` is there and holds something, or cannot be made.
    """
    check_new_folder(folder)
    aside = folder.with_name(f"{folder.name}.part")
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        yield aside
        if folder.exists():
            folder.rmdir()
        aside.rename(folder)
    except OSError as error:
        raise unwritable(folder, error) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def begin(folder: Path, kind: str, header: Header) -> Segments:
    """An index without entries in a folder that is there."""
    state = _State(kind, header)
    write_json(folder / ABOUT, state.to_json())
    return _read(folder, state)


def append(segments: Segments, entries: Entries) -> Segments:
    """With a segment more."""
    state = segments.state
    number = str(state.generation + 1)
    with whole(segments.folder / f"vectors-{number}.npy") as aside, aside.open("wb") as file:
        np.save(file, entries.vectors)
    _write_texts(segments.folder / f"entries-{number}.json", entries.ids, entries.columns)
    return _commit(segments, segments=(*state.segments, number))


def remove(segments: Segments, rows: Sequence[int]) -> Segments:
    """Without some rows, whose vectors stay until `compact`."""
    number = str(segments.state.generation + 1)
    gone = np.union1d(np.flatnonzero(~segments.alive), np.asarray(rows, np.int64))
    with whole(segments.folder / f"deleted-{number}.npy") as aside, aside.open("wb") as file:
        np.save(file, gone)
    return _commit(segments, deleted=number)


def compact(segments: Segments) -> Segments:
    """All rows that count in one segment, in their order; an approximate index of them has to be made anew."""
    number = str(segments.state.generation + 1)
    rows = np.flatnonzero(segments.alive)
    with whole(segments.folder / f"vectors-{number}.npy") as aside:
        shape = (len(rows), segments.state.header.dim)
        # 0 rows cannot be mapped.
        if not len(rows):
            with aside.open("wb") as file:
                np.save(file, np.zeros(shape, np.float32))
        else:
            target = np.lib.format.open_memmap(aside, mode="w+", dtype=np.float32, shape=shape)  # type: ignore[no-untyped-call]
            for start in range(0, len(rows), 65_536):
                target[start : start + 65_536] = segments.take(rows[start : start + 65_536])
            target.flush()
            del target
    columns = {name: [values[row] for row in rows] for name, values in segments.columns.items()}
    _write_texts(segments.folder / f"entries-{number}.json", [segments.ids[row] for row in rows], columns)
    return _commit(segments, segments=(number,), deleted=None, graph=None)


def describe(segments: Segments, about: Mapping[str, Any]) -> Segments:
    """With other words about it."""
    return _commit(segments, header=dataclasses.replace(segments.state.header, about=dict(about)))


def with_graph(segments: Segments, graph: Mapping[str, Any]) -> Segments:
    """With an approximate index of the rows, whose file is there."""
    return _commit(segments, graph=graph)


def next_number(segments: Segments) -> str:
    """For the name of a file that is about to be written."""
    return str(segments.state.generation + 1)


def _write_texts(path: Path, ids: Sequence[str], columns: Mapping[str, Sequence[str]]) -> None:
    with whole(path) as aside, aside.open("w", encoding="ascii") as file:
        json.dump({"ids": list(ids), "columns": {name: list(values) for name, values in columns.items()}}, file)


def _commit(before: Segments, **changes: Any) -> Segments:
    """Names the new files in index.json, and removes those that it names no more."""
    state = dataclasses.replace(before.state, generation=before.state.generation + 1, **changes)
    write_json(before.folder / ABOUT, state.to_json())
    found = _read(before.folder, state)
    kept = {f"vectors-{number}.npy" for number in state.segments} | {f"entries-{n}.json" for n in state.segments}
    kept |= {ABOUT, f"deleted-{state.deleted}.npy", str((state.graph or {}).get("file"))}
    for path in before.folder.iterdir():
        if path.name not in kept and path.suffix in (".npy", ".json", ".faiss", ".part"):
            with suppress(OSError):  # on Windows a mapped file stays until nobody has it open
                path.unlink()
    return found
