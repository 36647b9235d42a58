"""Label Studio's key points written: SPLIT.json to be imported, label_config.xml for the project, and images/SPLIT/."""

from __future__ import annotations

from zorki.data.annotations.drafts.instances import Place
from zorki.data.annotations.drafts.keypoints import KeypointDraft
from zorki.data.formats.label_studio import results
from zorki.data.formats.label_studio.write import write_tasks
from zorki.files import write_text
from zorki.types import Keypoints


def write_keypoints(draft: KeypointDraft) -> Place:
    """A rectangle an object, and each labeled joint as a key point that is its child."""
    for split in draft.members:
        tasks = ((name, _regions(draft, found, size)) for _, name, found, size in draft.targets(split))
        write_tasks(draft.folder, split, tasks)
    names = {results.RECTANGLES: draft.data.class_names, results.KEYPOINTS: draft.skeleton.names}
    write_text(draft.folder / "label_config.xml", results.config(names))
    draft.say("hidden", "label_studio has no flags of joints: {} hidden ones are read as visible")
    draft.say("crowd", "label_studio knows no crowd objects: {} are written as ordinary ones")
    draft.lost.append(
        "label_studio keeps neither the order of joints (they are read by their names') nor limbs, OKS sigmas, areas "
        "and ids"
    )
    return lambda split, name: draft.folder / "images" / split / name


def _regions(draft: KeypointDraft, found: Keypoints, size: tuple[int, int]) -> list[results.Result]:
    assert found.xyxy is not None
    classes = [draft.class_name(found, row) for row in range(len(found))]
    boxes = results.box_results(found.xyxy.tolist(), classes, size)
    joints = results.keypoint_results(
        found.points.tolist(), found.labeled.tolist(), draft.skeleton.names, [box["id"] for box in boxes], size
    )
    return [*boxes, *joints]
