"""A table of clips: a CSV file, or a folder with exactly one.

    path,label,start,end,group,split            label,youtube_id,time_start,time_end,split      (Kinetics)
    films/a.mp4,wave,1.5,4,film-a,train         abseiling,0347ZoDXyP0,95,105,train

Columns are known by their names, in any order and case. `start` and `end` are in seconds, or as 1:02:03.5; `group` says
which clips belong together. Paths are relative to the table's folder, or to `videos` in it. Of Kinetics, the
video is ID_000095_000105.mp4, as its downloaders name it, or ID.mp4, which is cut then; in any folder below the
table's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from zorki.data.annotations.clips.clip_record import ClipRecord
from zorki.data.annotations.clips.records import ClipRecords
from zorki.data.annotations.listing import loose_files, walk_files
from zorki.data.annotations.outside import leads_out
from zorki.data.annotations.split_words import split_in
from zorki.data.annotations.splits import split_name
from zorki.data.formats.csv.read import LABEL_COLUMNS, SPLIT_COLUMNS, SUFFIXES
from zorki.data.formats.probe import Probe
from zorki.data.video.container import is_video
from zorki.errors import DataError
from zorki.input_files.csv_files import csv_rows
from zorki.types import Defect

EXPECTED = (
    "a CSV file with columns for the path of a video and its label, or Kinetics' youtube_id, time_start, time_end"
)

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "path": ("path", "video", "video_path", "file", "filename", "file_name", "filepath", "clip", "name"),
    "id": ("youtube_id", "video_id"),
    "label": LABEL_COLUMNS,
    "start": ("start", "time_start", "start_time", "start_seconds"),
    "end": ("end", "time_end", "end_time", "end_seconds"),
    "group": ("group", "film", "person", "subject", "source"),
    "split": SPLIT_COLUMNS,
}
_PROBE_ROWS = 20


@dataclass(frozen=True)
class _Table:
    """A file, and the column of each meaning."""

    path: Path
    delimiter: str
    columns: Mapping[str, int]

    def rows(self) -> Iterator[tuple[int, dict[str, str]]]:
        """The cells of each row by their meaning, with its line."""
        for line, cells in islice(csv_rows(self.path, self.delimiter), 1, None):
            yield (
                line,
                {
                    meaning: cells[place].strip() if place < len(cells) else ""
                    for meaning, place in self.columns.items()
                },
            )


def probe(root: Path) -> Probe:
    """Whether `root` is of this format, and why or why not."""
    tables = _tables(root)
    if isinstance(tables, str):
        return Probe.no(tables)
    return Probe.yes(f"{', '.join(table.path.name for table in tables)}: a table of clips")


def read(root: Path) -> ClipRecords:
    """The clips that the table names; rows with something wrong are left out, each with a defect that tells the line.

    Raises:
        DataError: there is no table, or no usable row in it.
    """
    tables = _tables(root)
    if isinstance(tables, str):
        raise DataError(f"{root}: {tables}; expected {EXPECTED}")
    found = ClipRecords(root, "csv", probe(root).reason, source=tables[0].path)
    earlier: dict[ClipRecord, str] = {}
    for table in tables:
        locate = _by_id(table) if "path" not in table.columns else _by_path(table)
        for line, row in table.rows():
            count = len(found.clips)
            if reason := _take(found, table, row, locate, earlier):
                found.defects.append(Defect(table.path, f"{reason}; the row was left out", line))
            elif len(found.clips) > count:
                earlier[_part(found.clips[-1])] = f"{table.path.name}:{line}"
    if not found.clips:
        first = "".join(f"\n  {defect}" for defect in found.defects[:3])
        raise DataError(
            f"{tables[0].path}: no row names a video that is there and its label{':' if first else ''}{first}"
        )
    return found


def _take(
    found: ClipRecords,
    table: _Table,
    row: Mapping[str, str],
    locate: Callable[[Mapping[str, str]], Path | None],
    earlier: Mapping[ClipRecord, str],
) -> str | None:
    """Adds one row, or says what is wrong with it; `earlier` are the places of the clips that are there already."""
    if not row.get("label"):
        return "the row has no label"
    words = row.get("split", "")
    split = split_name(words) if words else split_in(table.path.stem)
    if words and split is None:
        return f"{words!r} means no split; expected train, val or test"
    if "split" in table.columns and not words:
        return "the row has no split"
    try:
        start, end = _seconds(row.get("start", "")), _seconds(row.get("end", ""))
    except ValueError as error:
        return f"{error}; expected seconds, or hours:minutes:seconds"
    if start is not None and end is not None and end <= start:
        return f"the clip ends at {end:g} s, and begins at {start:g} s"
    path = locate(row)
    if path is None:
        return f"there is no file {row.get('path') or row.get('id')!r}"
    if "path" not in table.columns and path.stem != row["id"]:
        start = end = None  # the file is the clip
    inside = path.is_relative_to(table.path.parent)
    name = path.relative_to(table.path.parent).as_posix() if inside else path.as_posix()
    clip = ClipRecord(name, path, start, end, row.get("group", "") or row.get("id", ""))
    if place := earlier.get(_part(clip)):
        return f"the same clip of {name!r} stands in {place}"
    if split in ("train", "val", "test"):
        found.given.setdefault(split, []).append(len(found.clips))
    found.clips.append(clip)
    found.classes.append(row["label"])
    return None


def _part(clip: ClipRecord) -> ClipRecord:
    """Which part of which film a clip is, whatever group it belongs to."""
    return dataclasses.replace(clip, group="")


def _seconds(text: str) -> float | None:
    """Of "95", "1:35" or "0:01:35.5"; None of nothing. Raises ValueError."""
    if not text:
        return None
    try:
        value = 0.0
        for part in text.split(":"):
            value = value * 60 + float(part)
            if not float(part) >= 0:
                raise ValueError(part)
    except ValueError:
        raise ValueError(f"{text!r} is no time") from None
    if not 0 <= value < 1e7:
        raise ValueError(f"{text!r} is no time")
    return value


def _tables(root: Path) -> list[_Table] | str:
    """The tables at `root`, one a split where there are several; or why there is none."""
    if root.is_file():
        table = _table(root) if root.suffix.lower() in SUFFIXES else None
        return [table] if table is not None else "it is no table of clips: no path, no label, or no video in it"
    if not root.is_dir():
        return "it is neither a file nor a folder"
    files = [root / name for name in loose_files(root) if Path(name).suffix.lower() in SUFFIXES]
    tables = [table for path in files if (table := _table(path)) is not None]
    if not tables:
        return "it holds no table with columns for a video and its label"
    splits = [split_in(table.path.stem) for table in tables]
    if len(tables) > 1 and (None in splits or len(set(splits)) < len(splits)):
        return f"it holds {len(tables)} tables of clips ({', '.join(table.path.name for table in tables)}): name one"
    return tables


def _table(path: Path) -> _Table | None:
    """The table, where its header has the columns, and its first rows are about videos."""
    try:
        delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
        header = next(iter(csv_rows(path, delimiter)), (0, []))[1]
    except DataError:
        return None
    words = [cell.strip().lower() for cell in header]
    columns = {
        meaning: words.index(word)
        for meaning, known in _COLUMNS.items()
        if (word := next((one for one in known if one in words), None)) is not None
    }
    table = _Table(path, delimiter, columns)
    if "label" not in columns or not {"path", "id"} & set(columns):
        return None
    return table if "path" not in columns or _names_films(table) else None


def _names_films(table: _Table) -> bool:
    """Whether a row names a video, or a folder of frames: tables of images have the same columns."""
    try:
        rows = [row for _, row in islice(table.rows(), _PROBE_ROWS)]
    except DataError:
        return False
    return any(is_video(row["path"]) or row.get("start") or (table.path.parent / row["path"]).is_dir() for row in rows)


def _by_path(table: _Table) -> Callable[[Mapping[str, str]], Path | None]:
    folder = table.path.parent

    def locate(row: Mapping[str, str]) -> Path | None:
        if not row["path"]:
            return None
        for name in (row["path"], f"videos/{row['path']}", row["path"].replace("\\", "/")):
            if not leads_out(folder, name) and (folder / name).exists():
                return folder / name
        return None

    return locate


def _by_id(table: _Table) -> Callable[[Mapping[str, str]], Path | None]:
    """Videos by their name without its suffix, wherever they lie below the table's folder."""
    folder = table.path.parent
    stems = {Path(name).stem: folder / name for name in walk_files(folder) if is_video(name)}

    def locate(row: Mapping[str, str]) -> Path | None:
        cut = ""
        if row.get("start") and row.get("end"):
            try:
                cut = f"{row['id']}_{round(float(row['start'])):06d}_{round(float(row['end'])):06d}"
            except ValueError:
                cut = ""
        return stems.get(cut) or stems.get(row["id"])

    return locate
