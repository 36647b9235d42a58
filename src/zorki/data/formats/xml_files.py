"""XML files as trees, with the line and column of what is wrong, and the lines of their elements."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from zorki.errors import DataError


def read_xml(path: Path) -> tuple[Element, bytes]:
    """The root of the tree, and the bytes of the file, for `element_lines`.

    Raises:
        DataError: the file cannot be read, or is no XML; the message tells line and column.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: the file cannot be read: {error.strerror or error}") from error
    if b"<!ENTITY" in data:
        raise DataError(f"{path}: the XML declares entities, which can grow without bound, and are not read")
    try:
        return ElementTree.fromstring(data), data
    except ElementTree.ParseError as error:
        line, column = error.position
        reason = str(error).split(":")[0]
        raise DataError(f"{path}:{line}: the XML is broken at column {column + 1}: {reason}") from error
    except (ValueError, LookupError) as error:  # an encoding that nobody knows
        raise DataError(f"{path}: the XML cannot be decoded: {error}") from error


def element_lines(data: bytes, *tags: str) -> list[int]:
    """The line of every element of these names, in the order of the file."""
    if b"<!--" in data:  # what is commented out counts lines, but no elements
        data = re.sub(rb"<!--.*?-->", lambda comment: b"\n" * comment.group().count(b"\n"), data, flags=re.DOTALL)
    lines, line, place = [], 1, 0
    for match in re.finditer(rb"<(?:%s)[\s/>]" % b"|".join(re.escape(tag.encode()) for tag in tags), data):
        line += data.count(b"\n", place, match.start())
        place = match.start()
        lines.append(line)
    return lines


def text_of(element: Element, tag: str) -> str:
    """The stripped text of a child; empty where there is none."""
    return (element.findtext(tag) or "").strip()


def number_of(text: str | None) -> float:
    """A number, or not-a-number where the text is none."""
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")


def whole_number_of(text: str | None) -> int | None:
    """A positive whole number ("640" or "640.0"); None where the text is none."""
    value = number_of(text)
    return int(value) if value == value and 0 < value < 1e9 else None
