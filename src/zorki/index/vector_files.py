"""Vectors as files that other tools read: .npy with ids.csv, or Parquet."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zorki.errors import DataError, ZorkiError
from zorki.files import NO_TEXT, whole, write_json
from zorki.index.segments import check_new_folder, new_folder
from zorki.index.store import Entries
from zorki.input_files.content import open_file
from zorki.input_files.csv_files import csv_rows
from zorki.input_files.json_files import parse_json, read_json

VECTORS, IDS, ABOUT = "vectors.npy", "ids.csv", "about.json"
_KEY = b"zorki"  # in Parquet's own notes


def is_vectors(path: Path) -> bool:
    """Whether these are vectors that `write_vectors` wrote, or files of the same shape."""
    return (path / VECTORS).is_file() if path.is_dir() else path.suffix == ".parquet"


def check_new_vectors(path: Path) -> None:
    """Raises ZorkiError where `write_vectors` would refuse, whatever the vectors: to be asked before they are made."""
    check_new_folder(path)
    if path.suffix == ".parquet":
        _pyarrow()
        if path.exists():
            raise ZorkiError(f"{path}: is there already, and nothing is written over anything; name a new one")


def write_vectors(path: Path, entries: Entries, about: Mapping[str, Any]) -> None:
    """Writes a new folder with vectors.npy, ids.csv and about.json; or one file, where the name ends in .parquet.

    Raises:
        ZorkiError: something is there already, it cannot be written, or pyarrow is not installed.
    """
    if path.suffix == ".parquet":
        return _write_parquet(path, entries, about)
    with new_folder(path) as folder:
        np.save(folder / VECTORS, entries.vectors)
        with (folder / IDS).open("w", encoding="utf-8", errors=NO_TEXT, newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", *entries.columns])
            writer.writerows(zip(entries.ids, *entries.columns.values(), strict=True))
        write_json(folder / ABOUT, about)


def read_vectors(path: Path) -> tuple[Entries, dict[str, Any]]:
    """The vectors, and what was written about them; nothing where others made them.

    Raises:
        DataError: a file is missing or broken, or there are not as many ids as vectors.
        ZorkiError: pyarrow is not installed.
    """
    if path.suffix == ".parquet":
        return _read_parquet(path)
    try:
        open_file(path / VECTORS).close()  # a device or a pipe is refused
        vectors = np.load(path / VECTORS, mmap_mode="r")  # a header that states more than the file holds is refused
    except (OSError, ValueError) as error:
        raise DataError(f"{path / VECTORS}: cannot be read as numbers of numpy: {error}") from error
    if not (path / IDS).is_file():
        raise DataError(f"{path / IDS}: is missing; expected a row with the id of each vector, below a heading")
    rows = [cells for _, cells in csv_rows(path / IDS)]
    heads = rows[0] if rows else []
    if not heads or heads[0] != "id" or any(len(row) != len(heads) for row in rows):
        raise DataError(f"{path / IDS}: expected the heading id, and as many cells in each row; found {heads}")
    if vectors.ndim != 2 or len(vectors) != len(rows) - 1:
        raise DataError(f"{path}: {len(rows) - 1} ids, and vectors of the shape {vectors.shape}; expected a row an id")
    texts = list(zip(*rows[1:], strict=True)) or [()] * len(heads)
    columns = {name: list(values) for name, values in zip(heads[1:], texts[1:], strict=True)}
    about = read_json(path / ABOUT) if (path / ABOUT).is_file() else {}
    return Entries(list(texts[0]), vectors.astype(np.float32), columns), about


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ZorkiError(
            "Parquet needs pyarrow: pip install pyarrow; or name a folder, for .npy and ids.csv"
        ) from error
    return pyarrow


def _write_parquet(path: Path, entries: Entries, about: Mapping[str, Any]) -> None:
    arrow = _pyarrow()
    check_new_vectors(path)
    vectors = arrow.FixedSizeListArray.from_arrays(
        np.ascontiguousarray(entries.vectors, np.float32).ravel(), entries.vectors.shape[1]
    )
    table = arrow.table({"id": entries.ids, "vector": vectors, **entries.columns})
    table = table.replace_schema_metadata({_KEY: json.dumps(dict(about)).encode()})
    with whole(path) as aside:
        arrow.parquet.write_table(table, aside)


def _read_parquet(path: Path) -> tuple[Entries, dict[str, Any]]:
    arrow = _pyarrow()
    try:
        table = arrow.parquet.read_table(path)
    except (OSError, arrow.ArrowException) as error:
        raise DataError(f"{path}: cannot be read as Parquet: {error}") from error
    if not {"id", "vector"} <= set(table.column_names):
        raise DataError(f"{path}: expected the columns id and vector; found {', '.join(table.column_names)}")
    rows = table.column("vector").to_pylist() if len(table) else []
    if len({len(row) for row in rows}) > 1:
        raise DataError(f"{path}: its vectors differ in length")
    columns = {
        name: [str(value) for value in table.column(name).to_pylist()]
        for name in table.column_names
        if name not in ("id", "vector")
    }
    notes = (table.schema.metadata or {}).get(_KEY)
    about = parse_json(notes, str(path)) if notes else {}
    ids = [str(value) for value in table.column("id").to_pylist()]
    return Entries(ids, np.array(rows, np.float32).reshape(len(rows), -1), columns), about
