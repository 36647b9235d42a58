"""Which image of the data a file of results means: by its path, any end of it, or a number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

from zorki.input_files.numbers import image_key

UNKNOWN, ELSEWHERE = -1, -2  # an image that nobody knows, or that is in another split

_DEEPEST = 4  # parts of a path that are kept as a short form, beside the whole: more never tell two images apart


class ImageNames:
    """The words for images. A short form that may mean several of them means none.

    Args:
        names: paths of the images that are evaluated; the result is their places.
        others: paths of those that are known and not evaluated; what may mean one of each means the evaluated one.
        ids: numbers of both, in this order, where the data give such; else numbers are those that stems are.
    """

    def __init__(self, names: Sequence[str], others: Sequence[str] = (), ids: Sequence[Any] | None = None) -> None:
        self.names = names
        self.by_path: dict[str, int] = {}
        self.by_number: dict[Any, int] = {}
        whole: dict[str, int] = {}
        for row, name in enumerate([*names, *others]):
            place = row if row < len(names) else ELSEWHERE
            for word in {word for words in list(_ends(name))[-_DEEPEST:] for word in words}:
                _put(self.by_path, word, place)
            _put(whole, "/".join(_parts(name)), place)
            number = _number(name) if ids is None else ids[row]
            if number is not None:
                _put(self.by_number, number, place)
        self.by_path |= whole  # not drowned by the short forms of others

    def find(self, file_name: Any, number: Any) -> int:
        """The place of an image, or UNKNOWN, or ELSEWHERE; `file_name` is asked first and may be None."""
        place = None if file_name is None else self._by_path(str(file_name))
        if place is not None:
            return place
        place = self.by_number.get(number)
        if place is None and isinstance(number, str):
            place = self._by_path(number)
            place = self.by_number.get(image_key(number)) if place is None else place
        if place is None:
            return UNKNOWN
        if place >= 0 and file_name is not None and _number(str(file_name)) == number != _number(self.names[place]):
            return UNKNOWN  # the stem of a strange file, which is some other image's number by chance
        return place

    def _by_path(self, name: str) -> int | None:
        """The longest end of a path that is known decides; without its suffix where it is not known with it."""
        for words in _ends(name):
            for word in words:
                if word in self.by_path:
                    return self.by_path[word]
        return None


def _put(words: dict[Any, int], word: Any, place: int) -> None:
    if words.setdefault(word, place) not in (place, UNKNOWN) and place != ELSEWHERE:
        words[word] = UNKNOWN


def _parts(name: str) -> list[str]:
    return [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]


def _ends(name: str) -> Iterator[tuple[str, str]]:
    """The ends of a path, longest first, each as it is and without its suffix."""
    parts = _parts(name)
    for start in range(len(parts)):
        end = "/".join(parts[start:])
        yield end, end.removesuffix(PurePosixPath(parts[-1]).suffix)


def _number(name: str) -> int | None:
    """The number that a file's stem is."""
    stem = PurePosixPath(name.replace("\\", "/")).stem
    return int(stem) if stem.isascii() and stem.isdigit() else None
