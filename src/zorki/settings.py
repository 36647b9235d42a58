"""Settings declared once: each field of a frozen dataclass bears its help, unit, range, and other names.

The command line's flags, Python's arguments, recipe.yaml and run.json are all read by this one table, so that a name
of an older version or of another tool means the same everywhere.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import field
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

from zorki.durations import seconds_of
from zorki.errors import RecipeError, did_you_mean, suggestion

OFF = ("off", "false")  # YAML reads a bare `off` as false
_NO_OFF = object()


def setting(
    default: Any,
    group: str,
    help: str,
    *,
    unit: str = "",
    least: float | None = None,
    most: float | None = None,
    aliases: tuple[str, ...] = (),
    words: Mapping[str, str | None] | None = None,
    off: Any = _NO_OFF,
    duration: bool = False,
    percent: bool = False,
) -> Any:
    """A field of a frozen dataclass of settings, such as `zorki.recipe.Recipe`.

    Args:
        default: its value where nothing is said; None where a value is chosen then.
        group: the heading that it stands under in `--help`.
        help: one sentence or two, shown in `--help`.
        unit: of its numbers.
        least: the smallest number that it takes.
        most: the largest.
        aliases: other names that it is known by; they are taken everywhere and shown nowhere.
        words: other words for its values, among them those for none: that one is chosen.
        off: the value that `off` stands for; without it the field takes no `off`.
        duration: its number is seconds, and a text of it may have units, such as 1h30m.
        percent: its number is a count, or below 1 a share, of which a text may be in percent, such as 10%.
    """
    metadata = {
        "group": group, "help": help, "unit": unit, "least": least, "most": most,
        "aliases": aliases, "words": dict(words or {}), "off": off, "duration": duration, "percent": percent,
    }  # fmt: skip
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def check(settings: Any) -> None:
    """Puts each value of a frozen dataclass in its field's kind and range, as `__post_init__` calls it.

    Raises:
        RecipeError: a value is none that its field can have; it says what was expected.
    """
    for name, value in checked(type(settings), {f.name: getattr(settings, f.name) for f in _fields(settings)}).items():
        object.__setattr__(settings, name, value)


def plain(settings: Any) -> dict[str, Any]:
    """The values for JSON, one a field."""
    return {f.name: _plain(getattr(settings, f.name)) for f in _fields(settings)}


def explicit_values(settings: Any) -> dict[str, Any]:
    """The fields that differ from their defaults: what was typed, or chosen."""
    default = type(settings)()
    return {
        f.name: value for f in _fields(settings) if (value := getattr(settings, f.name)) != getattr(default, f.name)
    }


def checked(kind: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values, by the fields' own names, as the fields have them. Raises RecipeError with what was expected."""
    hints, fields = _hints(kind), kind.__dataclass_fields__
    return {name: _checked(fields[name], hints[name], value) for name, value in values.items()}


def by_field(values: Mapping[str, Any], *kinds: type[Any]) -> dict[str, Any]:
    """The values by the names of the fields of `kinds`, whichever of their names they were given by.

    Raises:
        RecipeError: a name is no field's, or a field is given by two of its names.
    """
    own_names = names(*kinds)
    found: dict[str, Any] = {}
    given: dict[str, str] = {}
    for name, value in values.items():
        own = own_names.get(name.replace("-", "_"))
        if own is None:
            raise RecipeError(f"there is no setting {name!r}.{suggestion(near(name, own_names))}")
        if own in given:
            raise RecipeError(f"{given[own]} and {name} are one setting, {own}; give it once")
        given[own], found[own] = name, value
    return found


def names(*kinds: type[Any]) -> dict[str, str]:
    """Every name of every field of these settings, with the field's own."""
    return _names(kinds)


@cache
def _names(kinds: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for kind in kinds:
        for f in dataclasses.fields(kind):
            for name in (f.name, *f.metadata["aliases"]):
                if found.setdefault(name, f.name) != f.name:
                    raise ValueError(f"{name} names two settings, {found[name]} and {f.name}")
    return found


def near(name: str, own_names: Mapping[str, str]) -> list[str]:
    """The fields that have a name like this one, the nearest first.

    >>> near("learnin_rate", {"lr": "lr", "learning_rate": "lr"})
    ['lr']
    """
    found = difflib.get_close_matches(name.replace("-", "_"), list(own_names), n=3, cutoff=0.6)
    return list(dict.fromkeys(own_names[word] for word in found))


def describe(kind: type[Any], name: str) -> dict[str, Any]:
    """Group, help, unit, least, most, aliases and words of a field."""
    return dict(kind.__dataclass_fields__[name].metadata)


def takes_off(f: dataclasses.Field[Any]) -> bool:
    """Whether the word `off` is a value of the field."""
    return f.metadata["off"] is not _NO_OFF


def _fields(settings: Any) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(settings)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value


def _choices(hint: Any) -> tuple[Any, ...]:
    for part in (hint, *get_args(hint)):
        if get_origin(part) is Literal:
            return get_args(part)
    return ()


def _checked(f: dataclasses.Field[Any], hint: Any, value: Any) -> Any:
    """The value in its field's kind and range. Raises RecipeError with what was expected."""
    parts = get_args(hint) if type(None) in get_args(hint) else (hint,)
    if takes_off(f) and (value is False or (isinstance(value, str) and value.lower() in OFF)):
        return f.metadata["off"]
    if isinstance(value, str):
        value = f.metadata["words"].get(value, value)
    if value is None:
        if type(None) in parts:
            return None
        raise RecipeError(f"{f.name} is None; expected a value, such as {f.default!r}")
    if choices := _choices(hint):
        return _choice(f, choices, str(value) if type(value) is int else value)  # YAML reads a precision of 32 as int
    if get_origin(hint) is tuple:
        items: Iterable[Any] = value if isinstance(value, list | tuple) else [value]
        return tuple(_number(f, float, item) for item in items)
    if bool in parts:
        if not isinstance(value, bool):
            raise RecipeError(f"{f.name} is {value!r}; expected true or false")
        return value
    if f.metadata["duration"] and isinstance(value, str):
        value = _seconds(f, value)
    if f.metadata["percent"]:
        return _count_or_share(f, value)
    if int in parts or float in parts:
        return _number(f, int if int in parts else float, value)
    if str in parts and not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False) if isinstance(value, list | Mapping) else str(value)
    if get_origin(hint) is Mapping and not isinstance(value, Mapping):
        raise RecipeError(f"{f.name} is {value!r}; expected names with values")
    return value


def _choice(f: dataclasses.Field[Any], choices: tuple[Any, ...], value: Any) -> Any:
    if value not in choices:
        words = ", ".join(str(choice) for choice in choices)
        raise RecipeError(f"{f.name} is {value!r}; expected one of {words}.{did_you_mean(str(value), choices)}")
    return value


def _seconds(f: dataclasses.Field[Any], text: str) -> float:
    seconds = seconds_of(text)
    if seconds is None:
        off = ", or off" if takes_off(f) else ""
        raise RecipeError(f"{f.name} is {text!r}; expected a length of time, such as 90s, 10m or 1h30m{off}")
    return seconds


def _count_or_share(f: dataclasses.Field[Any], value: Any) -> int | float:
    """A count of 1 or more, as a whole number, or a share above 0 and below 1."""
    text = str(value).strip()
    try:
        number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        is_share = text.endswith("%") or 0 < number < 1
        if isinstance(value, bool) or not (0 < number < 1 if is_share else number >= 1 and number == int(number)):
            raise ValueError
    except (ValueError, OverflowError):
        raise RecipeError(
            f"{f.name} is {value!r}; expected a count of at least 1, or a share below 100%, such as 10%"
            f"{', or off' if takes_off(f) else ''}"
        ) from None
    return number if is_share else int(number)


def _number(f: dataclasses.Field[Any], kind: type, value: Any) -> Any:
    try:
        number = kind(value)
        if isinstance(value, bool) or (kind is int and number != float(value)):
            raise ValueError
    except (TypeError, ValueError):
        noun = "a whole number" if kind is int else "a number"
        raise RecipeError(f"{f.name} is {value!r}; expected {noun}{' or off' if takes_off(f) else ''}") from None
    least, most = f.metadata["least"], f.metadata["most"]
    if number != number or (least is not None and number < least) or (most is not None and number > most):
        bounds = [f"at least {least}"] if least is not None else []
        bounds += [f"at most {most}"] if most is not None else []
        unit = f" ({f.metadata['unit']})" if f.metadata["unit"] else ""
        raise RecipeError(f"{f.name} is {value}; expected {' and '.join(bounds) or 'a number'}{unit}")
    return number
