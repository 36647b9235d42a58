"""`zorki show`."""

from __future__ import annotations

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
    from zorki.engine.data_task import bare_images, read_first, tasks_for
    from zorki.errors import RecipeError
    from zorki.files import output_folder

    if images < 1:
        raise RecipeError(f"--images is {images}: expected one image on the sheet or more")
    if out is not None:
        check_writable(out)
        if out.exists():
            raise RecipeError(f"{out}: is there already, and nothing is written over anything; name another --out")
    if task is None and format is None and (bare := bare_images(Path(data))):
        _show_bare_images(Path(data), bare, images, out, json, all)
        return
    kinds = tasks_for(task, data, format)
    selection = ClassSelection.parse(class_map, only_classes, attribute=class_attribute, unlabeled=unlabeled)
    with outside_allowed(allow_outside):
        kind, dataset, refused = read_first(
            kinds, Path(data), format=format, max_pixels=max_pixels, selection=selection
        )
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
