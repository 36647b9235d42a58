"""YAML files: depth, aliases and numbers are evaluated by the parser's events, before anything is made of them.

An alias stands for all that its anchor holds, so that a few lines can mean billions of values.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from zorki.errors import DataError
from zorki.input_files.content import read_bytes

MAX_YAML_BYTES = 2 << 20
DEEPEST = 40
MAX_VALUES = 200_000
"""Values of a document, those that aliases repeat counted as often as they stand."""

LONGEST_NUMBER = 100
"""Characters of a number that is not quoted: of more, some notations take time with the square of their length."""

_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # some builds lack libyaml, which is ten times as quick
_Text: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def read_yaml(
    path: Path,
    *,
    as_text: bool = False,
    max_bytes: int = MAX_YAML_BYTES,
    deepest: int = DEEPEST,
    max_values: int = MAX_VALUES,
) -> Any:
    """The values of a YAML file; None where it holds none.

    Args:
        as_text: every scalar as the text that stands there: `no`, 1.10 and 2024-01-01 too.

    Raises:
        DataError: the file cannot be read or is larger than `max_bytes`, is no YAML, is nested deeper than `deepest`,
            has more values than `max_values` with what aliases repeat, or tags that mean no plain value; with file
            and line.
    """
    try:
        data = read_bytes(path, max_bytes=max_bytes)
    except OSError as error:
        raise DataError(f"{path}: the file cannot be read: {error.strerror or error}") from error
    return parse_yaml(data, str(path), as_text=as_text, deepest=deepest, max_values=max_values)


def parse_yaml(
    data: bytes, source: str, *, as_text: bool = False, deepest: int = DEEPEST, max_values: int = MAX_VALUES
) -> Any:
    """The values of YAML that stands in `source`, such as a file's name; else as `read_yaml`."""
    try:
        _check(source, data, deepest, max_values)
        return yaml.load(data, Loader=_Text if as_text else _Safe)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f":{mark.line + 1}: the YAML is broken at column {mark.column + 1}" if mark else ": the YAML is broken"
        raise DataError(f"{source}{place}: {error.problem or error.context}") from error
    except DataError:
        raise
    except Exception as error:  # values that are not of their tag end in errors of every kind
        raise DataError(f"{source}: the YAML cannot be read: {error or type(error).__name__}") from error


def _check(path: str, data: bytes, deepest: int, max_values: int) -> None:
    """Raises DataError where the document is beyond a bound."""
    sizes: dict[str, int] = {}  # of each anchor whose values are complete
    stack: list[tuple[str | None, int]] = []  # of each open list or mapping: its anchor, and the values before it
    values = 0
    for event in yaml.parse(data, Loader=_Safe):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in stack):
                raise DataError(f"{path}:{line}: the alias *{event.anchor} stands inside of what it repeats")
            values += sizes.get(event.anchor or "", 1)
        elif isinstance(event, yaml.ScalarEvent):
            values += 1
            if event.anchor:
                sizes[event.anchor] = 1
            if len(event.value) > LONGEST_NUMBER and _may_be_number(event):
                raise DataError(f"{path}:{line}: a number of {len(event.value):,} characters; quote it if it is a name")
        elif isinstance(event, yaml.CollectionStartEvent):
            stack.append((event.anchor, values))
            values += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = stack.pop()
            if anchor:
                sizes[anchor] = values - before
        if len(stack) > deepest:
            raise DataError(f"{path}:{line}: the YAML is nested deeper than {deepest} levels")
        if values > max_values:
            raise DataError(f"{path}:{line}: more than {max_values:,} values, with what its aliases repeat")


def _may_be_number(event: yaml.ScalarEvent) -> bool:
    tagged = event.tag is not None and event.tag.endswith((":int", ":float"))
    return tagged or (event.implicit[0] and event.value[0] in "+-.0123456789")
