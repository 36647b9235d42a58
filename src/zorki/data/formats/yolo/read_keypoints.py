"""YOLO's text files of key points (Ultralytics' pose): a box, and x y or x y flag of each, all in shares of the image.

`kpt_shape` in data.yaml tells how many there are and of how many values, `flip_idx` which are twins, `kpt_names` their
names. Of two values each, a key point at (0, 0) is taken as not labeled; Ultralytics' own trainer takes it as visible.
"""

from __future__ import annotations

from pathlib import Path

from zorki.data.annotations.keypoints.skeletons import skeleton_of, unnamed_skeleton
from zorki.data.annotations.records import Records
from zorki.data.formats.probe import Probe
from zorki.data.formats.yolo.layout import YoloLayout, find_layout
from zorki.data.formats.yolo.read import read_layout
from zorki.errors import DataError

EXPECTED = "data.yaml with kpt_shape, names and splits, and text files with a box and key points a line"


def probe(root: Path) -> Probe:
    """Whether `root` is of this format, and why or why not."""
    try:
        found = _layout(root)
    except DataError as error:
        broken = error
        return Probe.no(str(error), lambda: broken)
    return Probe.no(found) if isinstance(found, str) else Probe.yes(f"{found.reason}, and kpt_shape")


def read(root: Path, images: Path | None = None) -> Records:
    """What the files say, as they say it; `images` is for likeness with other formats. Raises DataError."""
    layout = _layout(root)
    if isinstance(layout, str):
        raise DataError(f"{root}: {layout}; expected {EXPECTED}")
    records = read_layout(root, layout, joints=True)
    count = layout.keypoint_numbers // layout.keypoint_values
    names, pairs = layout.keypoint_names, layout.flip_pairs
    skeleton = skeleton_of(names, flip_pairs=pairs) if names else unnamed_skeleton(count, pairs)
    records.skeletons = {name: skeleton for name in records.class_names or ()}
    return records


def _layout(root: Path) -> YoloLayout | str:
    found = find_layout(root)
    if isinstance(found, str) or found.keypoint_numbers:
        return found
    return "its settings have no kpt_shape, which tells the number of key points"
