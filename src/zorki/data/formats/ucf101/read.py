"""UCF101's action recognition splits (Soomro et al., 2012): a line a video, and a file a split.

    trainlist01.txt     ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1
    testlist01.txt      ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi
    classInd.txt        1 ApplyEyeMakeup

The lists lie beside the class folders, or in a folder (ucfTrainTestlist) beside them or beside the folder that holds
them (UCF-101). Of three splits the first is taken; naming a file, such as trainlist02.txt, takes another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from zorki.data.annotations.clips.clip_record import ClipRecord
from zorki.data.annotations.clips.records import ClipRecords
from zorki.data.annotations.listing import loose_files, subfolders
from zorki.data.annotations.outside import leads_out
from zorki.data.formats.probe import Probe
from zorki.errors import DataError
from zorki.input_files.content import text_lines
from zorki.types import Defect

EXPECTED = "trainlist01.txt and testlist01.txt with the paths of videos, beside their class folders"

_LIST = re.compile(r"^(train|test|val)list(\d+)\.txt$")


def probe(root: Path) -> Probe:
    """Whether `root` is of this format, and why or why not."""
    lists = _lists(root)
    return Probe.yes(f"it holds {lists[0].name}") if lists else Probe.no("it holds no trainlist01.txt")


def read(root: Path) -> ClipRecords:
    """The videos of the lists, by their folder's class. Raises DataError where none of them is there."""
    lists = _lists(root)
    if not lists:
        raise DataError(f"{root}: no trainlist01.txt; expected {EXPECTED}")
    home = lists[0].parent
    found = ClipRecords(root, "ucf101", f"it holds {', '.join(path.name for path in lists)}", source=lists[0])
    folders = [home, home.parent, *(home.parent / name for name in subfolders(home.parent))]
    numbers = _class_numbers(home)
    earlier: dict[Path, str] = {}
    for path in lists:
        split = _LIST.match(path.name)
        assert split is not None  # as `_lists` found it
        for line, words in _rows(path):
            name = words[0]
            video = next((one / name for one in folders if not leads_out(one, name) and (one / name).is_file()), None)
            if reason := _fault(words, video, numbers, earlier):
                found.defects.append(Defect(path, f"{reason}; the row was left out", line))
                continue
            assert video is not None
            earlier[video] = f"{path.name}:{line}"
            found.given.setdefault(split.group(1), []).append(len(found.clips))
            found.clips.append(ClipRecord(name, video))
            found.classes.append(Path(name).parent.name)
    if not found.clips:
        first = f": {found.defects[0]}" if found.defects else ""
        raise DataError(f"{root}: no video of the lists is there{first}")
    found.order = _class_order(home, set(found.classes))
    return found


def _fault(words: list[str], video: Path | None, numbers: dict[str, str], earlier: dict[Path, str]) -> str | None:
    """What is wrong with a row, whose video lies there."""
    name, label = words[0], Path(words[0]).parent.name
    if video is None:
        return f"there is no file {name!r}"
    if not label:
        return f"{name!r} lies in no folder, which would be its class"
    if len(words) > 1 and numbers.get(words[1], label) != label:
        return f"the row says class {words[1]}, {numbers[words[1]]!r} in classInd.txt, but the folder is {label!r}"
    if len(words) > 1 and not words[1].isdigit():
        return f"{words[1]!r} is no number of a class"
    return f"{name!r} stands in {earlier[video]}" if video in earlier else None


def _lists(root: Path) -> list[Path]:
    """The files of one split: that of the file that was named, else the first."""
    if root.is_file():
        found = _LIST.match(root.name)
        return [] if found is None else _of_number(root.parent, found.group(2))
    if not root.is_dir():
        return []
    for folder in (root, *(root / name for name in subfolders(root))):
        numbers = sorted({found.group(2) for name in loose_files(folder) if (found := _LIST.match(name))})
        if numbers and (folder / f"trainlist{numbers[0]}.txt").is_file():
            return _of_number(folder, numbers[0])
    return []


def _of_number(folder: Path, number: str) -> list[Path]:
    names = (f"{split}list{number}.txt" for split in ("train", "val", "test"))
    return [folder / name for name in names if (folder / name).is_file()]


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    for line, text in text_lines(path):
        if words := text.split():
            yield line, words


def _class_numbers(home: Path) -> dict[str, str]:
    """The classes of classInd.txt by their numbers; empty where there is none."""
    index = home / "classInd.txt"
    return {words[0]: words[1] for _, words in _rows(index) if len(words) == 2} if index.is_file() else {}


def _class_order(home: Path, there: set[str]) -> list[str] | None:
    """The classes as classInd.txt numbers them; None: by name."""
    if not (home / "classInd.txt").is_file():
        return None
    listed = [name for name in _class_numbers(home).values() if name in there]
    return [*listed, *sorted(there - set(listed))]
