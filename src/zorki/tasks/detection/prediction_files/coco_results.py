"""Files of detections in COCO's results format: a JSON list of {image_id, category_id, bbox [x, y, w, h], score}.

Written with two words more, `category_name` and `file_name`, which COCO's own tools pass over: they say what is meant
where the numbers of two datasets differ.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy import ndarray

from zorki.errors import DataError
from zorki.input_files.content import MAX_BYTES, read_text
from zorki.input_files.json_files import parse_json
from zorki.ops.rle import fault_of
from zorki.tasks.detection.class_names import COCO, coco_names
from zorki.types import Boxes
from zorki.types.arrays import array_of

FORMAT = "a JSON list of detections, {image_id, category_id, bbox: [x, y, width, height], score} each"


def to_results(
    boxes: Boxes,
    file_name: str,
    class_names: Sequence[str],
    category_ids: Sequence[int] | None = None,
    *,
    frame: int | None = None,
) -> list[dict[str, Any]]:
    """The entries of one image, in the order of its boxes; coordinates in hundredths of a pixel.

    `image_id` is the file's stem, as a number where it is one, as in COCO's own images; frames of a video have their
    number behind it. Tracked boxes have a `track_id`. `category_ids` default to `numbers_of`. Raises ValueError for
    boxes without scores.
    """
    if boxes.scores is None:
        raise ValueError("boxes have no scores; a file of results needs one for each")
    stem = PurePosixPath(file_name).stem
    image: dict[str, Any] = {"image_id": int(stem) if stem.isascii() and stem.isdigit() else stem}
    if frame is not None:
        image = {"image_id": f"{stem}-{frame:06d}"}
    tail: dict[str, Any] = {"file_name": file_name} | ({} if frame is None else {"frame": frame})
    ids = numbers_of(class_names) if category_ids is None else category_ids
    whose = [{}] * len(boxes) if boxes.identities is None else [{"track_id": key} for key in boxes.identities.tolist()]
    rows = array_of(boxes.xyxy).astype(np.float64)
    sizes = (rows[:, 2:] - rows[:, :2]).tolist()
    return [
        {
            **image,
            "category_id": ids[label],
            "bbox": [round(value, 2) for value in (*corner, *size)],
            "score": round(score, 6),
            "category_name": class_names[label],
            **track,
            **tail,
        }
        for corner, size, label, score, track in zip(
            rows[:, :2].tolist(), sizes, boxes.labels.tolist(), boxes.scores.tolist(), whose, strict=True
        )
    ]


def numbers_of(class_names: Sequence[str]) -> list[int]:
    """The numbers of classes in results: COCO's own for its 80 classes, which leave out ten of 90; else label + 1."""
    if len(class_names) == COCO:
        numbered = coco_names(90) or []
        if list(class_names) == coco_names(COCO):
            return [numbered.index(name) + 1 for name in class_names]
    return list(range(1, len(class_names) + 1))


@dataclass(frozen=True)
class ResultEntries:
    """What a file of results says: entries as they stand, their boxes (xywh) and scores.

    `masks` are COCO's outlines, where the file gives these instead of boxes, or where they were asked for; boxes are
    then empty. `images` and `categories` are names by
    the file's own numbers, where it brings such tables along.
    """

    path: Path
    entries: list[dict[str, Any]]
    xywh: ndarray
    score: ndarray
    masks: list[Any] | None
    images: Mapping[Any, str]
    categories: Mapping[Any, str]

    def image_words(self, entry: Mapping[str, Any]) -> tuple[str | None, Any]:
        """The file name, where there is one, and the number by which an entry names its image."""
        name, number = entry.get("file_name"), entry["image_id"]
        return self.images.get(number) if name is None else name, number


def read_results(path: Path, *, need_masks: bool = False, need_joints: bool = False) -> ResultEntries:
    """Reads a list of detections, or a COCO file whose annotations have scores.

    Args:
        need_masks: every entry must have a mask, beside a box or without one.
        need_joints: every entry must have `keypoints`; the box of one without `bbox` is that around them.

    Raises:
        DataError: no such file, not that format, or an entry that lacks something or has a value that makes no sense;
            with its number and its line.
    """
    try:
        text = read_text(path, max_bytes=MAX_BYTES)
        content = parse_json(text, str(path))
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file; expected {FORMAT}") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}; expected {FORMAT}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is no text; expected {FORMAT}") from error
    except DataError as error:
        raise DataError(f"{error}; expected {FORMAT}") from error
    entries = content.get("annotations") if isinstance(content, dict) else content
    if not isinstance(entries, list):
        what = f"an object with {_some(content)}" if isinstance(content, dict) else f"{content!r:.40}"
        raise DataError(f"{path}: holds {what}; expected {FORMAT}")
    table = content if isinstance(content, dict) else {}
    if table and entries and not any(isinstance(entry, dict) and "score" in entry for entry in entries):
        raise DataError(
            f"{path}: none of its {len(entries)} annotations has a score: this is ground truth, to be named as DATA; "
            f"expected {FORMAT}"
        )
    masks = bool(entries) and all(isinstance(e, dict) and "bbox" not in e and "segmentation" in e for e in entries)
    masks |= need_masks
    if need_joints:
        entries = [_with_box(path, text, entries, number) for number in range(len(entries))]
    xywh, score = _numbers(path, text, entries, masks)
    outlines = [entry["segmentation"] for entry in entries] if masks else None
    images, categories = _names(table.get("images"), "file_name"), _names(table.get("categories"), "name")
    return ResultEntries(path, entries, xywh, score, outlines, images, categories)


def _with_box(path: Path, text: str, entries: list[Any], number: int) -> Any:
    """An entry of joints with a box. Raises DataError where it has no joints."""
    entry = entries[number]
    if not isinstance(entry, dict):
        return entry  # which is told with all that is wrong with boxes
    joints: Any = entry.get("keypoints")
    if not _are(joints, _is_number) or len(joints) % 3:
        raise DataError(
            f"{path}:{_line(text, entries, number)}: entry {number + 1} has the keypoints {joints!r:.60}; expected a "
            "list of x, y and a score for each joint"
        )
    if "bbox" in entry:
        return entry
    x, y = joints[0::3], joints[1::3]
    return entry | {"bbox": [min(x), min(y), max(x) - min(x), max(y) - min(y)]}


def _names(rows: Any, key: str) -> dict[Any, str]:
    rows = rows if isinstance(rows, list) else []
    named = [row for row in rows if isinstance(row, dict) and isinstance(row.get("id"), int | str) and key in row]
    return {row["id"]: str(row[key]) for row in named}


def _numbers(path: Path, text: str, entries: list[Any], masks: bool) -> tuple[ndarray, ndarray]:
    """Boxes and scores in columns. All at once; entry by entry only to say which is wrong."""
    try:
        score = np.array([entry["score"] for entry in entries], np.float64)
        boxes = [] if masks else [entry["bbox"] for entry in entries]
        xywh = np.zeros((len(entries), 4)) if masks else np.array(boxes, np.float64).reshape(len(entries), 4)
        sound = bool(np.isfinite(score).all() and np.isfinite(xywh).all() and (xywh[:, 2:] >= 0).all())
        sound &= not any(_word_fault(entry) or (masks and _outline_fault(entry["segmentation"])) for entry in entries)
    except (KeyError, TypeError, ValueError, OverflowError):
        sound = False
    if sound:
        return xywh, score
    for number, entry in enumerate(entries):
        fault = _fault(entry, masks)
        if fault is not None:
            raise DataError(f"{path}:{_line(text, entries, number)}: entry {number + 1} {fault}; expected {FORMAT}")
    raise DataError(f"{path}: has numbers that cannot be read; expected {FORMAT}")


def _fault(entry: Any, masks: bool) -> str | None:
    """What is wrong with an entry."""
    if not isinstance(entry, dict):
        return f"is {entry!r:.60}"
    place = "segmentation" if masks else "bbox"
    lacking = [key for key in ("image_id", place, "score") if key not in entry]
    if "category_id" not in entry and "category_name" not in entry:
        lacking.append("category_id")
    if lacking:
        return f"has no {' and no '.join(lacking)}"
    if (fault := _word_fault(entry)) is not None:
        return fault
    if not _is_number(entry["score"]):
        return f"has the score {entry['score']!r:.40}, which is no finite number"
    box = entry.get("bbox")
    if masks:
        return _outline_fault(entry["segmentation"])
    if not isinstance(box, list) or len(box) != 4 or not all(_is_number(value) for value in box):
        return f"has the bbox {box!r:.80}, which is not four finite numbers"
    return f"has the bbox {box}, whose width or height is below 0" if min(box[2:]) < 0 else None


def _word_fault(entry: dict[str, Any]) -> str | None:
    """What is wrong with the words for image and class."""
    if "image_id" not in entry or not ("category_id" in entry or "category_name" in entry):
        return "has no image_id, or neither category_id nor category_name"
    for key in ("image_id", "category_id"):
        value = entry.get(key, 0)
        if value is None and key == "category_id" and entry.get("category_name") is not None:
            continue
        if type(value) not in (int, str) and not (_is_number(value) and value == int(value)):
            return f"has the {key} {value!r:.40}, which is neither a whole number nor text"
    for key in ("category_name", "file_name"):
        if not isinstance(entry.get(key), str | None):
            return f"has the {key} {entry[key]!r:.40}, which is no text"
    return None


def _outline_fault(outline: Any) -> str | None:
    """What is wrong with COCO's outline: run lengths {size, counts} of all pixels, or polygons of three points."""
    if isinstance(outline, dict):
        size, counts = outline.get("size"), outline.get("counts")
        whole = isinstance(size, list) and len(size) == 2 and all(type(v) is int and v > 0 for v in size)
        whole = whole and (isinstance(counts, str) or _are(counts, lambda v: type(v) is int and v >= 0))
        if whole and (fault := fault_of(outline)) is not None:
            return f"has a segmentation that is none: {fault}"
    else:
        whole = _are(outline, lambda ring: _are(ring, _is_number) and len(ring) >= 6 and len(ring) % 2 == 0)
    if whole:
        return None
    return f"has the segmentation {outline!r:.60}, which is neither run lengths (size, counts) nor a list of polygons"


def _are(values: Any, right: Callable[[Any], bool]) -> bool:
    return isinstance(values, list) and bool(values) and all(right(value) for value in values)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _line(text: str, entries: Sequence[Any], number: int) -> int:
    """The line on which an entry starts: everything before it is read once more, piece by piece."""
    decoder = json.JSONDecoder()
    at = text.index("[", text.index('"annotations"') if text.lstrip("\ufeff \n\r\t").startswith("{") else 0) + 1
    for _ in range(number + 1):
        while text[at] in ", \n\r\t":
            at += 1
        start, (_, at) = at, decoder.raw_decode(text, at)
    return text.count("\n", 0, start) + 1


def _some(names: Mapping[str, Any]) -> str:
    words = [repr(name) for name in list(names)[:4]]
    return ", ".join(words) + (", ..." if len(names) > 4 else "") if words else "nothing in it"
