"""The class of every pixel in COCO's panoptic JSON, of things and of stuff; see `panoptic_file` for the files."""

from __future__ import annotations

from pathlib import Path

from zorki.data.annotations.masks.segments import SegmentRecords
from zorki.data.formats.coco_panoptic import panoptic_file
from zorki.data.formats.coco_panoptic.panoptic_file import EXPECTED, probe
from zorki.types import Defect

__all__ = ["EXPECTED", "probe", "read"]


def read(root: Path) -> SegmentRecords:
    """The images with the categories of their segments, in the order of their ids.

    All segments count as their category, crowds too, as in panopticapi's `panoptic2semantic_segmentation.py`: a crowd
    holds nothing but its things. Raises DataError as `read_files`.
    """
    files = panoptic_file.read_files(root)
    categories = dict(sorted(files.categories.items()))
    records = SegmentRecords(root, "coco_panoptic", files.reason, [], [], categories, defects=files.defects)
    split_of = {place: split for split, places in files.given.items() for place in places}
    seen: set[Path] = set()
    for place, image in enumerate(files.images):
        if image.path is None:
            records.defects.append(Defect(image.source, f"there is no image {image.name!r}; left out"))
        elif image.path in seen:
            records.defects.append(Defect(image.source, f"{image.name} was annotated before; left out"))
        else:
            seen.add(image.path)
            if place in split_of:
                records.given.setdefault(split_of[place], []).append(len(records.pairs))
            records.pairs.append((image.path, image.png))
            records.segments.append({segment.color: segment.category for segment in image.segments})
    return records
