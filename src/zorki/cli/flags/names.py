"""Flags by any of their names: those of older versions, of other tools, and with underscores, become today's.

Only what is typed is translated, before it is parsed: `--help` shows one name a flag.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from zorki.errors import RecipeError
from zorki.settings import near
from zorki.task_settings import all_names

END = "--"  # words after it are no flags


def by_todays_names(words: Sequence[str], flags: Iterable[str]) -> list[str]:
    """The words with each flag under the name that it has among `flags`, and `--no-X` as `--X=false`.

    Raises:
        RecipeError: one flag is typed under two of its names.
    """
    available = {flag.removeprefix("--") for flag in flags}
    typed: dict[str, str] = {}
    found: list[str] = []
    for place, word in enumerate(words):
        if word == END:
            return [*found, *words[place:]]
        if not word.startswith("--"):
            found.append(word)
            continue
        flag, equals, value = word.partition("=")
        own, off = _own(flag, available)
        if typed.setdefault(own, flag) != flag:
            raise RecipeError(f"{typed[own]} and {flag} are one setting, {own}; give it once")
        found.append(own + (off or equals + value))
    return found


def _own(flag: str, available: set[str]) -> tuple[str, str]:
    """The flag's name of today, and "=false" where it is turned off; the flag itself where no such thing is known."""
    name, dot, rest = flag.removeprefix("--").partition(".")
    for stem, off in ((name, ""), (name.removeprefix("no-"), "=false")):
        dashed = stem.replace("_", "-")
        field = all_names().get(stem.replace("-", "_"), "").replace("_", "-")
        for own in (dashed, field):
            if own in available:
                return f"--{own}{dot}{rest}", off
    return flag, ""


def near_flags(flag: str, flags: Iterable[str]) -> list[str]:
    """The flags that have a name like this one, the nearest first."""
    own = {flag.removeprefix("--").replace("-", "_") for flag in flags}
    available = {name: field for name, field in all_names().items() if field in own} | {name: name for name in own}
    return [f"--{field.replace('_', '-')}" for field in near(flag.removeprefix("--"), available)]
