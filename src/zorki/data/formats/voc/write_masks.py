"""Pascal VOC's masks of classes written: JPEGImages, SegmentationClass and ImageSets/Segmentation."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from zorki.data.annotations.drafts.masks import MaskDraft, Places
from zorki.data.annotations.image_lists import write_lists


def write_masks(draft: MaskDraft) -> Places:
    """JPEGImages/1.jpg and SegmentationClass/1.png, and the lists."""
    write_lists(draft.folder / "ImageSets" / "Segmentation", draft.members, draft.names)

    def place(split: str, name: str) -> tuple[Path, Path]:
        stem = PurePosixPath(name).stem
        return draft.folder / "JPEGImages" / name, draft.folder / "SegmentationClass" / f"{stem}.png"

    return place
