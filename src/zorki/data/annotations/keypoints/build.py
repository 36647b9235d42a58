"""From records to a dataset of joints, all of one skeleton."""

from __future__ import annotations

import numpy as np

from zorki.data.annotations.boxes.build import ReadOptions, build
from zorki.data.annotations.keypoints.dataset import KeypointDataset
from zorki.data.annotations.keypoints.joint_columns import JointColumns
from zorki.data.annotations.records import Records
from zorki.errors import DataError
from zorki.types import Defect, Skeleton


def build_keypoints(records: Records, options: ReadOptions) -> KeypointDataset:
    """The dataset that the records tell of; objects of classes without joints are left out, and counted.

    Raises:
        DataError: classes have different skeletons, no object has joints, or as `build`.
    """
    skeleton = _one_skeleton(records)
    _leave_out_others(records)
    columns = JointColumns(skeleton)
    boxed = build(records, options, columns)
    points, flags = np.stack(columns.points), np.stack(columns.flags)
    return KeypointDataset(boxed, skeleton, points, flags, np.array(columns.boxless, bool))


def _one_skeleton(records: Records) -> Skeleton:
    """That of all classes that have joints."""
    used = {thing.class_name for image in records.images for thing in image.objects if thing.joints is not None}
    kinds: dict[tuple[str, ...], list[str]] = {}
    for name, skeleton in records.skeletons.items():
        if name in used:
            kinds.setdefault(skeleton.names, []).append(name)
    if len(kinds) > 1:
        skeletons = "; ".join(
            f"{', '.join(names)}: {len(joints)} joints ({joints[0]}, ...)" for joints, names in kinds.items()
        )
        first = next(iter(kinds.values()))[0]
        raise DataError(
            f"{records.root}: the classes have different skeletons, and a network finds one: {skeletons}. Choose "
            f"classes of one skeleton, such as --only-classes {first}"
        )
    if not kinds:
        raise DataError(f"{records.root}: no object in the data has joints, read as {records.format}")
    return records.skeletons[next(iter(kinds.values()))[0]]


def _leave_out_others(records: Records) -> None:
    """Classes without a skeleton, such as the other 79 of COCO."""
    count = 0
    for image in records.images:
        kept = [thing for thing in image.objects if thing.class_name in records.skeletons]
        count += len(image.objects) - len(kept)
        image.objects = kept
    if records.class_names is not None:
        records.class_names = [name for name in records.class_names if name in records.skeletons]
    if count:
        reason = f"{count} objects are of classes without joints; left out"
        records.defects.append(Defect(records.root, reason, note=True))
