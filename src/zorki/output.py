"""What is printed: text in which no name of a file or a class can command the terminal."""

from __future__ import annotations

import re
import sys
from typing import Any, TextIO

# C0 and C1 controls but line ends and tabs, marks of the direction of writing, and surrogates.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""The text for a terminal: what a terminal would obey, or turn round, stands as \u001b; line ends and tabs stay.

    Surrogates, which are bytes of names that are no text, are written so as well.

    >>> printable("a\x1b[2Kb")
    'a\\u001b[2Kb'
    """
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def say(text: str = "", *, end: str = "\n", file: TextIO | None = None, flush: bool = False) -> None:
    """Prints a text as `printable` has it; letters that the stream's encoding lacks stand as \\u732b, too."""
    stream = sys.stdout if file is None else file
    encoding = (stream.encoding if stream is not None else None) or "utf-8"
    shown = printable(text).encode(encoding, "backslashreplace").decode(encoding)
    print(shown, end=end, file=file, flush=flush)


def cell(text: str) -> Any:
    """A text for rich's tables as `printable` has it, and as it stands: brackets are no marks of rich's."""
    from rich.text import Text

    return Text(printable(text))
