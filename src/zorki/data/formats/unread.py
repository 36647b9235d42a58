"""Formats that are known by their files and not read: named where nothing else is found, with what to do instead."""

from __future__ import annotations

import os
from pathlib import Path

from zorki.data.annotations.listing import loose_files, subfolders
from zorki.input_files.content import open_file
from zorki.input_files.json_files import ends, has_key

_BINARY = {
    ".tfrecord": "TFRecord files",
    ".tfrecords": "TFRecord files",
    ".record": "TFRecord files",
    ".parquet": "Parquet files",
    ".arrow": "Arrow files",
    ".mdb": "an LMDB database",
    ".rec": "MXNet's RecordIO files",
    ".npz": "NumPy archives",
    ".h5": "HDF5 files",
    ".hdf5": "HDF5 files",
}


def unread(root: Path) -> str | None:
    """What lies at `root` that is known and not read, in words for a person; None where there is no such thing."""
    if root.is_file():
        return _named(root)
    if not root.is_dir():
        return None
    for folder in (root, *(root / name for name in subfolders(root))):
        for name in loose_files(folder):
            if (found := _named(folder / name)) is not None:
                return found
    return None


def _named(path: Path) -> str | None:
    suffix = os.path.splitext(path.name)[1].lower()
    if suffix in _BINARY:
        return f"{path.name}: {_BINARY[suffix]} are known and not read; export images with COCO's JSON or class folders"
    if suffix == ".json":
        return _named_json(path)
    return _named_csv(path) if suffix == ".csv" else None


def _named_json(path: Path) -> str | None:
    data = ends(path)
    if has_key(data, ("segments_info",), "["):
        return (
            f"{path.name}: COCO's panoptic JSON holds masks of things and stuff, which are read with its PNGs in a "
            f"folder {path.stem} beside it"
        )
    if has_key(data, ("vid",)) and has_key(data, ("fid",)) and has_key(data, ("xy",), "["):
        return f"{path.name}: VIA 3's projects are known and not read; export as COCO there"
    if (
        has_key(data, ("annotator", "lead_time"))
        and has_key(data, ("original_width",))
        and not has_key(data, ("data",))
    ):
        return f"{path.name}: Label Studio's JSON-MIN is known and not read; export as JSON there"
    return None


def _named_csv(path: Path) -> str | None:
    try:
        with open_file(path, "r", encoding="utf-8-sig", errors="replace") as file:
            first = str(file.readline(4096)).strip().lower()
    except OSError:
        return None
    if "region_shape_attributes" in first:
        return f"{path.name}: VIA's CSV is known and not read; export its annotations as JSON there"
    if path.name == "_classes.csv" and first.startswith("filename,"):
        return (
            f"{path.name}: several labels an image (Roboflow's multi-label classification) are known and not read; "
            "zorki's classification has one"
        )
    return None
