"""Files beside masks that say what their values or colors mean.

classes.txt        one name a line, line 0 is value 0; or "value name", "value, name" in every line
colors.txt         "name r g b" or "r g b name" in every line, with any of , ; : between; also class_dict.csv,
                   label_colors.txt and CVAT's labelmap.txt
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zorki.data.annotations.listing import loose_files
from zorki.data.annotations.masks.stored import code_of
from zorki.errors import DataError
from zorki.input_files.content import text_lines

NAME_FILES = ("classes.txt", "class_names.txt", "labels.txt", "codes.txt", "names.txt", "_classes.csv", "classes.csv")
COLOR_FILES = (
    "colors.txt", "colours.txt", "class_dict.csv", "class_dict_seg.csv", "label_colors.txt", "label_colours.txt",
    "labelmap.txt", "label_map.txt", "colormap.txt", "color_map.txt", "colors.csv",
)  # fmt: skip

CAMVID = (
    "Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car", "Pedestrian", "Bicyclist",
)  # fmt: skip
"""CamVid's classes as SegNet numbers them (Badrinarayanan et al., 2017); value 11 is unlabeled."""

VOC = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
"""Pascal VOC's classes in the order of its masks' indices (Everingham et al., 2010)."""

_LONGEST_NAME = 1000  # characters of a line
_MAX_BYTES = 16 << 20
MAX_VALUE = (1 << 31) - 1
"""The largest value of a pixel: masks have 32 bits at most."""

_DIGITS = 20  # of a value, zeros before it among them
_VOID = frozenset({"void", "ignore", "ignored", "unlabeled", "255"})
_NUMBERED = re.compile(r"(\d+)\s*[\s,:;=]\s*(\S.*)")
_HEADER = re.compile(r"[\s\"']*(pixel[\s_]*value|value|id|index|label[\s_]*id)[\s\"']*[,;\t].*", re.IGNORECASE)
_BETWEEN = r"\s*[\s,;:]\s*"
_RGB = rf"(\d{{1,3}}){_BETWEEN}(\d{{1,3}}){_BETWEEN}(\d{{1,3}})"
_COLOR_FIRST = re.compile(rf"{_RGB}{_BETWEEN}(\S.*)")
_NAME_FIRST = re.compile(rf"(\S.*?){_BETWEEN}{_RGB}(?:{_BETWEEN}.*)?")


@dataclass(frozen=True)
class ValueNames:
    """Names of values; None for those that are ignored."""

    path: Path
    names: dict[int, str | None]


@dataclass(frozen=True)
class ColorNames:
    """Names of colors 0xRRGGBB, in the file's order; None for those that are ignored."""

    path: Path
    names: dict[int, str | None]


def is_void(name: str) -> bool:
    """Whether a class is called as what is ignored: void, ignore, unlabeled, 255.

    >>> is_void("__ignore__")
    True
    """
    return name.strip().strip("_").lower() in _VOID


def find_names(folders: Sequence[Path]) -> tuple[ValueNames | None, ColorNames | None]:
    """What the first file of each kind in the folders says; a file of names whose lines have colors is a color map.

    Raises:
        DataError: such a file cannot be read, is empty, or a line of it says nothing or contradicts another.
    """
    values: ValueNames | None = None
    colors: ColorNames | None = None
    for folder in dict.fromkeys(folders):
        files = {name.lower(): folder / name for name in loose_files(folder)}
        for name in (name for name in COLOR_FILES if name in files):
            colors = colors or _read_colors(files[name], _lines(files[name]))
        for name in (name for name in NAME_FILES if name in files):
            lines = _lines(files[name])
            if _has_colors(lines):
                colors = colors or _read_colors(files[name], lines)
            else:
                values = values or _read_values(files[name], lines)
    return values, colors


def _has_colors(lines: list[tuple[int, str]]) -> bool:
    """Whether every line, but perhaps a header, has a color."""
    fits = [bool(_COLOR_FIRST.fullmatch(text) or _NAME_FIRST.fullmatch(text)) for _, text in lines]
    return fits[-1] and all(fits[1:])


def _lines(path: Path) -> list[tuple[int, str]]:
    """Lines with their numbers, without the blank ones at the end, comments and a header."""
    texts = text_lines(path, longest=_LONGEST_NAME, max_bytes=_MAX_BYTES)
    # Runs of blanks are one: patterns with several would try every way to share them out.
    lines = [(number, " ".join(text.split())) for number, text in texts if not text.lstrip().startswith("#")]
    while lines and not lines[-1][1]:
        lines.pop()
    if not lines:
        raise DataError(f"{path}: the file is empty; expected a class in every line, or no such file")
    return lines


def _read_values(path: Path, lines: list[tuple[int, str]]) -> ValueNames:
    if _HEADER.fullmatch(lines[0][1]):
        lines = lines[1:]
    if lines and lines[0][1] == "__ignore__":  # labelme's, of value -1
        lines = lines[1:]
    names: dict[int, str | None] = {
        value: _name(text) if text else f"class {value}" for value, (_, text) in enumerate(lines)
    }
    matches = [match for _, text in lines if (match := _NUMBERED.fullmatch(text))]
    if lines and len(matches) == len(lines) == len({match[2] for match in matches}):
        names = {}
        for (number, _), match in zip(lines, matches, strict=True):
            if len(match[1]) > _DIGITS or int(match[1]) > MAX_VALUE:
                raise DataError(f"{path}:{number}: value {match[1]:.20} is beyond what a mask holds, 0 to {MAX_VALUE}")
            if int(match[1]) in names:
                raise DataError(f"{path}:{number}: value {match[1]} was named before; expected each value once")
            names[int(match[1])] = _name(match[2])
        names = dict(sorted(names.items()))
    if not any(name is not None for name in names.values()):
        raise DataError(f"{path}: it names no class; expected one name a line, line 0 for value 0")
    return ValueNames(path, names)


def _read_colors(path: Path, lines: list[tuple[int, str]]) -> ColorNames:
    names: dict[int, str | None] = {}
    for place, (number, text) in enumerate(lines):
        if not text:
            continue
        if match := _COLOR_FIRST.fullmatch(text):
            rgb, name = [int(part) for part in match.groups()[:3]], match[4]
        elif match := _NAME_FIRST.fullmatch(text):
            rgb, name = [int(part) for part in match.groups()[1:]], match[1]
        elif place == 0:
            continue  # a header
        else:
            raise DataError(f"{path}:{number}: {text[:80]!r} is no class with its color, as 'road 128 0 64'")
        if max(rgb) > 255:
            raise DataError(f"{path}:{number}: the color {tuple(rgb)} has a part above 255")
        code = code_of(rgb)
        if code in names and names[code] != _name(name):
            raise DataError(f"{path}:{number}: the color {tuple(rgb)} was given to {names[code] or 'void'!r} before")
        names[code] = _name(name)
    if not any(name is not None for name in names.values()):
        raise DataError(f"{path}: it names no class; expected lines such as 'road 128 0 64'")
    return ColorNames(path, names)


def _name(text: str) -> str | None:
    name = text.strip().strip("\"'").strip()
    return None if is_void(name) else name
