"""The page at / and the one that lists the paths: files of the package, from nobody else's server."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from zorki.input_files.content import read_bytes

PAGES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/docs": ("paths.html", "text/html; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
}
"""Files and their types by the path that they are served under."""


@cache
def page_file(path: str) -> tuple[bytes, str]:
    """The bytes and the type of a page."""
    name, kind = PAGES[path]
    return read_bytes(Path(__file__).parent / "page" / name), kind
