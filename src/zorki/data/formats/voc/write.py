"""Pascal VOC written: Annotations/NAME.xml, JPEGImages/ and ImageSets/Main/SPLIT.txt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from zorki.data.annotations.drafts.boxes import BoxDraft, lost_lists, shortest


def write_boxes(draft: BoxDraft) -> Callable[[str, str], Path]:
    """Writes the annotation, and gives where an image goes.

    Corners keep four decimals, without which boxes of other formats would move. A crowd is marked difficult, which all
    tools leave out of the count, and `<crowd>1</crowd>`, by which our reader knows it again.
    """
    for folder in ("Annotations", "ImageSets/Main"):
        (draft.folder / folder).mkdir(parents=True)
    for split, indices in draft.members.items():
        for index in indices:
            _write_file(draft, index)
        _write_set(draft, split, indices)
    if {"train", "val"} <= set(draft.members):
        _write_set(draft, "trainval", sorted(draft.members["train"] + draft.members["val"]))
    _note_losses(draft)
    return lambda split, name: draft.folder / "JPEGImages" / name


def _write_set(draft: BoxDraft, split: str, indices: list[int]) -> None:
    lines = "".join(f"{PurePosixPath(draft.names[index]).stem}\n" for index in indices)
    (draft.folder / "ImageSets" / "Main" / f"{split}.txt").write_text(lines, encoding="utf-8")


def _write_file(draft: BoxDraft, index: int) -> None:
    data, name = draft.data, draft.names[index]
    root = Element("annotation")
    _add(root, "folder", "JPEGImages")
    _add(root, "filename", name)
    size = SubElement(root, "size")
    for tag, value in zip(("width", "height", "depth"), (*reversed(data.size(index)), 3), strict=True):
        _add(size, tag, str(value))
    _add(root, "segmented", "0")
    rows = data.rows(index)
    for row in range(rows.start, rows.stop):
        crowd = data.crowd is not None and bool(data.crowd[row])
        difficult = data.difficult is not None and bool(data.difficult[row])
        thing = SubElement(root, "object")
        _add(thing, "name", data.class_names[int(data.labels[row])])
        _add(thing, "pose", "Unspecified")
        _add(thing, "truncated", "0")
        _add(thing, "difficult", str(int(difficult or crowd)))
        if crowd:
            _add(thing, "crowd", "1")
        box = SubElement(thing, "bndbox")
        for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), data.xyxy[row].tolist(), strict=True):
            _add(box, tag, shortest(value))
    indent(root)
    path = draft.folder / "Annotations" / f"{PurePosixPath(name).stem}.xml"
    ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _add(parent: Element, tag: str, text: str) -> None:
    SubElement(parent, tag).text = text


def _note_losses(draft: BoxDraft) -> None:
    if count := draft.count("crowd"):
        draft.lost.append(f"voc knows no crowd boxes: {count} are marked difficult, and <crowd> for zorki's reader")
    lost_lists(draft, "voc", "voc has no place for outlines")
