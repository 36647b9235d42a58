"""`zorki show`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from zorki.class_selection import ClassSelection
from zorki.cli.flags.data import AllowOutside
from zorki.cli.flags.json_output import PRINTED, Json, put_json
from zorki.data.formats import choices
from zorki.output import cell, say
from zorki.recipe import describe

SHEET_SEED = 0
MANY_CLASSES = 20  # more are told by the largest and the rarest
ENDS = 10  # classes at either end
MAX_KINDS = 10  # of defects


def show(
    data: Annotated[str, Parameter(help="Folder or file of the dataset, or scenes:COUNT@SIZE.")],
    *,
    task: Annotated[
        str | None, Parameter(help="Task that the data are for; empty: detected. `zorki tasks` lists tasks.")
    ] = None,
    format: Annotated[str | None, Parameter(help=f"Format of the data; empty: detected ({choices()}).")] = None,
    all: Annotated[bool, Parameter(help="Show every class, every table and every defect.", negative="")] = False,
    out: Annotated[
        Path | None,
        Parameter(help="New file for the sheet, PNG or JPEG; empty: runs/show-1/sheet.png, or the next that is free."),
    ] = None,
    images: Annotated[int, Parameter(help="Number of images on the sheet.")] = 40,
    max_pixels: Annotated[int | None, Parameter(help="Refuse larger images; empty: 178 million.")] = None,
    strict: Annotated[bool, Parameter(help="Stop at the first defect.", negative="")] = False,
    allow_outside: AllowOutside = False,
    class_map: Annotated[str | None, Parameter(help=describe("class_map")["help"])] = None,
    only_classes: Annotated[str | None, Parameter(help=describe("only_classes")["help"])] = None,
    class_attribute: Annotated[str | None, Parameter(help=describe("class_attribute")["help"])] = None,
    unlabeled: Annotated[str, Parameter(help=describe("unlabeled")["help"])] = "background",
    json: Json = None,
) -> None:
    """Inspect a dataset: format, counts, defects, and a sheet of images with their ground truth.

    zorki show photos/
    zorki show photos/ --all
    zorki show photos/ --json dataset.json
    """
    from zorki.data.annotations.outside import outside_allowed
    from zorki.data.images import check_writable, write_image
    from zorki.engine.data_check import content_notes_of, survey
    from zorki.errors import RecipeError
    from zorki.files import output_folder

    if images < 1:
        raise RecipeError(f"--images is {images}: expected one image on the sheet or more")
    if out is not None:
        check_writable(out)
        if out.exists():
            raise RecipeError(f"{out}: is there already, and nothing is written over anything; name another --out")
    if task is None and format is None and (bare := _bare_images(Path(data))):
        _show_bare_images(Path(data), bare, images, out, json, all)
        return
    kinds = _tasks(task, data, format)
    selection = ClassSelection.parse(class_map, only_classes, attribute=class_attribute, unlabeled=unlabeled)
    with outside_allowed(allow_outside):
        kind, dataset, refused = _read(kinds, Path(data), format=format, max_pixels=max_pixels, selection=selection)
    found = survey(dataset, strict=strict)
    found.add(content_notes_of(dataset, found.splits))
    statistics = kind.data.statistics(dataset)
    if json != PRINTED:
        say(f"{data}: read as {dataset.format}: {dataset.reason}")
        say(f"task: {kind.name}" + ("" if task else " (recognized by the format; --task asks for another)"))
        if refused is not None:
            say(f"not {kinds[0].name}: {refused}")
        say(f"splits: {dataset.split_reason}")
        _print_defects(found.defects, all)
        _print_statistics(statistics, found.splits, all)
        if statistics.note:
            say(statistics.note)
    if json != PRINTED or out is not None:
        drawn = _sheet(kind, dataset, found.splits, images)
        out = output_folder(None, "show") / "sheet.png" if out is None else out
        write_image(out, drawn)
    if json != PRINTED:
        say(f"sheet: {out}")
    if json is not None:
        put_json(json, {
            "data": data,
            "task": kind.name,
            "format": dataset.format,
            "reason": dataset.reason,
            "split_reason": dataset.split_reason,
            "class_names": list(dataset.class_names),
            "splits": [{"split": name, "images": len(indices)} for name, indices in found.splits.items()],
            **statistics.to_json(),
            "defects": [defect.to_json() for defect in found.defects],
            "sheet": None if out is None else str(out),
        })  # fmt: skip


def _bare_images(root: Path) -> list[Path]:
    """The images of a folder without anything that tells what is on them; none where a format fits."""
    from zorki.data.annotations.listing import bare_images
    from zorki.data.formats.detect import detect
    from zorki.data.formats.unread import unread

    found = [root / name for name in bare_images(root)]
    return found if found and next(detect(root).matches(), None) is None and unread(root) is None else []


def _show_bare_images(root: Path, paths: list[Path], count: int, out: Path | None, json: str | None, all: bool) -> None:
    """Counts and shows images that have no annotation."""
    from zorki.data.image_content import content_notes
    from zorki.data.images import check_image, image_size, read_array, write_image
    from zorki.draw.images import sheet
    from zorki.errors import DataError
    from zorki.files import output_folder
    from zorki.types import Defect

    defects = [Defect(path, reason) for path in paths if (reason := check_image(path)) is not None]
    broken = {defect.path for defect in defects}
    whole = [path for path in paths if path not in broken]
    if not whole:
        raise DataError(f"{root}: {len(paths)} broken and no other image in it: {defects[0]}")
    sizes = sorted((height * width, height, width) for height, width in map(image_size, whole))
    least, most = (f"{width} x {height}" for _, height, width in (sizes[0], sizes[-1]))
    defects += content_notes(root, {"all": whole})
    if json != PRINTED:
        count_text = f"{len(paths)} image{'' if len(paths) == 1 else 's'}"
        say(f"{root}: {count_text} and no annotation, of {least} to {most} pixels")
        say(f"`zorki predict RUN {root}` runs inference on them; to train, annotate them or sort them in folders")
        if defects:
            _print_defects(defects, all)
    if json != PRINTED or out is not None:
        chosen = whole[:: max(1, len(whole) // count)][:count]
        drawn = sheet([read_array(path) for path in chosen], [path.name for path in chosen])
        out = output_folder(None, "show") / "sheet.png" if out is None else out
        write_image(out, drawn)
    if json != PRINTED:
        say(f"sheet: {out}")
    if json is not None:
        put_json(json, {
            "data": str(root),
            "images": len(paths),
            "defects": [defect.to_json() for defect in defects],
            "sheet": None if out is None else str(out),
        })  # fmt: skip


def _read(kinds: list[Any], data: Path, **options: Any) -> tuple[Any, Any, Exception | None]:
    """The task and its dataset; files that may hold joints and cannot be read so are read by the next task.

    Why not by the first is told last. Where the next cannot read them either, the first one's error counts.
    """
    from zorki.errors import DataError

    try:
        return kinds[0], kinds[0].data.read(data, **options), None
    except DataError as error:
        if "keypoints" not in kinds[0].data.needs or len(kinds) == 1:
            raise
        try:
            return kinds[1], kinds[1].data.read(data, **options), error
        except DataError:
            raise error from None


def _tasks(task: str | None, data: str, format: str | None) -> list[Any]:
    """The task that was asked for, or those whose formats know the data, in the order in which they are tried."""
    from zorki import registry
    from zorki.data.formats.detect import detect
    from zorki.errors import DataError, RecipeError, did_you_mean

    tasks = registry.tasks()
    if task is not None:
        if task not in tasks:
            raise RecipeError(f"no task is named {task!r}.{did_you_mean(task, tasks)} There are: {', '.join(tasks)}")
        return [tasks[task]]
    detection = detect(Path(data))

    def fits(kind: Any) -> bool:
        try:
            return bool(detection.match(*kind.data.needs, format=format))
        except DataError:
            return False

    # Any folder of folders looks like classes, so tasks of labels are asked last; and they say best what is wrong.
    last = [kind for kind in tasks.values() if "labels" in kind.data.needs]
    # Joints stand in files of boxes, which say less.
    rest = sorted(
        (kind for kind in tasks.values() if kind not in last), key=lambda kind: "keypoints" not in kind.data.needs
    )
    found = _first_two(kind for kind in rest if kind.data.needs and fits(kind))
    # A broken file of boxes says what was meant, whatever folders of images lie beside it.
    boxed = bool(found) and "boxes" in found[0].data.needs
    if not boxed and format is None and (error := detection.error()) is not None:
        raise error
    return found or last[:1]


def _first_two(kinds: Iterator[Any]) -> list[Any]:
    """The first that fits, and after one of joints the next, see `_read`: each is looked for in files."""
    first = next(kinds, None)
    if first is None:
        return []
    second = next(kinds, None) if "keypoints" in first.data.needs else None
    return [first] if second is None else [first, second]


def _print_defects(defects: list[Any], all: bool) -> None:
    from zorki.engine.data_check import counted, summary

    if not defects:
        say("no defect found (files were checked, not decoded)")
        return
    say(f"{counted(defects)}{'' if all else ', by kind (--all lists each)'}:")
    say("\n".join([f"  {defect}" for defect in defects] if all else summary(defects, MAX_KINDS)))


def _print_statistics(statistics: Any, splits: dict[str, list[int]], all: bool) -> None:
    """One table: numbers of the dataset, without rows of zeros unless all are shown, and below the classes."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for split in splits:
        table.add_column(split, justify="right")

    def add(title: str, rows: dict[str, dict[str, Any]], indent: str = "  ") -> None:
        if title and rows:
            heading = cell(title)
            heading.stylize("bold")
            table.add_row(heading)
        for name, values in rows.items():
            table.add_row(cell(indent + name), *[_number(values.get(split)) for split in splits])
        table.add_section()

    add("", {"readable images": {split: len(indices) for split, indices in splits.items()}}, indent="")
    for one in statistics.tables:
        rows = {name: row for name, row in one.rows().items() if all or any(row.values())}
        if all or one.brief:
            add(one.title, rows)
    names = statistics.class_names
    totals = [sum(counts[label] for counts in statistics.counts.values()) for label in range(len(names))]
    order = sorted(range(len(names)), key=lambda label: -totals[label])
    title = f"{statistics.counted} per class"
    if len(names) > MANY_CLASSES and not all:
        order = order[:ENDS] + order[-ENDS:]
        title += f": the {ENDS} largest and the {ENDS} rarest of {len(names)} (--all shows all)"
    add(title, {names[label]: {split: statistics.counts[split][label] for split in splits} for label in order})
    Console(width=None if Console().is_terminal else 120).print(table)


def _number(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _sheet(task: Any, dataset: Any, splits: dict[str, list[int]], count: int) -> Any:
    """Images picked evenly over the dataset, which gives every class its share where files are sorted by class."""
    from zorki.draw.images import sheet
    from zorki.errors import DataError

    info = task.data.class_info(dataset)
    indices = sorted({index for members in splits.values() for index in members})
    stride = max(1.0, len(indices) / max(1, count))
    images, captions = [], []
    for place in range(min(count, len(indices))):
        try:
            sample = dataset.arrays(indices[int(place * stride)])
        except DataError:
            continue
        images.append(task.presentation.thumbnail(sample.image, sample.target, info))
        captions.append(task.presentation.caption(sample.target, info))
    if not images:
        raise DataError(f"{dataset.root}: none of the images looked at can be read")
    return sheet(images, captions, cell=task.presentation.thumbnail_side)
