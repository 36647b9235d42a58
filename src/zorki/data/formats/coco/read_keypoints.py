"""COCO's JSON of keypoints: annotations with [x, y, flag, ...], categories with the names of joints and limbs.

    {"categories": [{"id": 1, "name": "person", "keypoints": ["nose", ...], "skeleton": [[16, 14], ...]}], ...}

Limbs count from 1. `flip_pairs`, which count from 0, and `sigmas` of a category, as some tools write them, are read
too.
"""

from __future__ import annotations

from pathlib import Path

from zorki.data.annotations.records import Records
from zorki.data.formats.coco import read as coco
from zorki.data.formats.probe import Probe
from zorki.errors import DataError

EXPECTED = "COCO's JSON of keypoints: images, annotations with keypoints, and categories that name them"


def probe(root: Path) -> Probe:
    """Whether `root` is of this format, and why or why not."""
    found = coco.find_files(root, joints=True)
    return Probe.no(found) if isinstance(found, str) else Probe.yes(coco.reason_for(root, found))


def read(root: Path, images: Path | None = None) -> Records:
    """What the files say, as they say it; `images` is where the images lie, if not where the format has them.

    Raises:
        DataError: there is no such file or folder, a file is no JSON or lacks a list, or the joints of a category
            differ from file to file.
    """
    found = coco.find_files(root, joints=True)
    if isinstance(found, str):
        raise DataError(f"{root}: {found}; expected {EXPECTED}")
    return coco.read_files(root, found, images, joints=True)
