"""Label Studio's tasks written: SPLIT.json to be imported, label_config.xml for the project, and images/SPLIT/.

Tasks name images as Label Studio serves local files: /data/local-files/?d=images/train/1.jpg, which needs
LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT set to the written folder
(https://labelstud.io/guide/storage#Local-storage).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from zorki.data.annotations.drafts.boxes import BoxDraft, lost_flags, lost_lists
from zorki.data.annotations.drafts.instances import InstanceDraft, Place, note_flags, note_lists
from zorki.data.formats.label_studio import results
from zorki.files import write_text


def write_boxes(draft: BoxDraft) -> Callable[[str, str], Path]:
    """Writes rectangles, and gives where the image of a split and a name goes."""
    data = draft.data
    for split, indices in draft.members.items():
        tasks = []
        for index in indices:
            rows = data.rows(index)
            names = [data.class_names[label] for label in data.labels[rows].tolist()]
            tasks.append((draft.names[index], results.box_results(data.xyxy[rows].tolist(), names, data.size(index))))
        write_tasks(draft.folder, split, tasks)
    write_text(draft.folder / "label_config.xml", results.config({results.RECTANGLES: data.class_names}))
    lost_flags(draft, ("crowd", "difficult"), "label_studio")
    lost_lists(draft, "label_studio", "rectangles have no outlines, which --task instance_segmentation writes")
    return lambda split, name: draft.folder / "images" / split / name


def write_instances(draft: InstanceDraft) -> Place:
    """Writes polygons, and brushes where an object has holes or several parts, and gives where an image goes."""
    names = draft.data.class_names
    for split in draft.members:
        tasks = (
            (name, results.mask_results(found.masks, [names[label] for label in found.labels.tolist()]))
            for _, name, found in draft.targets(split)
        )
        write_tasks(draft.folder, split, tasks)
    controls = {control: names for control in (results.POLYGONS, results.BRUSHES)}
    write_text(draft.folder / "label_config.xml", results.config(controls))
    note_flags(draft, "label_studio")
    note_lists(draft, "label_studio")
    return lambda split, name: draft.folder / "images" / split / name


def write_tasks(folder: Path, split: str, tasks: Iterable[tuple[str, list[dict[str, Any]]]]) -> None:
    """A split's file, a task a line."""
    with open(folder / f"{split}.json", "w", encoding="utf-8") as file:
        for number, (name, found) in enumerate(tasks):
            image = f"/data/local-files/?d={quote(f'images/{split}/{name}')}"
            task = {"data": {"image": image}, "annotations": [{"result": found}]}
            file.write(("[\n" if number == 0 else ",\n") + json.dumps(task, ensure_ascii=False, allow_nan=False))
        file.write("\n]\n")
