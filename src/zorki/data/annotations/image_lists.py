"""Text files that name images, a line each: train.txt, val.txt and test.txt."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from zorki.data.annotations.listing import is_image, loose_files
from zorki.data.annotations.split_words import by_split, split_in
from zorki.data.annotations.splits import ORDER
from zorki.files import write_text
from zorki.input_files.content import LONGEST_PATH_LINE, text_lines
from zorki.types import Defect

DEEPEST = 64
"""Parts of a path, from its end, by which an image is looked for."""

_SUFFIXES = (".txt", ".lst")
_LONGEST_SUFFIX = 8  # letters of an image's suffix, and then some


def lists_in(folder: Path) -> dict[Path, str]:
    """The lists in a folder that are named by a split; trainval is train where there is neither train nor val."""
    if not folder.is_dir():
        return {}
    files = {folder / name: split_in(Path(name).stem) for name in loose_files(folder) if name.endswith(_SUFFIXES)}
    named = {path: split for path, split in files.items() if split is not None}
    chosen = by_split(dict(named))[0] if named else {}
    return {path: split for path, split in chosen.items() if split is not None}


def lines_of(path: Path) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, with their numbers and forward slashes. Raises DataError where one is too long."""
    for number, text in text_lines(path, longest=LONGEST_PATH_LINE, errors="replace"):
        if text.strip():
            yield number, text.strip().replace("\\", "/")


def two_paths(line: str) -> list[tuple[str, str]]:
    """How a line may be cut into the paths of an image and of its mask, at a blank, comma, semicolon or tab.

    >>> two_paths("a b.jpg, b.png")
    [('a b.jpg', 'b.png')]
    """
    if not is_image(line):
        return []
    # Only behind an image's suffix: to cut at every blank of a long line would take the square of its length.
    cuts = re.finditer(r"\s*[,;\t]\s*|\s+", line)
    pairs = ((line[: cut.start()].strip(), line[cut.end() :].strip()) for cut in cuts if _ends_image(line, cut.start()))
    return [(first, second) for first, second in pairs if is_image(first) and is_image(second)]


def _ends_image(line: str, place: int) -> bool:
    """Whether the name of an image may end there, by the last few letters before."""
    return is_image(f"a{line[max(0, place - _LONGEST_SUFFIX) : place]}")


def places_by_name(names: Sequence[str]) -> dict[str, int]:
    """Places of images by every end of their paths without suffix that belongs to one of them alone."""
    places: dict[str, int | None] = {}
    for place, name in enumerate(names):
        parts = PurePosixPath(name).with_suffix("").parts
        for start in range(len(parts)):
            key = "/".join(parts[start:])
            places[key] = None if key in places else place
    return {key: place for key, place in places.items() if place is not None}


def read_splits(lists: dict[Path, str], names: Sequence[str]) -> tuple[dict[str, list[int]], list[Defect]]:
    """Places in `names` by split, from lists of one image a line: a path, the end of one, or a name without suffix.

    What a list names and is not there is told once a list, with the first line.
    """
    place_by_name = places_by_name(names)
    given: dict[str, list[int]] = {}
    defects: list[Defect] = []
    for path, split in lists.items():
        members, missing = given.setdefault(split, []), []
        for number, text in lines_of(path):
            if (place := _place_of(text, place_by_name)) is None:
                missing.append((number, PurePosixPath(text).name))
            else:
                members.append(place)
        if missing:
            count = "1 image" if len(missing) == 1 else f"{len(missing)} images"
            reason = f"{count} that it names, {missing[0][1]!r} first, cannot be had with a mask; left out"
            defects.append(Defect(path, reason, missing[0][0]))
    return given, defects


def _place_of(text: str, place_by_name: dict[str, int]) -> int | None:
    """The image that a line means, by the longest end of its path that is known."""
    plain = str(PurePosixPath(text).with_suffix("")) if is_image(text) else text
    parts = [part for part in plain.split("/") if part not in ("", ".", "..")][-DEEPEST:]
    ends = ("/".join(parts[start:]) for start in range(len(parts)))
    return next((place_by_name[end] for end in ends if end in place_by_name), None)


def write_lists(folder: Path, members: Mapping[str, Sequence[int]], names: Sequence[str]) -> None:
    """Writes train.txt, val.txt and test.txt as far as there are such splits, and trainval.txt where the first two are.

    Args:
        members: places in `names` by split.
        names: of the images, which stand in the lists without suffix.
    """
    lists = {split: indices for split, indices in members.items() if split in ORDER}
    if {"train", "val"} <= lists.keys():
        lists["trainval"] = sorted([*lists["train"], *lists["val"]])
    for split, indices in lists.items():
        write_text(folder / f"{split}.txt", "".join(f"{PurePosixPath(names[index]).stem}\n" for index in indices))
