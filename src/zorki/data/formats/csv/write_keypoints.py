"""Joints written as tables: SPLIT.csv with a row an image, its name and x and y of each joint, and images/."""

from __future__ import annotations

import csv
import io

from zorki.data.annotations.drafts.boxes import shortest
from zorki.data.annotations.drafts.instances import Place
from zorki.data.annotations.drafts.keypoints import KeypointDraft
from zorki.data.formats.coco.joints import box_of_joints
from zorki.data.formats.csv.read_keypoints import CLASS_NAME
from zorki.errors import DataError
from zorki.files import write_text
from zorki.types import Keypoints


def write_keypoints(draft: KeypointDraft) -> Place:
    """Images with another number of objects than one are left out, and told. Raises DataError where all are."""
    header = [word for name in draft.skeleton.names for word in (f"{name}_x", f"{name}_y")]
    for split in draft.members:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["filename", *header])
        kept = []
        for index, name, found, _ in draft.targets(split):
            if len(found) != 1:
                draft.counts["several"] += 1
                continue
            kept.append(index)
            draft.counts["spans_nothing"] += int(box_of_joints(_joints(found)) is None)
            draft.counts["before"] += sum(flag > 0 and min(x, y) < 0 for x, y, flag in _joints(found))
            writer.writerow([name, *_cells(found)])
        draft.members[split] = kept  # others have no image there either
        write_text(draft.folder / f"{split}.csv", text.getvalue())
    if not any(draft.members.values()):
        raise DataError("csv holds one object an image, and no image of the data has just one; write coco")
    draft.say("several", "csv holds one object an image: {} images with none or several are left out")
    draft.say("spans_nothing", "{} objects have joints that span no box, which readers of tables leave out")
    draft.say("before", "{} labeled joints lie left of the image or above it, where tables have those without a label")
    draft.say("hidden", "csv has no flags: {} hidden joints are read as visible")
    draft.say("crowd", "csv knows no crowd objects: {} are written as ordinary ones")
    draft.lost.append(
        f"csv keeps neither classes (all are read as {CLASS_NAME}) nor boxes (the image is), limbs and OKS sigmas"
    )
    return lambda split, name: draft.folder / "images" / name


def _joints(found: Keypoints) -> list[tuple[float, float, float]]:
    rows = zip(found.points[0].tolist(), found.visibility[0].tolist(), strict=True)
    return [(x, y, flag) for (x, y), flag in rows]


def _cells(found: Keypoints) -> list[str]:
    return [word for x, y, flag in _joints(found) for word in ((shortest(x, 3), shortest(y, 3)) if flag else ("", ""))]
