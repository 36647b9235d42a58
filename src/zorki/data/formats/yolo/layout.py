"""Where things lie in YOLO's data: names of classes, splits, and for each image its file of labels."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from zorki.data.annotations.image_lists import DEEPEST
from zorki.data.annotations.listing import is_image, loose_files, subfolders, walk_files
from zorki.data.annotations.outside import leads_out
from zorki.data.annotations.splits import split_name
from zorki.errors import DataError
from zorki.input_files.content import LONGEST_PATH_LINE, is_file, read_text, text_lines
from zorki.input_files.numbers import MAX_SIDE, number_of
from zorki.input_files.yaml_files import MAX_YAML_BYTES, read_yaml
from zorki.types import Defect

NAME_FILES = (
    "classes.txt", "obj.names", "names.txt", "labels.names", "classes.names", "class_names.txt", "labels.txt",
    "predefined_classes.txt", "_darknet.labels",
)  # fmt: skip
"""Files of names, in any case; the last two are labelImg's and Roboflow's."""
MAX_CLASSES = 100_000
_SPLIT_KEYS = ("train", "val", "valid", "validation", "test")
_PROBE_FILES = 20  # text files that are looked at to recognize labels


@dataclass(frozen=True)
class YoloImage:
    """One image: its name, where it lies and where its labels lie, as far as either is there."""

    name: str
    image: Path | None
    labels: Path | None


@dataclass
class YoloLayout:
    """What the folder's own words say; `names` by the number of the class, empty where nothing names them."""

    base: Path
    reason: str
    names: dict[int, str] = field(default_factory=dict)
    sources: dict[str, list[Path]] = field(default_factory=dict)  # folders and lists of images, by split
    defects: list[Defect] = field(default_factory=list)
    keypoint_numbers: int = 0  # numbers of a line that stand for key points, behind the box
    keypoint_values: int = 3  # of each: x and y, and perhaps a flag
    keypoint_names: list[str] = field(default_factory=list)  # empty where nothing names them
    flip_pairs: list[tuple[int, int]] | None = None  # of key points


SUFFIXES = (".yaml", ".yml", ".data")  # of files of settings


def find_layout(root: Path) -> YoloLayout | str:
    """The layout of the data at `root`, or why they are not YOLO's.

    Raises:
        DataError: a file of settings is broken.
    """
    if root.is_file():
        other = "it is a file, and no YAML or .data file with names"
        try:
            return _from_settings(root) or other
        except DataError:
            if root.suffix.lower() in SUFFIXES or is_meant(root):
                raise
            return other
    if not root.is_dir():
        return "it is neither a file nor a folder"
    settings = [root / name for name in loose_files(root) if name.lower().endswith(SUFFIXES)]
    for path in settings:
        try:
            layout = _from_settings(path)
        except DataError:
            if is_meant(path):
                raise
            continue  # settings of something else
        if layout is not None:
            return layout
    return _from_folders(root)


def is_meant(path: Path) -> bool:
    """Whether a file that may be broken has the keys of YOLO's settings."""
    try:
        text = read_text(path, max_bytes=MAX_YAML_BYTES, errors="replace")
    except OSError:
        return False
    patterns = ("names", "|".join((*_SPLIT_KEYS, "path")))
    return all(re.search(rf"^\s*(?:{keys})\s*[:=]", text, re.MULTILINE) for keys in patterns)


def entries(layout: YoloLayout, source: Path) -> Iterator[YoloImage]:
    """The images of a folder or of a list, and files of labels that have none."""
    if source.is_file():
        for _, line in text_lines(source, longest=LONGEST_PATH_LINE, errors="replace"):
            if name := line.strip():
                image = _resolve(layout.base, name, source.parent)
                yield YoloImage(name, image, labels_of(image) if image else _listed_labels(layout.base, name, source))
        return
    seen: set[Path] = set()
    for name in walk_files(source):
        if is_image(name):
            labels = labels_of(source / name)
            seen |= {labels} if labels else set()
            yield YoloImage(name, source / name, labels)
    folder = Path(_swap(source.as_posix()) or source)
    if folder.is_dir():
        for name in walk_files(folder):
            path = folder / name
            if _may_be_labels(path.name) and path not in seen and looks_like_labels(path):
                yield YoloImage(path.stem, None, path)


def labels_of(image: Path) -> Path | None:
    """The file of labels of an image: in the folder `labels` for `images`, else beside it; None where none is."""
    swapped = _swap(image.as_posix())
    for suffix in (".txt", ".TXT"):
        for path in ([Path(swapped)] if swapped else []) + [image]:
            # Label Studio writes blanks of an image's name as %20 in that of its labels.
            for labels in (path.with_suffix(suffix), path.with_name(f"{quote(path.stem)}{suffix}")):
                if is_file(labels):
                    return labels
    return None


def _may_be_labels(name: str) -> bool:
    return name.lower().endswith(".txt") and name.lower() not in NAME_FILES


def looks_like_labels(path: Path) -> bool:
    """Whether the first line is a class and at least four numbers, or there is none."""
    try:
        cells = next((line for _, line in text_lines(path) if line.strip()), "").split()
    except DataError:
        return False
    try:
        return not cells or (
            len(cells) >= 5 and is_class(cells[0]) and all(abs(float(cell)) <= 2 for cell in cells[1:])
        )
    except ValueError:
        return False


def is_class(cell: str) -> bool:
    """Whether a word is the number of a class, which some tools write as 3.0."""
    number = number_of(cell)
    return number.is_integer() and 0 <= number < MAX_SIDE


def _from_settings(path: Path) -> YoloLayout | None:
    """The layout that a YAML or .data file states; None where it states none."""
    values = _read_data(path) if path.suffix == ".data" else _read_yaml(path)
    if values is None or not any(key in values for key in (*_SPLIT_KEYS, "path")):
        return None
    count = values.get("nc")
    if not values.get("names") and not isinstance(count, int):
        return None
    if isinstance(count, int) and not 0 <= count <= MAX_CLASSES:
        raise DataError(f"{path}: nc is {count}; expected a number of classes up to {MAX_CLASSES:,}")
    layout = YoloLayout(path.parent, f"{path.name} tells names and splits")
    layout.names = _names(values["names"], path) if values.get("names") else {n: str(n) for n in range(values["nc"])}
    layout.keypoint_numbers = _keypoint_numbers(values.get("kpt_shape"), path)
    if layout.keypoint_numbers:
        count, layout.keypoint_values = values["kpt_shape"]
        layout.keypoint_names = _keypoint_names(values.get("kpt_names"), count)
        layout.flip_pairs = _flip_pairs(values.get("flip_idx"), count, path)
    if (merged := _merged(layout.names)) is not None:
        layout.defects.append(Defect(path, merged, note=True))
    if isinstance(values.get("nc"), int) and values["nc"] != len(layout.names):
        reason = f"nc is {values['nc']}, and there are {len(layout.names)} names; the names were taken"
        layout.defects.append(Defect(path, reason, note=True))
    for key in _SPLIT_KEYS:
        value = values.get(key)
        for part in value if isinstance(value, list) else [value] if value else []:
            source = _find_source(path.parent, str(part), str(values.get("path") or ""))
            if source is None:
                layout.defects.append(Defect(path, f"{key}: there is no {str(part)!r}; left out"))
            elif source.is_dir() and _is_above(source, path.parent):
                reason = f"{key}: {str(part)!r} is {source.resolve()}, above the folder of this file; left out"
                layout.defects.append(Defect(path, f"{reason}: name the folder of the images"))
            else:
                layout.sources.setdefault(split_name(key) or key, []).append(source)
    if not layout.sources:
        # Made to be trained elsewhere: the folders may still say where things are.
        found = _from_folders(path.parent)
        layout.sources = found.sources if isinstance(found, YoloLayout) else {"": [path.parent]}
    return layout


def _find_source(folder: Path, part: str, path: str) -> Path | None:
    """A source of the settings: below `path`, which is relative to their folder or to the one above, or without it.

    Settings are often made for another computer, or for another place than they lie in: what leads nowhere is dropped.
    """
    for above in (folder, folder.parent):
        name = f"{path}/{part}"
        if path and not leads_out(above, name) and os.path.exists(above / name):
            return above / name
    found = _resolve(folder, part, folder) or (_resolve(folder, f"{path}/{part}", folder) if path else None)
    return found or _in_any_case(folder, part)


def _in_any_case(folder: Path, name: str) -> Path | None:
    """The path below a folder whose parts are spelled alike but for their case."""
    for part in PurePosixPath(name.replace("\\", "/")).parts:
        if part in (".", "..", "/") or not folder.is_dir():
            return None
        there = {one.lower(): one for one in (*subfolders(folder), *loose_files(folder))}
        if part.lower() not in there:
            return None
        folder = folder / there[part.lower()]
    return folder


def _keypoint_numbers(shape: Any, path: Path) -> int:
    """How many numbers of a line are key points, by Ultralytics' kpt_shape: (points, 2 or 3 values each)."""
    if shape is None:
        return 0
    if isinstance(shape, list) and len(shape) == 2 and all(isinstance(one, int) and one > 0 for one in shape):
        return int(shape[0] * shape[1])
    raise DataError(f"{path}: kpt_shape is {shape!r}; expected [points, 2] or [points, 3]")


def _keypoint_names(value: Any, count: int) -> list[str]:
    """The names of key points, a list, or a list for each class, of which the first is taken; none where it is none."""
    names = next(iter(value.values()), None) if isinstance(value, dict) else value
    return [str(name) for name in names] if isinstance(names, list) and len(set(names)) == len(names) == count else []


def _flip_pairs(value: Any, count: int, path: Path) -> list[tuple[int, int]] | None:
    """The pairs of Ultralytics' flip_idx, which says of each key point which one it becomes in a mirrored image."""
    if not value:
        return None
    if not isinstance(value, list) or sorted(map(str, value)) != sorted(map(str, range(count))):
        raise DataError(f"{path}: flip_idx is {value!r:.60}; expected each of 0..{count - 1} once")
    if any(value[value[place]] != place for place in range(count)):
        raise DataError(f"{path}: flip_idx is {value!r:.60}; mirrored twice, every key point must be itself again")
    return [(place, other) for place, other in enumerate(value) if place < other]


def _read_yaml(path: Path) -> dict[str, Any] | None:
    values = read_yaml(path)
    if not isinstance(values, dict):
        return None
    if isinstance(values.get("names"), list | dict):
        if _holds_none(values["names"]):
            raise DataError(f"{path}: names: expected a name for each class, and one is null")
        # As text: unquoted, `no` and `on` would be truth values, and 1.10 would be 1.1.
        values["names"] = read_yaml(path, as_text=True).get("names", values["names"])
    return values


def _holds_none(names: list[Any] | dict[Any, Any]) -> bool:
    return None in (names.values() if isinstance(names, dict) else names)


def _merged(names: dict[int, str]) -> str | None:
    """What to say of classes that share a name."""
    twice = {name: count for name, count in Counter(names.values()).items() if count > 1}
    if not twice:
        return None
    first = next(iter(twice))
    numbers = ", ".join(str(number) for number, name in names.items() if name == first)
    more = f", and so do {len(twice) - 1} other names" if len(twice) > 1 else ""
    return f"classes {numbers} are all named {first!r}{more}; they were made one class"


def _is_above(source: Path, folder: Path) -> bool:
    """Whether a source is the root of the file system, or holds the folder of the settings."""
    whole, own = source.resolve(), folder.resolve()
    return whole == Path(whole.anchor) or whole in own.parents


def _read_data(path: Path) -> dict[str, Any]:
    """Darknet's settings: lines of `key = value`."""
    lines = text_lines(path, longest=LONGEST_PATH_LINE, max_bytes=MAX_YAML_BYTES, errors="replace")
    pairs = [line.split("=", 1) for _, line in lines if "=" in line and not line.lstrip().startswith("#")]
    return {key.strip(): value.strip() for key, value in pairs}


def _names(value: Any, path: Path) -> dict[int, str]:
    """Names by number, from a list, a mapping, or a file of names."""
    if isinstance(value, list):
        return {number: str(name) for number, name in enumerate(value)}
    if isinstance(value, dict):
        try:
            return {int(number): str(name) for number, name in sorted(value.items(), key=lambda item: int(item[0]))}
        except (ValueError, TypeError) as error:
            raise DataError(f"{path}: names: expected numbers of classes before their names: {error}") from error
    file = _resolve(path.parent, str(value), path.parent)
    if file is None or not is_file(file):
        raise DataError(f"{path}: names: expected a list, a mapping, or a file that is there, and got {value!r}")
    return _read_names(file)


def _read_names(path: Path) -> dict[int, str]:
    lines = text_lines(path, longest=LONGEST_PATH_LINE, max_bytes=MAX_YAML_BYTES, errors="replace")
    return {number - 1: line.strip() for number, line in lines if line.strip()}


def _from_folders(root: Path) -> YoloLayout | str:
    """The layout without settings: `labels` beside `images`, or text files of labels beside images."""
    labels = [folder for folder in _below(root) if _holds_labels(folder)]
    if not labels:
        return "no text file in it begins with a class and four numbers between 0 and 1"
    names = next((path for folder in (root, *labels) if (path := _name_file(folder)) is not None), None)
    what = ", ".join("the folder itself" if folder == root else str(folder.relative_to(root)) for folder in labels)
    layout = YoloLayout(root, f"it holds YOLO's text files: {what}", _read_names(names) if names else {})
    for folder in labels:
        split = next((word for part in folder.relative_to(root).parts if (word := split_name(part))), "")
        images = Path(_swap(folder.as_posix(), "labels", "images") or folder)
        layout.sources.setdefault(split, []).append(images if images.is_dir() else folder)
    if "" in layout.sources and len(layout.sources) > 1:
        layout.defects += [Defect(folder, "left out: it is in no split") for folder in layout.sources.pop("")]
    return layout


def _name_file(folder: Path) -> Path | None:
    """The file of names in a folder, called as any tool calls it, in any case."""
    there = {name.lower(): name for name in reversed(loose_files(folder))}
    return next((folder / there[name] for name in NAME_FILES if name in there), None)


def _below(root: Path) -> list[Path]:
    """Folders that may hold labels: the root, and two levels down."""
    first = [root / name for name in subfolders(root)]
    return [root, *first, *(folder / name for folder in first for name in subfolders(folder))]


def _holds_labels(folder: Path) -> bool:
    names = [name for name in loose_files(folder) if _may_be_labels(name)]
    if "labels" not in map(str.lower, folder.parts):
        images = {PurePosixPath(name).stem for name in loose_files(folder) if is_image(name)}
        names = [name for name in names if PurePosixPath(name).stem in images]
    probes = [looks_like_labels(folder / name) for name in names[:_PROBE_FILES]]
    return any(probes) and all(probes)


def _swap(path: str, old: str = "images", new: str = "labels") -> str | None:
    """The path with its last part `old`, in any case, replaced by the folder `new`; None where it has none."""
    parts = path.split("/")
    for place in range(len(parts) - 1, -1, -1):
        if parts[place].lower() == old:
            own = new.upper() if parts[place].isupper() else new.title() if parts[place].istitle() else new
            before, after = parts[:place], parts[place + 1 :]
            cases = dict.fromkeys((own, new, new.title(), new.upper()))
            there = (case for case in cases if os.path.isdir("/".join([*before, case])))
            return "/".join([*before, next(there, own), *after])
    return None


def _resolve(base: Path, name: str, first: Path) -> Path | None:
    """A path of the settings: below `first` or `base`, or without parts of it that lead nowhere here."""
    for folder in (first, base):
        if not leads_out(folder, name) and os.path.exists(
            folder / name
        ):  # which takes a name that is too long for none
            return folder / name
    parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("..", "/", ".")][-DEEPEST:]
    for start in range(len(parts)):
        if os.path.exists(path := base.joinpath(*parts[start:])):
            return path
    return None


def _listed_labels(base: Path, name: str, source: Path) -> Path | None:
    """The labels of a listed image that is not there itself."""
    plain = PurePosixPath(name.replace("\\", "/")).with_suffix(".txt").as_posix()
    for candidate in (_swap(plain), plain):
        if candidate and (path := _resolve(base, candidate, source.parent)) is not None:
            return path
    return None


def sources_of(layout: YoloLayout) -> Sequence[tuple[str, Path]]:
    """Every folder and list with its split."""
    return [(split, source) for split, sources in layout.sources.items() for source in sources]
