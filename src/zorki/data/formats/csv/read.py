"""A table of paths and labels: a CSV file, or a folder with exactly one.

    path,label,split
    cats/1.jpg,cat,train

Columns are known by their names, in any order and case; a table of two columns may come without a header. Paths are
relative to the table's folder, or to a folder `images` in it, or absolute.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from zorki.data.annotations.labels import LabelRecords
from zorki.data.annotations.listing import is_image, loose_files
from zorki.data.annotations.outside import leads_out
from zorki.data.annotations.splits import split_name
from zorki.data.formats.probe import Probe
from zorki.errors import DataError
from zorki.input_files.content import is_file
from zorki.input_files.csv_files import cells_of, csv_rows, first_lines
from zorki.types import Defect

EXPECTED = "a CSV file with the columns path and label, or a folder with exactly one such file"

SUFFIXES = frozenset({".csv", ".tsv"})
# By preference: where a table has several of these columns, the first one listed here is taken.
PATH_COLUMNS = (
    "path",
    "file",
    "filename",
    "file_name",
    "filepath",
    "file_path",
    "image_path",
    "image",
    "image_name",
    "img",
)
LABEL_COLUMNS = ("label", "class", "category", "class_name", "label_name", "target")
SPLIT_COLUMNS = ("split", "set", "subset", "partition")
_PROBE_ROWS = 50  # rows that are looked at to recognize a table
_LONGEST_NUMBER = 100  # digits: more are a word


@dataclass
class _Table:
    """Where things stand in a CSV file."""

    path: Path
    delimiter: str
    header: bool
    path_column: int
    label_column: int
    split_column: int | None


@dataclass
class _Row:
    line: int
    path: str
    label: str
    split: str | None  # None where the table has no column of splits


@dataclass
class _Rows:
    """What the rows say, defects apart."""

    names: list[str] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    given: dict[str, list[int]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)  # of each name
    places: dict[str, int] = field(default_factory=dict)  # of each name, in `names`
    defects: list[Defect] = field(default_factory=list)


def probe(root: Path) -> Probe:
    """Whether `root` is of this format, and why or why not."""
    table = _find(root)
    return Probe.no(table) if isinstance(table, str) else Probe.yes(_reason(table))


def read(root: Path) -> LabelRecords:
    """The images that the table names. Classes are sorted by name; by value where all are whole numbers.

    Rows that name a missing file, lack a path, a label or a split where others have one, or repeat a path are left
    out, each with a defect that tells the line.

    Raises:
        DataError: there is no table or no usable row in it, or it cannot be decoded as UTF-8.
    """
    table = _find(root)
    if isinstance(table, str):
        raise DataError(f"{root}: {table}; expected {EXPECTED}")
    rows = _read_rows(table)
    if not rows.names:
        first = "".join(f"\n  {defect}" for defect in rows.defects[:3])
        raise DataError(f"{table.path}: no row names an image that is there and its label{':' if first else ''}{first}")
    order = sorted(set(rows.classes), key=_class_key(rows.classes))
    return LabelRecords(
        root, table.path.parent, "csv", _reason(table), rows.names, rows.classes, rows.given, order, table.path,
        defects=rows.defects,
    )  # fmt: skip


def _reason(table: _Table) -> str:
    columns = f"columns {table.path_column + 1} and {table.label_column + 1} are path and label"
    return f"{table.path.name} is a table: {columns}, {'by its header' if table.header else 'without a header'}"


def _find(root: Path) -> _Table | str:
    """The table at `root`, or why there is none."""
    if root.is_file():
        if root.suffix.lower() not in SUFFIXES:
            return "it is a file, and its name ends neither in .csv nor in .tsv"
        return _probe_table(root)
    if not root.is_dir():
        return "it is neither a file nor a folder"
    files = [root / name for name in loose_files(root) if Path(name).suffix.lower() in SUFFIXES]
    if not files:
        return "it holds no .csv or .tsv file"
    probes = [_probe_table(path) for path in files]
    # A table that lies in a folder by chance may have such columns too: it must name a file that is there.
    tables = [table for table in probes if isinstance(table, _Table) and _names_a_file(table)]
    if len(tables) == 1:
        return tables[0]
    if len(tables) > 1:
        found = ", ".join(table.path.name for table in tables)
        return f"it holds {len(tables)} tables of labels ({found}): join them, with a column named split, or name one"
    if isinstance(probes[0], str):
        return f"{files[0].name}: {probes[0]}"
    return f"{files[0].name}: none of the first {_PROBE_ROWS} rows names a file that is there"


def _probe_table(path: Path) -> _Table | str:
    """Delimiter and columns of a CSV file, or why it is not a table of labels."""
    try:
        lines = first_lines(path, _PROBE_ROWS)
    except DataError as error:
        return str(error).removeprefix(f"{path}: ")
    if not lines:
        return "it is empty"
    delimiter = _delimiter(lines)
    first = next(iter(cells_of(lines, delimiter)), [])
    words = [cell.strip().lower() for cell in first]
    columns = [_column(words, column_names) for column_names in (PATH_COLUMNS, LABEL_COLUMNS, SPLIT_COLUMNS)]
    if columns[0] is not None and columns[1] is not None:
        return _Table(path, delimiter, True, columns[0], columns[1], columns[2])
    if len(first) == 2 and is_image(first[0].strip()):
        return _Table(path, delimiter, False, 0, 1, None)
    return (
        f"its first line, {lines[0].strip()[:80]!r}, names no column of paths ({', '.join(PATH_COLUMNS)}) "
        f"beside one of labels ({', '.join(LABEL_COLUMNS)})"
    )


def _delimiter(lines: list[str]) -> str:
    """The delimiter that cuts most lines as often as the first one, at least once."""

    def agreement(delimiter: str) -> int:
        widths = [len(row) for row in cells_of(lines, delimiter)]
        return widths.count(widths[0]) if widths and widths[0] > 1 else 0

    return max(",;\t|", key=agreement)


def _column(words: Sequence[str], column_names: Iterable[str]) -> int | None:
    return next((words.index(word) for word in column_names if word in words), None)


def _names_a_file(table: _Table) -> bool:
    try:
        return any(_locate(table.path.parent, row.path) is not None for row in islice(_read_cells(table), _PROBE_ROWS))
    except DataError:  # which reading tells, where it is taken
        return False


def _read_cells(table: _Table) -> Iterator[_Row]:
    """The rows below the header that are not blank."""
    for line, row in islice(csv_rows(table.path, table.delimiter), 1 if table.header else 0, None):
        cells = [cell.strip() for cell in row]
        width = len(cells)
        path = cells[table.path_column] if table.path_column < width else ""
        label = cells[table.label_column] if table.label_column < width else ""
        split = None
        if table.split_column is not None:
            split = cells[table.split_column] if table.split_column < width else ""
        yield _Row(line, path, label, split)


def _read_rows(table: _Table) -> _Rows:
    rows = _Rows()
    for row in _read_cells(table):
        reason = _take(rows, table.path.parent, row)
        if reason is not None:
            rows.defects.append(Defect(table.path, f"{reason}; the row was left out", row.line))
    return rows


def _take(rows: _Rows, folder: Path, row: _Row) -> str | None:
    """Adds one row, or says what is wrong with it."""
    if not row.path or not row.label:
        return f"the row has no {'path' if not row.path else 'label'}"
    split = None if row.split is None else split_name(row.split)
    if row.split is not None and split is None:
        return f"{row.split!r} means no split; expected train, val or test"
    name = _locate(folder, row.path)
    if name is None:
        return f"there is no file {row.path!r}"
    if name in rows.lines:
        before = rows.classes[rows.places[name]]
        same = "" if before == row.label else f", as {before!r} and not as {row.label!r}"
        return f"{row.path!r} was labeled before, in line {rows.lines[name]}{same}"
    if split is not None:
        rows.given.setdefault(split, []).append(len(rows.names))
    rows.lines[name], rows.places[name] = row.line, len(rows.names)
    rows.names.append(name)
    rows.classes.append(row.label)
    return None


def _locate(folder: Path, path: str) -> str | None:
    """The file that a cell means, relative to the table's folder (or absolute); None where it is not there."""
    for name in (path, f"images/{path}", path.replace("\\", "/")):
        file = folder / name
        if not leads_out(folder, name) and is_file(file):
            # Relative where it can be, so that the splits, which hang on the name, outlive a move of the folder.
            inside = file.is_relative_to(folder)
            return Path(os.path.normpath(file.relative_to(folder) if inside else file)).as_posix()
    return None


def _class_key(classes: Iterable[str]) -> Callable[[str], Any]:
    """Whole numbers are sorted by value, so that class 10 comes after class 9; words as words."""
    if all(name.isascii() and name.isdigit() and len(name) < _LONGEST_NUMBER for name in classes):
        return lambda name: (int(name), name)
    return lambda name: name
