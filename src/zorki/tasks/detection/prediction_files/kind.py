"""Whether a file of predictions is about boxes, masks or joints, which decides who evaluates it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zorki.data.formats.detect import detect
from zorki.errors import DataError
from zorki.input_files.json_files import list_in, read_json, read_json_bytes

MASK, JOINTS = "segmentation", "keypoints"


def holds_masks(predictions: Path, data: Path, format: str | None = None) -> bool:
    """Whether all predictions have masks, and all objects of the data have masks to evaluate them by.

    Files of boxes alone are told apart without being parsed; a file that cannot be read holds no masks, and whoever
    evaluates it says why.
    """
    return _all_have(MASK, predictions) and _knows(MASK, "instances", data, format)


def holds_joints(predictions: Path, data: Path, format: str | None = None) -> bool:
    """The same of joints; a file with masks beside them is one of masks."""
    return (
        _all_have(JOINTS, predictions)
        and not holds_masks(predictions, data, format)
        and _knows(JOINTS, "keypoints", data, format)
    )


def _knows(key: str, kind: str, data: Path, format: str | None) -> bool:
    if data.is_file() and data.suffix.lower() == ".json" and format in (None, "coco"):
        return _all_have(key, data)
    try:
        detect(data).match(kind, format=format)
    except DataError:
        return str(data).partition(":")[0] == "scenes"
    return True


def _all_have(key: str, path: Path) -> bool:
    """Whether there is an entry in a file of COCO's, and each has something there."""
    values = _values(key, path)
    return bool(values) and all(values)


def _values(key: str, path: Path) -> list[Any]:
    """What each entry of a file of COCO's has there; nothing where the file has none, or is broken."""
    try:
        text = read_json_bytes(path)
        if f'"{key}"'.encode() not in text:
            return []
        content = read_json(path, text)
    except DataError:
        return []
    entries = content.get("annotations") if isinstance(content, dict) else content
    return [entry.get(key) for entry in list_in(entries) if isinstance(entry, dict)]
