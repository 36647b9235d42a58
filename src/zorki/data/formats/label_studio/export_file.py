"""Label Studio's export: the tasks of a JSON file with their regions, as they stand there.

    [{"id": 1, "data": {"image": "/data/upload/1/ab12cd34-1.jpg"}, "annotations": [{"result": [
        {"type": "rectanglelabels", "original_width": 640, "original_height": 480,
         "value": {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0, "rectanglelabels": ["cat"]}}]}]}]

Positions and sizes are percents of the image's width and height, and angles degrees clockwise about the region's first
corner (rectangles) or its center (ellipses); https://labelstud.io/guide/export. Each region bears the size of the
image. JSON-MIN, where regions stand beside the image, is told and not read: it drops ids by which regions and their
classes belong together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from zorki.data.annotations.listing import is_image
from zorki.data.annotations.records import ImageRecord
from zorki.data.formats.split_files import SplitFiles, find_split_files
from zorki.errors import DataError
from zorki.input_files.json_files import ends, has_key, list_in, read_json
from zorki.input_files.numbers import number_in, whole_number_in
from zorki.types import Defect

EXPECTED = "Label Studio's export named JSON (not JSON-MIN), or a folder with such files, one a split"

REGION, CHOICE = "original_width", "choices"
"""Keys that tell regions and classes of whole images."""

_UPLOAD = re.compile(r"^[0-9a-f]{8}-(?=.)")  # what Label Studio puts before the name of an uploaded file


@dataclass
class Region:
    """One region of an image: its kind without "labels" (rectangle, polygon, brush, ...), class and values.

    `size` is (height, width) of the image that it was drawn on, None where the file does not tell.
    """

    kind: str
    class_names: list[str]
    value: dict[str, Any]
    size: tuple[int, int] | None
    image_rotation: float = 0.0
    control: str = ""
    key: str | int | None = None
    parent: str | int | None = None  # the key of the region that it belongs to


@dataclass
class LabelStudioTask:
    """One image with its regions, and the classes chosen for all of it by the name of the control."""

    image: ImageRecord
    regions: list[Region] = field(default_factory=list)
    choices: dict[str, list[str]] = field(default_factory=dict)


def find_files(root: Path, key: str) -> SplitFiles | str:
    """The files in which a key stands, with their splits, and those that are passed over; or why there are none."""
    return find_split_files(
        root,
        lambda path: is_export(path, key),
        other=f"it is a file, and not Label Studio's JSON with {key}",
        nothing=f"no JSON file in it, or in a folder of it, has tasks with data, annotations and {key}",
    )


def is_export(path: Path, key: str) -> bool:
    """Whether a file is Label Studio's JSON, and a key stands in it, by its beginning and its end."""
    if path.suffix.lower() != ".json":
        return False
    data = ends(path)
    return (
        data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")
        and has_key(data, ("annotations", "completions"), "[")
        and has_key(data, ("result",), "[")
        and has_key(data, ("data",), "{")
        and has_key(data, (key,))
    )


def reason_for(root: Path, found: SplitFiles) -> str:
    """Why `root` is of this format."""
    return f"it holds Label Studio's JSON: {', '.join(path.name for path in found[0])}"


def read_tasks(path: Path, defects: list[Defect]) -> Iterator[LabelStudioTask]:
    """The tasks of a file; what was skipped, or annotated by several people, is told in `defects`.

    Raises:
        DataError: the file is no JSON, or no list of tasks.
    """
    tasks = read_json(path)
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise DataError(f"{path}: expected Label Studio's JSON, a list of tasks; export it as JSON")
    bare: list[str] = []
    several: list[str] = []
    for place, task in enumerate(tasks):
        name, reason = _image_name(task)
        if name is None:
            defects.append(Defect(path, f"task {task.get('id', place + 1)} {reason}; left out"))
            continue
        given = task.get("annotations", task.get("completions"))
        made = [one for one in list_in(given) if isinstance(one, dict) and not one.get("was_cancelled")]
        if not made:
            bare.append(name)
            continue
        if len(made) > 1:
            several.append(name)
        best = next((one for one in made if one.get("ground_truth")), made[0])
        results = [one for one in list_in(best.get("result")) if isinstance(one, dict)]
        yield _task(path, name, task, results)
    if bare:
        defects.append(Defect(path, f"{_images(bare)} no annotation, or only skipped ones; left out"))
    if several:
        reason = f"{_images(several)} several annotations; the ground truth among them was taken, else the first"
        defects.append(Defect(path, reason, note=True))


def _task(path: Path, name: str, task: dict[str, Any], results: Sequence[dict[str, Any]]) -> LabelStudioTask:
    upload = str(task.get("file_upload") or "")
    image = ImageRecord(name, path, other_name=_plain(upload) or _plain(name))
    found = LabelStudioTask(image)
    shapes: dict[object, Region] = {}
    for result in results:
        region = _region(result)
        if region is None:
            continue
        if region.kind == "choices":
            found.choices.setdefault(region.control, []).extend(region.class_names)
            continue
        image.height, image.width = region.size or (image.height, image.width)
        # A plain shape and its class are two results with one id: <Rectangle> beside <Labels>.
        key = result.get("id")
        key = key if isinstance(key, str | int) else None
        before = shapes.get(key) if key is not None else None
        if before is None:
            shapes[key or len(shapes)] = region
            found.regions.append(region)
        else:
            before.class_names = before.class_names or region.class_names
            before.kind = region.kind if before.kind == "labels" else before.kind
    return found


def _region(result: dict[str, Any]) -> Region | None:
    value = result.get("value")
    if not isinstance(value, dict):
        return None
    kind = str(result.get("type", ""))
    lists = [value[key] for key in (kind, "labels", "choices") if isinstance(value.get(key), list)]
    names: list[Any] = lists[0] if lists else []
    height, width = (whole_number_in(result.get(side)) for side in ("original_height", "original_width"))
    return Region(
        kind.removesuffix("labels") or "labels",
        [str(name) for name in names],
        value,
        None if height is None or width is None else (height, width),
        number_in(result.get("image_rotation") or 0),
        str(result.get("from_name", "")),
        _key(result.get("id")),
        _key(result.get("parentID")),
    )


def _key(value: Any) -> str | int | None:
    return value if isinstance(value, str | int) else None


def _image_name(task: dict[str, Any]) -> tuple[str | None, str]:
    """The path of a task's image, or why it has none. Addresses lose what is no path, and uploads stay as they are."""
    data = task.get("data")
    if not isinstance(data, dict):
        return None, "has no data"
    texts = {str(key): path_of(value) for key, value in data.items() if isinstance(value, str)}
    images = [text for text in texts.values() if is_image(text)]
    if not images:
        return None, "names no image"
    preferred = [texts[key] for key in ("image", "img", "picture", "photo", "url") if texts.get(key) in images]
    return (preferred or images)[0], ""


def path_of(address: str) -> str:
    """The path that an address means: of a local file what stands behind `?d=`; of others that of the URL.

    >>> path_of("/data/local-files/?d=photos/a%20b.jpg"), path_of("s3://bucket/photos/1.jpg?versionId=2")
    ('photos/a b.jpg', 'photos/1.jpg')
    """
    parts = urlsplit(address)
    if local := parse_qs(parts.query).get("d"):
        return local[0]
    if not parts.scheme or len(parts.scheme) == 1:  # a letter: a drive
        return unquote(address.partition("?")[0])
    return unquote(parts.path).lstrip("/")


def _plain(name: str) -> str | None:
    """A file's name without what Label Studio puts before it; None where there is no such thing."""
    last = PurePosixPath(name.replace("\\", "/")).name
    return _UPLOAD.sub("", last) if _UPLOAD.match(last) else None


def _images(names: Sequence[str]) -> str:
    return f"1 image ({names[0]}) has" if len(names) == 1 else f"{len(names)} images ({names[0]}, ...) have"
