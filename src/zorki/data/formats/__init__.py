"""Formats of datasets on disk, a folder each.

A format's folder says in its `__init__.py` what it is:

    PROVIDES    what can be read from it: "labels", "boxes", "instances", "masks", ...
    WRITES      what can be written to it; missing where nothing can
    PRECEDENCE  its place among the others when a folder could be of several: smaller is tried first, and what is most
                explicit is smallest
    ATTRIBUTES  True for formats whose objects have named attributes, one of which is the class
    DRAWN       True for formats of drawing tools, where a rectangle is a shape as good as a polygon

and `read.py` (or `read_KIND.py`, where one probe does not serve all kinds) how it is recognized and read:

    EXPECTED    what the format looks like, in words
    probe(root) whether `root` is of it, and why or why not: a `Probe`
    read(root)  labels: the dataset; boxes and instances: `Records`; masks: `MaskRecords`; tracks: `TrackRecords`;
                clips: `ClipRecords`

`write.py` (or `write_KIND.py`) has `write_boxes(draft)` and its like. Nothing is listed elsewhere: a new folder is a
new format. An installed package brings one by an entry point of the group `zorki.datasets`, whose name is the format's
and which names such a folder, or one module with all of it; without PRECEDENCE it is tried last.

This module is cheap to import; `detect`, `readers` and `writers` are not.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import NamedTuple

from zorki.errors import DataError
from zorki.installed import installed

ENTRY_POINTS = "zorki.datasets"
"""Entry point group of installed packages that bring a format."""

LAST = 1000  # precedence of formats that say none

KINDS = ("labels", "boxes", "instances", "masks", "keypoints", "tracks", "clips")
"""What a format may provide: a class an image, boxes, a mask an object, a class a pixel, joints, boxes over time, a
class a film."""

WORDS = {
    "labels": "classes of images",
    "boxes": "boxes",
    "instances": "masks of objects",
    "masks": "masks",
    "keypoints": "keypoints",
    "tracks": "objects in videos",
    "clips": "classes of videos",
}
"""The kinds in words for a person."""


@dataclass(frozen=True)
class Format:
    """What a format's folder says of itself; see the module."""

    name: str
    provides: frozenset[str]
    writes: frozenset[str]
    precedence: int
    drawn: bool
    home: str  # the package, or the one module, that knows it
    attributes: bool = False


class Word(NamedTuple):
    """What a word for a format means: the format, and what alone is meant of it, if not all that it provides."""

    format: str
    kind: str | None = None


ALIASES = {
    "folders": Word("class_folders"),
    "imagefolder": Word("class_folders"),
    "boxes_csv": Word("csv", "boxes"),
    "voc_masks": Word("voc", "masks"),
    "voc_objects": Word("voc", "instances"),
    "mask_pairs": Word("mask_folders"),
    "object_png": Word("instance_png"),
    "label_png": Word("label_map_png"),
}
"""Words of earlier versions and of other tools, which stay valid and are not shown."""


@cache
def formats() -> dict[str, Format]:
    """All formats by name, in the order in which they are tried."""
    own = {info.name: f"{__name__}.{info.name}" for info in pkgutil.iter_modules(__path__) if info.ispkg}
    modules = {**installed(ENTRY_POINTS), **{name: importlib.import_module(home) for name, home in own.items()}}
    found = [_format(name, module) for name, module in modules.items()]
    return {format.name: format for format in sorted(found, key=lambda format: (format.precedence, format.name))}


def _format(name: str, module: ModuleType) -> Format:
    constants = vars(module)
    precedence = int(constants.get("PRECEDENCE", LAST))
    drawn, attributes = bool(constants.get("DRAWN", False)), bool(constants.get("ATTRIBUTES", False))
    provides, writes = frozenset(constants["PROVIDES"]), frozenset(constants.get("WRITES", ()))
    return Format(name, provides, writes, precedence, drawn, module.__name__, attributes)


@cache
def module_of(format: str, part: str, kind: str) -> ModuleType:
    """The module of a format that does its part, "read" or "write", for a kind."""
    home = importlib.import_module(formats()[format].home)
    if "__path__" not in vars(home):
        return home
    own = f"{home.__name__}.{part}_{kind}"
    return importlib.import_module(own if importlib.util.find_spec(own) is not None else f"{home.__name__}.{part}")


def names(*kinds: str) -> tuple[str, ...]:
    """Formats that provide one of the kinds, in the order in which they are tried; without kinds all of them.

    >>> names("labels")
    ('csv', 'idx', 'class_folders')
    """
    return tuple(name for name, format in formats().items() if not kinds or format.provides & set(kinds))


def writable(*kinds: str) -> tuple[str, ...]:
    """Formats to which one of the kinds can be written; without kinds any."""
    needed = set(kinds or KINDS)
    return tuple(name for name, format in formats().items() if format.writes & needed)


def choices() -> str:
    """All words for formats by what they provide, for help texts."""
    return "; ".join(f"{kind}: {', '.join(names(kind))}" for kind in KINDS if names(kind)) + "; all: scenes"


def near(word: str, allowed: Sequence[str]) -> str:
    """As `did_you_mean`; a word near to an old one is told the format's name."""
    old = {alias: found.format for alias, found in ALIASES.items() if found.format in allowed}
    words = difflib.get_close_matches(word, [*allowed, *old], n=3, cutoff=0.6)
    meant = dict.fromkeys(old.get(one, one) for one in words)
    return f" Did you mean {' or '.join(meant)}?" if meant else ""


def resolve(word: str, *kinds: str) -> Word:
    """The format that a word means, old words among them.

    Raises:
        DataError: no format that provides one of the kinds is called so.
    """
    found = ALIASES.get(word, Word(word))
    allowed = names(*kinds)
    if found.format not in allowed or (found.kind is not None and kinds and found.kind not in kinds):
        raise DataError(
            f"{word!r} is no format that can be read here; expected one of {', '.join(allowed)}.{near(word, allowed)}"
        )
    return found
