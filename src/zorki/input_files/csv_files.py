"""Tables in CSV, row by row, with the line where each begins."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from zorki.errors import DataError
from zorki.input_files.content import MAX_BYTES, text_lines

LONGEST_ROW = 131_072
"""Characters of the longest line and of the longest cell; Python's own limit of a cell."""


def csv_rows(
    path: Path,
    delimiter: str = ",",
    *,
    longest: int = LONGEST_ROW,
    max_bytes: int = MAX_BYTES,
    errors: str = "strict",
) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, each with the line where it begins: a quoted cell can span lines.

    Raises:
        DataError: the file cannot be read, is larger than `max_bytes`, is no UTF-8, or a line or cell is longer than
            `longest`; with file and line.
    """
    lines = text_lines(path, longest=longest, max_bytes=max_bytes, errors=errors, newline="")
    reader = csv.reader((text for _, text in lines), delimiter=delimiter)
    line, end = 1, 0
    try:
        for cells in reader:
            line, end = end + 1, reader.line_num
            if any(cell.strip() for cell in cells):
                yield line, cells
    except csv.Error as error:
        raise DataError(f"{path}:{end + 1}: the table cannot be read: {error}") from error


def first_lines(path: Path, count: int, *, longest: int = LONGEST_ROW) -> list[str]:
    """As many lines from the first that is not blank, without blank ones. Raises DataError as `csv_rows`."""
    lines = (text for _, text in text_lines(path, longest=longest, max_bytes=MAX_BYTES, newline=""))
    return list(islice((text for text in lines if text.strip()), count))


def cells_of(lines: list[str], delimiter: str) -> list[list[str]]:
    """The rows of some lines; what is no table ends them."""
    rows: list[list[str]] = []
    with suppress(csv.Error):
        rows.extend(csv.reader(lines, delimiter=delimiter))
    return rows
