"""Whether a file of predictions is about boxes or about masks, which decides who evaluates it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zorki.data.formats.detect import detect
from zorki.errors import DataError
from zorki.input_files.json_files import list_in, read_json, read_json_bytes

_WORD = b'"segmentation"'


def holds_masks(predictions: Path, data: Path, format: str | None = None) -> bool:
    """Whether all predictions have masks, and all objects of the data have masks to evaluate them by.

    Files of boxes alone are told apart without being parsed; a file that cannot be read holds no masks, and whoever
    evaluates it says why.
    """
    return _all_have_masks(predictions) and _knows_masks(data, format)


def _knows_masks(data: Path, format: str | None) -> bool:
    if data.is_file() and data.suffix.lower() == ".json" and format in (None, "coco"):
        return _all_have_masks(data)
    try:
        detect(data).match("instances", format=format)
    except DataError:
        return str(data).partition(":")[0] == "scenes"
    return True


def _all_have_masks(path: Path) -> bool:
    """Whether there is an entry in a file of COCO's, and each has a mask."""
    outlines = _outlines(path)
    return bool(outlines) and all(outlines)


def _outlines(path: Path) -> list[Any]:
    """What each entry of a file of COCO's has as its mask; nothing where the file has none, or is broken."""
    try:
        text = read_json_bytes(path)
        if _WORD not in text:
            return []
        content = read_json(path, text)
    except DataError:
        return []
    entries = content.get("annotations") if isinstance(content, dict) else content
    return [entry.get("segmentation") for entry in list_in(entries) if isinstance(entry, dict)]
