"""A page of sections that are written anew as long as nobody changed them.

Each stands between two comments, the first of which holds a digest of the text. Where a person changed it, the digest
is another one, and the section is theirs from then on; so is all that stands outside.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

_SECTION = re.compile(
    r"<!-- zorki: (?P<name>[a-z_]+) (?P<digest>[0-9a-f]{12})[^>]*-->\n(?P<text>.*?)\n<!-- zorki: end of (?P=name) -->",
    re.DOTALL,
)
_NOTE = "written by zorki; change it, and it stays as you wrote it"


def page_of(sections: Mapping[str, str]) -> str:
    """A new page of these sections, by their names (letters and underscores)."""
    return "\n\n".join(_marked(name, text) for name, text in sections.items()) + "\n"


def refreshed(page: str, sections: Mapping[str, str]) -> str:
    """The page with those of its sections written anew that nobody changed; no section is added or taken away."""

    def anew(found: re.Match[str]) -> str:
        name, text = found["name"], found["text"]
        changed = found["digest"] != _digest(text)
        return found[0] if changed or name not in sections else _marked(name, sections[name])

    return _SECTION.sub(anew, page)


def own_sections(page: str) -> list[str]:
    """The names of the sections that are still written anew."""
    return [found["name"] for found in _SECTION.finditer(page) if found["digest"] == _digest(found["text"])]


def _marked(name: str, text: str) -> str:
    return f"<!-- zorki: {name} {_digest(text)} ({_NOTE}) -->\n{text.strip()}\n<!-- zorki: end of {name} -->"


def _digest(text: str) -> str:
    """Of the words: editors change blanks at ends of lines by themselves."""
    words = "\n".join(line.rstrip() for line in text.strip().splitlines())
    return hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()[:12]
