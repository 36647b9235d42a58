"""Whether a file of answers is about boxes or about masks, which decides who judges it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from zorki.data import formats
from zorki.errors import DataError

_WORD = b'"segmentation"'


def holds_masks(predictions: Path, data: Path, format: str | None = None) -> bool:
    """Whether the answers have masks, and the data have masks to judge them by.

    Files of boxes alone are told apart without being parsed; a file that cannot be read holds no masks, and whoever
    judges it says why.
    """
    return _has_masks(predictions) and _knows_masks(data, format)


def _has_masks(path: Path) -> bool:
    return any(_outlines(path))


def _knows_masks(data: Path, format: str | None) -> bool:
    if data.is_file() and data.suffix.lower() == ".json" and format in (None, "coco"):
        return any(_outlines(data))
    try:
        formats.recognise(data, format, allowed=formats.OUTLINED)
    except DataError:
        return str(data).partition(":")[0] == "scenes"
    return True


def _outlines(path: Path) -> list[Any]:
    """What entries of a file of COCO's have as their masks."""
    try:
        text = path.read_bytes()
        if _WORD not in text:
            return []
        content = json.loads(text)
    except (OSError, ValueError):
        return []
    entries = content.get("annotations") if isinstance(content, dict) else content
    return [entry.get("segmentation") for entry in entries or [] if isinstance(entry, dict)]
