"""Boxes in tables, a row each: TensorFlow's layout in pixels, and OpenImages' in shares of the image.

    filename,width,height,class,xmin,ymin,xmax,ymax        or        ImageID,LabelName,XMin,XMax,YMin,YMax,IsGroupOf

Columns are known by their names, in any order and case. Decimal commas inside quotes ("0,25") are read as points.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from zorki.data.annotations.listing import loose_files, subfolders
from zorki.data.annotations.records import ImageRecord, ObjectRecord, Records
from zorki.data.annotations.split_words import by_split, split_in
from zorki.data.annotations.splits import split_name
from zorki.data.formats.probe import Probe
from zorki.errors import DataError
from zorki.input_files.csv_files import cells_of, csv_rows, first_lines
from zorki.input_files.numbers import number_of, whole_number_of
from zorki.types import Defect

EXPECTED = (
    "a CSV file with the columns filename, class, xmin, ymin, xmax, ymax (TensorFlow), or ImageID, LabelName, XMin, "
    "XMax, YMin, YMax (OpenImages), or a folder with such files, one a split"
)

SUFFIXES = frozenset({".csv", ".tsv"})
_IMAGE = ("filename", "file_name", "imageid", "image_id", "image", "image_path", "path", "file", "img")
_CLASS = ("class", "labelname", "label", "class_name", "category", "name")
_CORNERS = tuple((name, short) for name, short in (("xmin", "x1"), ("ymin", "y1"), ("xmax", "x2"), ("ymax", "y2")))
_EXTRA = {
    "height": ("height", "image_height"), "width": ("width", "image_width"), "split": ("split", "set", "subset"),
    "crowd": ("isgroupof", "iscrowd", "crowd"), "difficult": ("difficult",),
}  # fmt: skip


@dataclass(frozen=True)
class _Layout:
    """Where things stand in a table, and whether its boxes are shares of the image."""

    delimiter: str
    columns: dict[str, int]
    relative: bool


def probe(root: Path) -> Probe:
    """Whether `root` is of this format, and why or why not."""
    found = _find(root)
    return Probe.no(found) if isinstance(found, str) else Probe.yes(_reason(root, found))


def read(root: Path, images: Path | None = None) -> Records:
    """The images that the tables name, with their boxes; `images` is for likeness with other formats.

    Splits are told by the names of the files, or by a column split. A row with an image and neither class nor
    corners is an image without objects. OpenImages' groups are crowds, and its codes of classes are put into words
    where a table of class descriptions lies beside.

    Raises:
        DataError: there is no such file or folder, or a table is not text.
    """
    found = _find(root)
    if isinstance(found, str):
        raise DataError(f"{root}: {found}; expected {EXPECTED}")
    tables, others = found
    base = root if root.is_dir() else root.parent
    beside = list(dict.fromkeys(path.parent for path in tables))
    folders = [folder / name for folder in [base, *beside, base.parent] for name in ("images", "JPEGImages")]
    records = Records(root, "csv", _reason(root, found), [], [*folders, base])
    records.relative = next(iter(tables.values()))[0].relative
    records.defects += [Defect(path, "left out: its name tells no split, and others' do") for path in others]
    for path, (layout, split) in tables.items():
        _read_table(path, layout, split, records)
    return records


def _reason(root: Path, found: tuple[dict[Path, tuple[_Layout, str | None]], list[Path]]) -> str:
    kind = "OpenImages'" if any(layout.relative for layout, _ in found[0].values()) else "TensorFlow's"
    return f"it holds {kind} tables of boxes: {', '.join(path.name for path in found[0])}"


def _find(root: Path) -> tuple[dict[Path, tuple[_Layout, str | None]], list[Path]] | str:
    """The tables with their splits, and those that are passed over; or why there are none."""
    if root.is_file():
        layout = _layout(root) if root.suffix.lower() in SUFFIXES else None
        return ({root: (layout, split_in(root.stem))}, []) if layout else "it is a file, and no table of boxes"
    if not root.is_dir():
        return "it is neither a file nor a folder"
    layouts: dict[Path, _Layout] = {}
    for folder in (root, *(root / name for name in subfolders(root))):
        if not layouts or (folder.parent == root and split_in(folder.name)):
            layouts |= {path: layout for path in _tables(folder) if (layout := _layout(path)) is not None}
    if not layouts:
        return "no table in it, or in a folder of it, has columns of images, classes and corners"
    splits = {path: split_in(path.stem) or (split_in(path.parent.name) if path.parent != root else None)
              for path in layouts}  # fmt: skip
    chosen, others, wrong = by_split(splits)
    if wrong is None and len({layouts[path].relative for path in chosen}) > 1:
        wrong = "some of its tables have boxes in pixels, others in shares of the image; name one"
    return wrong or ({path: (layouts[path], split) for path, split in chosen.items()}, others)


def _tables(folder: Path) -> list[Path]:
    return [folder / name for name in loose_files(folder) if Path(name).suffix.lower() in SUFFIXES]


def _layout(path: Path) -> _Layout | None:
    """The columns of a table; None where it is none of boxes."""
    try:
        lines = first_lines(path, 1)
    except DataError:
        return None
    delimiter = max(",;\t|", key="".join(lines).count)
    words = [cell.strip().lower() for cell in next(iter(cells_of(lines, delimiter)), [])]
    names_by_column = {"image": _IMAGE, "class": _CLASS, **{names[0]: names for names in _CORNERS}, **_EXTRA}
    columns = {what: place for what, names in names_by_column.items() if (place := _column(words, names)) is not None}
    if not {"image", "class", "xmin", "ymin", "xmax", "ymax"} <= set(columns):
        return None
    return _Layout(delimiter, columns, "imageid" in words or ("height" not in columns and "labelname" in words))


def _column(words: Sequence[str], names: Sequence[str]) -> int | None:
    return next((words.index(name) for name in names if name in words), None)


def _rows(path: Path, layout: _Layout) -> Iterator[tuple[int, dict[str, str]]]:
    """The line and the cells of every row below the header that is not blank."""
    for line, cells in islice(csv_rows(path, layout.delimiter), 1, None):
        width = len(cells)
        yield line, {what: cells[place].strip() if place < width else "" for what, place in layout.columns.items()}


def _read_table(path: Path, layout: _Layout, split: str | None, records: Records) -> None:
    words = _descriptions(path.parent)
    images: dict[str, int] = {}
    for line, row in _rows(path, layout):
        name = row["image"]
        if not name:
            records.defects.append(Defect(path, "the row names no image; it was left out", line))
            continue
        own = split or split_name(row.get("split", ""))
        if name not in images:
            images[name] = len(records.images)
            image = ImageRecord(name, path, line=line)
            if not layout.relative:
                image.height, image.width = whole_number_of(row.get("height")), whole_number_of(row.get("width"))
            records.images.append(image)
            if own is not None:
                records.given.setdefault(own, []).append(images[name])
        image = records.images[images[name]]
        corners = [row[corner] for corner in ("xmin", "ymin", "xmax", "ymax")]
        if not row["class"] and not any(corners):
            continue  # background
        if not row["class"]:
            records.defects.append(Defect(path, "the row has a box and no class; it was left out", line))
            continue
        left, top, right, bottom = (number_of(corner.replace(",", ".")) for corner in corners)
        crowd, difficult = (row.get(what, "").lower() in ("1", "true") for what in ("crowd", "difficult"))
        name = words.get(row["class"], row["class"])
        image.objects.append(ObjectRecord(name, (left, top, right, bottom), crowd, difficult, line))


def _descriptions(folder: Path) -> dict[str, str]:
    """OpenImages' words for its codes ("/m/01g317" is Person), from class-descriptions-boxable.csv and its like."""
    found: dict[str, str] = {}
    for name in loose_files(folder):
        if "class-descriptions" in name.lower() and name.lower().endswith(".csv"):
            rows = csv_rows(folder / name, errors="replace")
            found |= {row[0].strip(): row[1].strip() for _, row in rows if len(row) >= 2}
    return found
