"""Label Studio's choices as classes of images; see `export_file` for the file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from zorki.data.annotations.find_images import ImageFinder
from zorki.data.annotations.labels import LabelRecords
from zorki.data.formats.label_studio import export_file
from zorki.data.formats.label_studio.export_file import EXPECTED, LabelStudioTask
from zorki.data.formats.probe import Probe
from zorki.errors import DataError
from zorki.types import Defect

__all__ = ["EXPECTED", "probe", "read"]


def probe(root: Path) -> Probe:
    """Whether `root` is of this format, and why or why not."""
    found = export_file.find_files(root, export_file.CHOICE)
    return Probe.no(found) if isinstance(found, str) else Probe.yes(export_file.reason_for(root, found))


def read(root: Path) -> LabelRecords:
    """The images with one choice each; classes are sorted by name.

    Where several controls offer choices, the one that most images have is taken, and it is noted. Images without a
    choice, or with several, and those that are not there are left out and told.

    Raises:
        DataError: there is no such file or folder, a file is no JSON, or no image with a choice is there.
    """
    found = export_file.find_files(root, export_file.CHOICE)
    if isinstance(found, str):
        raise DataError(f"{root}: {found}; expected {EXPECTED}")
    files, others = found
    base = root if root.is_dir() else root.parent
    defects = [Defect(path, "left out: its name tells no split, and others' do") for path in others]
    tasks = [(task, split) for path, split in files.items() for task in export_file.read_tasks(path, defects)]
    control = _control(root, [task for task, _ in tasks], defects)
    finder = ImageFinder([*(path.parent / "images" for path in files), *(path.parent for path in files), base])
    names: dict[str, None] = {}
    classes: list[str] = []
    given: dict[str, list[int]] = {}
    for task, split in tasks:
        name = _locate(task, finder, base)
        chosen = task.choices.get(control, [])
        if isinstance(name, Defect):
            defects.append(name)
        elif name in names:
            defects.append(Defect(task.image.source, f"{task.image.name}: was labeled before; left out"))
        elif len(chosen) != 1:
            reason = f"has several choices ({', '.join(chosen)})" if chosen else "has no choice"
            defects.append(Defect(task.image.source, f"{task.image.name}: {reason}; left out"))
        else:
            if split is not None:
                given.setdefault(split, []).append(len(names))
            names[name] = None
            classes.append(chosen[0])
    if not names:
        first = "".join(f"\n  {defect}" for defect in defects[:3])
        raise DataError(f"{root}: no image with a choice is there{':' if first else ''}{first}")
    reason = export_file.reason_for(root, found)
    return LabelRecords(root, base, "label_studio", reason, list(names), classes, given, defects=defects)


def _control(root: Path, tasks: Sequence[LabelStudioTask], defects: list[Defect]) -> str:
    """The control whose choices are the classes."""
    counts = Counter(control for task in tasks for control in task.choices)
    if not counts:
        return ""
    control = max(counts, key=lambda name: counts[name])
    if len(counts) > 1:
        listed = ", ".join(f"{name} ({count} images)" for name, count in counts.most_common())
        defects.append(Defect(root, f"several controls offer choices: {listed}; {control} was taken", note=True))
    return control


def _locate(task: LabelStudioTask, finder: ImageFinder, base: Path) -> str | Defect:
    """The image's path, relative to `base` where it lies there; a defect where it is not there."""
    image = task.image
    near = image.source.parent
    path = finder.find(image.name, near) or (finder.find(image.other_name, near) if image.other_name else None)
    if path is None:
        return Defect(image.source, f"there is no image {image.name!r}; left out")
    return (path.relative_to(base) if path.is_relative_to(base) else path.absolute()).as_posix()
