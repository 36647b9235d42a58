"""`zorki convert`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from zorki.class_selection import ClassSelection
from zorki.cli.flags.data import AllowOutside
from zorki.data.formats import choices, writable
from zorki.output import say
from zorki.recipe import describe

if TYPE_CHECKING:
    from zorki.cli.conversion.kinds import Kind
    from zorki.types import Defect


def convert(
    data: Annotated[Path, Parameter(help="Dataset with boxes, masks or joints, in any format that can be read.")],
    *,
    to: Annotated[
        str,
        Parameter(
            help=f"Format to write. Boxes: {', '.join(writable('boxes'))}. Masks of objects: "
            f"{', '.join(writable('instances'))}. A class for every pixel: {', '.join(writable('masks'))}. "
            f"Joints: {', '.join(writable('keypoints'))}."
        ),
    ],
    out: Annotated[Path, Parameter(help="New folder to write; nothing is overwritten.")],
    task: Annotated[
        str | None,
        Parameter(help="Task whose annotation is written, where the data suit several; `zorki tasks` lists tasks."),
    ] = None,
    format: Annotated[str | None, Parameter(help=f"Format of the data; empty: detected ({choices()}).")] = None,
    image_folder: Annotated[
        Path | None, Parameter(help="Folder of the images, where it is not that of the boxes.")
    ] = None,
    allow_outside: AllowOutside = False,
    class_attribute: Annotated[str | None, Parameter(help=describe("class_attribute")["help"])] = None,
    unlabeled: Annotated[str, Parameter(help=describe("unlabeled")["help"])] = "background",
    link: Annotated[bool, Parameter(help="Link to the images instead of copying them.", negative="")] = False,
    no_images: Annotated[bool, Parameter(help="Write the annotation only.", negative="")] = False,
) -> None:
    """Convert boxes, masks or joints from one format to another. Broken and rescaled images are left out and reported.

    What is written follows from the format and the data: boxes where both have them, else masks of objects; for labelme
    and VIA polygons where every object has an outline. --task asks for another.
    """
    from zorki.cli.conversion.kinds import OBJECTS, kind_of, prefers_masks
    from zorki.data.annotations.boxes.dataset import BoxDataset
    from zorki.data.annotations.outside import outside_allowed
    from zorki.engine.data_check import counted, summary
    from zorki.errors import RecipeError

    kind = kind_of(data, to, task, format)
    if link and no_images:
        raise RecipeError("--link and --no-images exclude each other; choose one")
    selection = ClassSelection.parse(attribute=class_attribute, unlabeled=unlabeled)
    with outside_allowed(allow_outside):
        dataset = _read(kind, data, format, image_folder, selection, need_images=not no_images)
        if task is None and isinstance(dataset, BoxDataset) and prefers_masks(dataset, to):
            kind = OBJECTS
            dataset = _read(kind, data, format, image_folder, selection, need_images=not no_images)
    say(f"{data}: read as {dataset.format}: {dataset.reason}")
    defects = dataset.defects
    if not no_images:
        dataset, defects = _whole(kind, dataset)
    if defects:
        say(f"{counted(defects)}:")
        say("\n".join(summary(defects)))
    lost = kind.write(dataset, out, to, None if no_images else "link" if link else "copy")
    for words in lost:
        say(f"warning: {words}")
    splits = ", ".join(f"{name} {len(indices)}" for name, indices in dataset.splits.items())
    counts = [f"{len(dataset)} images ({splits})", kind.count(dataset), f"{len(dataset.class_names)} classes"]
    say(f"{out}: {', '.join(filter(None, counts))}, as {to}")


def _whole(kind: Kind, dataset: Any) -> tuple[Any, list[Defect]]:
    """The data without the images that are broken or of another size than is meant, and all defects."""
    from zorki.engine.data_check import survey
    from zorki.errors import DataError

    data_survey = survey(dataset)
    broken = set().union(*dataset.splits.values()) - set().union(*data_survey.splits.values())
    if not broken:
        return dataset, data_survey.defects
    whole = kind.keep(dataset, [index for index in range(len(dataset)) if index not in broken])
    if not any(whole.splits.values()):
        raise DataError(f"{dataset.root}: no image is whole; the first: {data_survey.defects[len(dataset.defects)]}")
    return whole, data_survey.defects


def _read(
    kind: Kind, data: Path, format: str | None, folder: Path | None, selection: ClassSelection, *, need_images: bool
) -> Any:
    """The data; images that are not wanted are looked at only where their sizes stand nowhere else."""
    from zorki.errors import DataError

    try:
        found = kind.read(data, format, folder, need_images, selection)
        if need_images or kind.sizes(found).min() > 0:
            return found
    except DataError:
        if need_images or not data.exists():
            raise
    return kind.read(data, format, folder, True, selection)
