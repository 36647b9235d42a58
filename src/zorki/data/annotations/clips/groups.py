"""Which clips are of one film, or one person: they belong on one side of a split."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from zorki.data.annotations.clips.clip_record import ClipRecord
from zorki.errors import DataError, RecipeError

WORDS = ("none", "folder", "stem")

HELP = (
    "what clips of one film or person have in common, so that they stay on one side of a split: folder, stem (the name "
    "up to its last number), //N (the name's number divided by N), or a regular expression with one group"
)

# Names of clips that were cut from films: UCF101's v_Name_g01_c02, Kinetics' id_000012_000022, scene-clip3.
_CUT = (
    re.compile(r"^(?P<film>.*_g\d+)_c\d+$", re.IGNORECASE),
    re.compile(r"^(?P<film>.+)_\d{6}_\d{6}$"),
    re.compile(r"^(?P<film>.+?)[_-](?:clip|part|seg|segment|shot|scene)[_-]?\d+$", re.IGNORECASE),
)


def group_of(record: ClipRecord, group: str | None) -> str:
    """What the clip has in common with others, by what the user says; None: by what the data and its name tell.

    Raises:
        DataError: what the user says does not go with the clip's name.
        RecipeError: it is nothing that groups are told by.
    """
    if group is None:
        return record.group or _told_by_name(record)
    stem = Path(record.name).stem
    if group == "none":
        return record.key
    if group == "folder":
        return str(Path(record.name).parent)
    if group == "stem":
        return _in_class(record, re.sub(r"[_\-. ]*\d+$", "", stem) or stem)
    if group.startswith("//"):
        return _by_number(record, stem, group)
    found = _expression(group).search(record.name)
    if found is None:
        raise DataError(f"{record.path}: --group {group} finds nothing in {record.name!r}")
    return found.group(1)


def _told_by_name(record: ClipRecord) -> str:
    """Clips of one file are of one film, and so are those whose names or folders say that they were cut from one."""
    if record.start is not None or record.end is not None:
        return record.name
    name = Path(record.name)
    for pattern in _CUT:
        if (found := pattern.match(name.stem)) is not None:
            return found.group("film")
    return record.folder_group or record.key


def _in_class(record: ClipRecord, words: str) -> str:
    return f"{Path(record.name).parent}/{words}"


def _by_number(record: ClipRecord, stem: str, group: str) -> str:
    divisor = group.removeprefix("//")
    if not divisor.isdigit() or int(divisor) < 1:
        raise RecipeError(f"group is {group!r}; expected // and a whole number from 1 on, such as //8")
    numbers = re.findall(r"\d+", stem)
    if not numbers:
        raise DataError(f"{record.path}: --group {group}: there is no number in the name")
    return str(int(numbers[-1]) // int(divisor))


def _expression(text: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise RecipeError(
            f"group is {text!r}; expected {', '.join(WORDS)}, //N, or a regular expression: {error}"
        ) from error
    if pattern.groups != 1:
        raise RecipeError(
            f"group is {text!r}; expected {', '.join(WORDS)}, //N, or a regular expression with one group in "
            r"parentheses, such as 'person(\d+)'"
        )
    return pattern


def torn_groups(groups: Sequence[str], splits: Mapping[str, Sequence[int]]) -> dict[str, dict[str, list[int]]]:
    """Groups that lie in more than one split, with the samples of each split."""
    places: dict[str, dict[str, list[int]]] = {}
    for split, indices in splits.items():
        for index in indices:
            places.setdefault(groups[index], {}).setdefault(split, []).append(index)
    return {group: found for group, found in places.items() if len(found) > 1}


def refuse_torn(
    root: Path, groups: Sequence[str], splits: Mapping[str, Sequence[int]], name_of: Callable[[int], str]
) -> None:
    """Raises DataError where clips of one group are on both sides of a split: what is tested was learned."""
    torn = torn_groups(groups, splits)
    if not torn:
        return
    group, found = next(iter(torn.items()))
    examples = " and ".join(f"{name_of(indices[0])} in {split}" for split, indices in found.items())
    some = "1 film has" if len(torn) == 1 else f"{len(torn)} films have"
    named = os.path.basename(group) or group
    raise DataError(
        f"{root}: {some} clips on both sides of a split, {named!r} first: {examples}. What is tested would have been "
        "learned. --group folder, stem, //N or a regular expression makes splits of whole films instead; --group none "
        "takes each clip for a film of its own"
    )
