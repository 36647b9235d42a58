"""XML files as trees, with the line and column of what is wrong, and the lines of their elements."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from zorki.errors import DataError
from zorki.input_files.content import MAX_BYTES, read_bytes


def read_xml(path: Path, *, max_bytes: int = MAX_BYTES) -> tuple[Element, bytes]:
    """The root of the tree, and the bytes of the file, for `element_lines`.

    Raises:
        DataError: the file cannot be read, is larger than `max_bytes`, declares entities, or is no XML; the message
            tells line and column.
    """
    try:
        data = read_bytes(path, max_bytes=max_bytes)
    except OSError as error:
        raise DataError(f"{path}: the file cannot be read: {error.strerror or error}") from error
    return parse_xml(data, str(path)), data


def parse_xml(data: bytes, source: str) -> Element:
    """The root of the tree in a piece of XML; `source` is where it comes from, for messages.

    Raises:
        DataError: it declares entities, or is no XML; the message tells line and column.
    """
    try:
        return _Parser(source).parse(data)
    except expat.ExpatError as error:
        place = f"{source}:{error.lineno}: the XML is broken at column {error.offset + 1}"
        raise DataError(f"{place}: {expat.ErrorString(error.code)}") from error
    except (ValueError, LookupError) as error:  # an encoding that nobody knows
        raise DataError(f"{source}: the XML cannot be decoded: {error}") from error


class _Parser:
    """Expat with ElementTree's builder: it tells of declared entities as it reads them, whatever the encoding."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.builder = TreeBuilder()
        self.expat = expat.ParserCreate()
        self.expat.buffer_text = True
        self.expat.StartElementHandler = self.builder.start
        self.expat.EndElementHandler = self.builder.end
        self.expat.CharacterDataHandler = self.builder.data
        self.expat.EntityDeclHandler = self._refuse
        self.expat.SkippedEntityHandler = self._refuse

    def parse(self, data: bytes) -> Element:
        self.expat.Parse(data, True)
        return self.builder.close()

    def _refuse(self, name: str, *_: object) -> None:
        raise DataError(
            f"{self.source}:{self.expat.CurrentLineNumber}: the XML has an entity of its own, {name!r:.40}: entities "
            "can grow without bound, or name other files, and are not read"
        )


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
