"""`zorki convert`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from zorki.data.formats.boxed_files import BoxedFiles
    from zorki.types import Defect


def convert(
    data: Annotated[Path, Parameter(help="Folder or file with boxes, in any format that can be read.")],
    *,
    to: Annotated[str, Parameter(help="Format to write: coco, voc or yolo.")],
    out: Annotated[Path, Parameter(help="New folder to write; nothing is overwritten.")],
    format: Annotated[str | None, Parameter(help="Reader to use instead of the recognised one.")] = None,
    picture_folder: Annotated[Path | None, Parameter(help="Where the pictures lie, if not with their boxes.")] = None,
    link: Annotated[bool, Parameter(help="Link to the pictures instead of copying them.", negative="")] = False,
    no_pictures: Annotated[bool, Parameter(help="Write the annotation alone.", negative="")] = False,
) -> None:
    """Turn boxes from one format into another. Broken pictures, and those scaled since, are left out and told."""
    from zorki.data.formats.boxed_writing import WRITERS, write
    from zorki.engine.survey import counted, summary
    from zorki.errors import RecipeError, did_you_mean

    if to not in WRITERS:
        raise RecipeError(f"--to {to}: expected one of {', '.join(WRITERS)}.{did_you_mean(to, WRITERS)}")
    if link and no_pictures:
        raise RecipeError("--link and --no-pictures exclude each other; choose one")
    dataset = _read(data, format, picture_folder, need_pictures=not no_pictures)
    print(f"{data}: read as {dataset.format}: {dataset.reason}")
    defects = dataset.defects
    if not no_pictures:
        dataset, defects = _whole(dataset)
    if defects:
        print(f"{counted(defects)}:")
        print("\n".join(summary(defects)))
    lost = write(dataset, out, to, pictures=None if no_pictures else "link" if link else "copy")
    for words in lost:
        print(f"warning: {words}")
    splits = ", ".join(f"{name} {len(indices)}" for name, indices in dataset.splits.items())
    boxes, classes = len(dataset.xyxy), len(dataset.class_names)
    print(f"{out}: {len(dataset)} pictures ({splits}), {boxes} boxes, {classes} classes, as {to}")


def _whole(dataset: BoxedFiles) -> tuple[BoxedFiles, list[Defect]]:
    """The data without the pictures that are broken or of another size than their boxes mean, and all defects."""
    from zorki.data.formats.boxed_subset import subset
    from zorki.engine.survey import survey
    from zorki.errors import DataError

    looked = survey(dataset)
    broken = set().union(*dataset.splits.values()) - set().union(*looked.splits.values())
    if not broken:
        return dataset, looked.defects
    whole = subset(dataset, [index for index in range(len(dataset)) if index not in broken])
    if not any(whole.splits.values()):
        raise DataError(f"{dataset.root}: no picture is whole; the first: {looked.defects[len(dataset.defects)]}")
    return whole, looked.defects


def _read(data: Path, format: str | None, folder: Path | None, *, need_pictures: bool) -> BoxedFiles:
    """The data with outlines; pictures that are not wanted are looked at only where their sizes stand nowhere else."""
    from zorki.data.formats import read_boxes
    from zorki.errors import DataError

    try:
        found = read_boxes(data, format, need_pictures=need_pictures, need_segments=True, pictures=folder)
        if need_pictures or found.sizes.min() > 0:
            return found
    except DataError:
        if need_pictures or not data.exists():
            raise
    return read_boxes(data, format, need_segments=True, pictures=folder)
