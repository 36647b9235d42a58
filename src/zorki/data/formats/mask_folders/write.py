"""Folders of images and of masks written."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from zorki.data.annotations.drafts.masks import MaskDraft, Places
from zorki.data.annotations.drafts.new_folder import split_folder


def write_masks(draft: MaskDraft) -> Places:
    """train/images/1.jpg and train/masks/1.png; without a split where the only one is called otherwise."""

    def place(split: str, name: str) -> tuple[Path, Path]:
        folder = split_folder(draft.folder, split, draft.members)
        return folder / "images" / name, folder / "masks" / f"{PurePosixPath(name).stem}.png"

    return place
