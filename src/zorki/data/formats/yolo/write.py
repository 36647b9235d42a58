"""YOLO's text files written: data.yaml, images/SPLIT/ and labels/SPLIT/NAME.txt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from zorki.data.annotations.drafts.boxes import BoxDraft, lost_flags, shortest
from zorki.data.annotations.drafts.instances import InstanceDraft, Place, note_flags
from zorki.data.annotations.splits import split_name
from zorki.ops.polygons import bridged, outline


def write_boxes(draft: BoxDraft) -> Callable[[str, str], Path]:
    """Writes the annotation, and gives where the image of a split and a name goes.

    Shares keep ten decimals. An image without boxes gets an empty file. A box that leaves its image, by less than a
    pixel, is cut off at the edge where one of its four shares would else lie outside of 0 to 1: trainers refuse those.
    """
    for split, indices in draft.members.items():
        folder = draft.folder / "labels" / split
        folder.mkdir(parents=True)
        for index in indices:
            path = folder / f"{PurePosixPath(draft.names[index]).stem}.txt"
            path.write_text(_lines(draft, index), encoding="utf-8")
    data = draft.data
    write_settings(draft.folder, list(draft.members), data.class_names, draft.lost)
    lost_flags(draft, ("crowd", "difficult"), "yolo")
    if data.image_ids is not None or data.category_ids != list(range(1, len(data.class_names) + 1)):
        draft.lost.append("yolo has no ids of images, boxes and classes: classes are numbered from 0 in their order")
    if data.segments is not None and any(data.segments):
        draft.lost.append("yolo's boxes have no outlines: the boxes alone are kept")
    return lambda split, name: draft.folder / "images" / split / name


def write_settings(folder: Path, splits: Sequence[str], class_names: Sequence[str], lost: list[str]) -> None:
    """Writes data.yaml: where the images of each split lie, and the names of the classes."""
    import yaml

    settings = {split_name(split) or "train": f"images/{split}" for split in splits}
    if "all" in splits:
        lost.append("yolo's settings must name a split: all images are written as train")
    names = dict(enumerate(class_names))
    text = yaml.safe_dump({**settings, "nc": len(names), "names": names}, sort_keys=False, allow_unicode=True)
    (folder / "data.yaml").write_text(text, encoding="utf-8")


def _lines(draft: BoxDraft, index: int) -> str:
    data, (height, width) = draft.data, draft.data.size(index)
    rows = data.rows(index)
    lines = []
    for row in range(rows.start, rows.stop):
        corners = [value / side for value, side in zip(data.xyxy[row].tolist(), (width, height) * 2, strict=True)]
        shares = _shares(corners)
        if not all(0 <= share <= 1 for share in shares):
            shares = _shares([min(1.0, max(0.0, corner)) for corner in corners])
        lines.append(f"{int(data.labels[row])} {' '.join(shortest(share, 10) for share in shares)}\n")
    return "".join(lines)


def _shares(corners: list[float]) -> list[float]:
    left, top, right, bottom = corners
    return [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]


_DECIMALS = 7  # of shares: enough to fill the same pixels of an image of 100,000 a side


def write_instances(draft: InstanceDraft) -> Place:
    """data.yaml, images/SPLIT and labels/SPLIT."""
    for split in draft.members:
        folder = draft.folder / "labels" / split
        folder.mkdir(parents=True)
        for _, name, found in draft.targets(split):
            height, width = found.masks.shape[1:]
            lines = []
            for mask, label in zip(found.masks, found.labels.tolist(), strict=True):
                ring = bridged([bridged(part) for part in outline(mask)]) / (width, height)
                lines.append(f"{label} {' '.join(shortest(value, _DECIMALS) for value in ring.ravel().tolist())}\n")
            (folder / f"{PurePosixPath(name).stem}.txt").write_text("".join(lines), encoding="utf-8")
    write_settings(draft.folder, list(draft.members), draft.data.class_names, draft.lost)
    note_flags(draft, "yolo")
    return lambda split, name: draft.folder / "images" / split / name
