"""What a run tells others: its facts, with folders of the machine that it was trained on left out.

Where a home folder lies, how a project is called and who is logged in stands in paths; of each the last part is kept.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from zorki.engine.run.folder import RECIPE

_PRIVATE = ("working_folder", "command", "git_commit")
"""Of the environment: where it was called, and with which words."""

# A path within a sentence: from the root, a home folder, a drive, or upward. Addresses of the web are none.
_PATH = re.compile(r"""(?<![\w:/.@-])(?:~[\w.-]*|\.\.|[A-Za-z]:)?[/\\][^\s/\\'",;:)]+(?:[/\\][^\s/\\'",;:)]*)+""")


def public_text(text: str) -> str:
    """The text with the last part alone of each path that is not relative.

    >>> public_text("names from /home/ann/bees/names.txt"), public_text("https://example.org/a/b"), public_text("3/4")
    ('names from names.txt', 'https://example.org/a/b', '3/4')
    """
    if _is_private_path(text):
        return last_part(text)
    return _PATH.sub(lambda found: last_part(found.group()), text)


def last_part(path: str) -> str:
    r"""The name of what a path leads to, of either kind of system.

    >>> last_part("/home/ann/bees/"), last_part(r"C:\Users\ann\bees"), last_part("scenes:60@32")
    ('bees', 'bees', 'scenes:60@32')
    """
    kind = PureWindowsPath if "\\" in path else PurePosixPath
    return kind(path).name or path


def public_values(values: Any, folders: Mapping[str, str] | None = None) -> Any:
    """Plain values, with `public_text` in the place of every text, keys included.

    Args:
        folders: paths that are known, and what stands for them: these may have blanks within.
    """
    if isinstance(values, str):
        for path, word in (folders or {}).items():
            values = word.join(re.split(rf"(?<![\w:/.-]){re.escape(path)}(?![\w-])", values))
        return public_text(values)
    if isinstance(values, Mapping):
        return {public_values(str(name), folders): public_values(value, folders) for name, value in values.items()}
    return [public_values(one, folders) for one in values] if isinstance(values, list | tuple) else values


def public_about(about: Mapping[str, Any]) -> dict[str, Any]:
    """The content of run.json for others: all that opens the run again, and no folder of this machine."""
    data = None if about.get("data") is None else last_part(str(about["data"]))
    environment = {name: value for name, value in about.get("environment", {}).items() if name not in _PRIVATE}
    public = public_values({**about, "environment": environment}, _folders(about))
    for settings in (public["recipe"], public.get("explicit", {})):
        if "out" in settings:
            settings["out"] = "runs"
        if isinstance(settings.get("weights"), str):
            settings["weights"] = public_weights(settings["weights"])
    plugins = [last_part(one) for one in about.get("plugins", [])]
    return {**public, "data": data, "plugins": plugins, "repeat": repeat_command(about)}


def _folders(about: Mapping[str, Any]) -> dict[str, str]:
    """Paths that the run names itself, the longest first, and what stands for them."""
    named = [about.get("data"), about["recipe"].get("out"), about["recipe"].get("weights"), *about.get("plugins", [])]
    found = {str(path): last_part(str(path)) for path in named if path and _is_private_path(str(path))}
    if len(where := str(about.get("environment", {}).get("working_folder") or "")) > 1:
        found.setdefault(where, ".")
    return dict(sorted(found.items(), key=lambda item: -len(item[0])))


def public_weights(source: str) -> str:
    """A word of `--weights` for others: of files their names.

    >>> public_weights("imagenet"), public_weights("work/runs/a"), public_weights("hf://ann/bees@v1")
    ('imagenet', 'a', 'hf://ann/bees@v1')
    """
    return source if re.match(r"[a-z]+:", source) and not source.startswith("file:") else last_part(source)


def repeat_command(about: Mapping[str, Any]) -> str:
    """The command that trains again, from the recipe beside it, on data of that name."""
    data = last_part(str(about["data"])) if about.get("data") else "DATA"
    plugins = [word for one in about.get("plugins", []) for word in ("--plugin", last_part(one))]
    return shlex.join(["zorki", "train", about["model"], data, "--recipe", RECIPE, *plugins])


def _is_private_path(text: str) -> bool:
    """Whether a text is a path as a whole, blanks in it included, that does not begin where one is."""
    rooted = text.startswith(("/", "~/", "../", "..\\")) or re.match(r"[A-Za-z]:[\\/]", text) is not None
    return rooted and "\n" not in text and not re.search(r"[;,'\"]", text)
