"""`--json`, which every verb that finds something out has: alone it prints, with a file it writes there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from zorki.output import say

PRINTED = "-"
Json = Annotated[
    str | None,
    Parameter(
        help="Print JSON for machines in place of text; with a name that ends in .json, write that file.",
        allow_leading_hyphen=True,
    ),
]


def with_json_target(words: Sequence[str]) -> list[str]:
    """The words with `--json` followed by what it prints to: the next word only where that is - or names a .json.

    Raises ZorkiError where that file cannot be written, before any work is done for it.
    """
    from zorki.files import check_writable

    found: list[str] = []
    for place, word in enumerate(words):
        following = words[place + 1] if place + 1 < len(words) else ""
        alone = word == "--json" and following != PRINTED and not following.lower().endswith(".json")
        if word == "--json" and following.lower().endswith(".json"):
            check_writable(Path(following))
        found.append(f"--json={PRINTED}" if alone else word)
    return found


def put_json(target: str, content: Any) -> None:
    """Prints plain JSON, or writes it whole into a file. Raises ZorkiError where the file cannot be written."""
    from zorki.files import plain, write_json

    if target != PRINTED:
        return write_json(Path(target), content)
    import json

    say(json.dumps(plain(content), indent=2, ensure_ascii=False, allow_nan=False))
