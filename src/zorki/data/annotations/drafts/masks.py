"""What writers of masks of classes work from."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from zorki.contracts import Dataset
from zorki.data.annotations.drafts.new_folder import (
    COPIERS,
    place_image,
)
from zorki.data.annotations.masks.dataset import IGNORE
from zorki.data.annotations.masks.stored import class_palette, write_mask
from zorki.types import Mask

Places = Callable[[str, str], tuple[Path, Path]]  # split and file name to where the image and its mask go


@dataclass
class MaskDraft:
    """What a writer works from; `lost` collects in words what the format cannot say."""

    data: Dataset[Mask]
    folder: Path
    names: list[str]
    members: dict[str, list[int]]
    lost: list[str] = field(default_factory=list)


def write_samples(draft: MaskDraft, images: str | None, place: Places) -> None:
    palette = class_palette(draft.data.class_info().palette)
    jobs = [(index, *place(split, draft.names[index])) for split, own in draft.members.items() for index in own]
    for folder in {path.parent for _, *paths in jobs for path in paths[images is None :]}:
        folder.mkdir(parents=True, exist_ok=True)

    def work(job: tuple[int, Path, Path]) -> bool:
        index, image, mask = job
        target = draft.data.target(index)
        if images is not None:
            place_image(draft.data, index, image, images)
        classes = target.classes.masked_fill(target.classes == target.ignore, IGNORE)
        write_mask(mask, classes, palette)
        return target.weights is not None

    with ThreadPoolExecutor(COPIERS) as pool:
        weighted = sum(pool.map(work, jobs))
    if weighted:
        draft.lost.append(f"{weighted} masks have weights of their pixels: they are not kept")
