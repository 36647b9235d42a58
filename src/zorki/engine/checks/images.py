"""Checks of images as such: broken, equal, nearly equal, of one color, read in another order of channels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zorki.contracts import Dataset
from zorki.data.image_content import equal_files, notes_of_kinds
from zorki.data.images import read_array
from zorki.engine.checks.pixel_table import LUMA, PixelTable
from zorki.engine.checks.report import Inspection
from zorki.engine.data_check import Survey, by_kind
from zorki.errors import DataError
from zorki.input_files.content import is_file
from zorki.ops.near_pairs import near_vectors
from zorki.types import Defect, Label

if TYPE_CHECKING:
    from jaxtyping import Float32
    from numpy import ndarray

NEAR = 0.997  # cosine of two thumbnails' contrasts from which on their colors are compared
NEAR_LEVELS = 5.0  # of 255: mean difference of two thumbnails' colors, up to which images are nearly the same
MAX_COMPARED = 12_000  # images that are compared with each other
STAND_INS = 3  # copies of one file that make it look like a stand-in
ORDER_SAMPLES = 24  # files that are decoded a second time


def check_files(inspection: Inspection, dataset: Dataset[Any], survey: Survey, table: PixelTable | None) -> None:
    """What could not be read, of images and of annotations, and what the reader took for granted."""
    broken = {defect.path for defect in survey.defects[len(dataset.defects) :] if not defect.note}
    decoded = [] if table is None else list(table.defects.values())
    images = [one for one in survey.defects if one.path in broken and not one.note] + decoded
    if inspection.wants("ZD001") and images:
        inspection.add("ZD001", _first_of(images, "image"), [one.path for one in images])
    annotations = [one for one in survey.defects if not one.note and one.path not in broken]
    if inspection.wants("ZD002"):
        for group in by_kind(annotations):
            inspection.add(
                "ZD002", _first_of(group, "annotation"), list(dict.fromkeys(one.path for one in group)), len(group)
            )
    if inspection.wants("ZD021"):
        paths = sorted({dataset.path(index) for own in dataset.splits.values() for index in own})
        kinds = notes_of_kinds(dataset.root, [path for path in paths if is_file(path)])
        for note in [*(one for one in dataset.defects if one.note), *kinds]:
            inspection.add("ZD021", note.reason, [note.path])


def _first_of(defects: Sequence[Defect], noun: str) -> str:
    count = f"{len(defects)} {noun}{'' if len(defects) == 1 else 's'}"
    return f"{count}: {defects[0].reason}" + (f" ({defects[0].path.name} first)" if len(defects) > 1 else "")


def check_copies(
    inspection: Inspection, dataset: Dataset[Any], splits: Mapping[str, Sequence[int]], table: PixelTable
) -> None:
    """The same image twice: in a split, in two of them, or with two labels."""
    if not inspection.wants("ZD003", "ZD012", "ZD014", "ZD019"):
        return
    split_of = {index: name for name, own in splits.items() for index in own}
    groups = [group for group in _equal(dataset, list(split_of), table) if not _is_flat(table, group)]
    across = [group for group in groups if len({split_of[index] for index in group}) > 1]
    within = [group for group in groups if len({split_of[index] for index in group}) == 1]
    for pair, found in _by_splits(across, split_of).items():
        names = " = ".join(dataset.path(index).name for index in found[0][:2])
        reason = f"{_images(len(found))} of {pair[0]} {'lies' if len(found) == 1 else 'lie'} in {pair[1]} too, {names}"
        inspection.add("ZD012", reason + (" first" if len(found) > 1 else ""), _files(dataset, found), len(found))
    if within:
        copies = sum(map(len, within)) - len(within)
        reason = f"{_images(copies)} {'is a copy' if copies == 1 else 'are copies'} of another one in the same split"
        inspection.add("ZD003", reason, _files(dataset, within), copies)
    _check_labels(inspection, dataset, groups)
    _check_blank(inspection, dataset, table, groups)


def _equal(dataset: Dataset[Any], indices: Sequence[int], table: PixelTable) -> list[list[int]]:
    """Groups with equal pixels among those looked at, and with equal bytes among all files."""
    groups = table.equal()
    times = Counter(map(dataset.path, indices))
    lone = {dataset.path(index): index for index in indices if times[dataset.path(index)] == 1}
    if table.complete or not lone:
        return groups
    seen = {frozenset(group) for group in groups}
    equal = [[lone[path] for path in group] for group in equal_files([path for path in lone if is_file(path)])]
    return groups + [group for group in equal if frozenset(group) not in seen]


def _is_flat(table: PixelTable, group: Sequence[int]) -> bool:
    rows = table.rows_of(group[:1])
    return bool(len(rows)) and bool(table.flat[rows[0]])


def _by_splits(groups: Sequence[Sequence[int]], split_of: Mapping[int, str]) -> dict[tuple[str, str], list[list[int]]]:
    """For each pair of splits a group with one sample of the first, then the others of the group."""
    order = list(dict.fromkeys(split_of.values()))
    found: dict[tuple[str, str], list[list[int]]] = {}
    for group in groups:
        own = sorted({split_of[index] for index in group}, key=order.index)
        for place, one in enumerate(own):
            for other in own[place + 1 :]:
                first = next(index for index in group if split_of[index] == one)
                second = next(index for index in group if split_of[index] == other)
                found.setdefault((one, other), []).append([first, second])
    return found


def _check_labels(inspection: Inspection, dataset: Dataset[Any], groups: Sequence[Sequence[int]]) -> None:
    """Copies that are called otherwise."""
    conflicts = []
    for group in groups:
        targets = [dataset.target_arrays(index) for index in group]
        if isinstance(targets[0], Label) and len({target.index for target in targets}) > 1:
            conflicts.append(group)
    if conflicts:
        names = [dataset.class_names[dataset.target_arrays(index).index] for index in conflicts[0]]
        reason = f"{len(conflicts)} of the images that are there twice or more have several labels, such as "
        listed = " and ".join(dict.fromkeys(names))
        inspection.add("ZD014", reason + listed, _files(dataset, conflicts), len(conflicts))


def _check_blank(
    inspection: Inspection, dataset: Dataset[Any], table: PixelTable, groups: Sequence[Sequence[int]]
) -> None:
    blank = table.indices[table.flat].tolist()
    if blank:
        are = "is" if len(blank) == 1 else "are"
        inspection.add("ZD019", f"{_images(len(blank))} {are} of one color", _files(dataset, [blank]), len(blank))


def _files(dataset: Dataset[Any], groups: Sequence[Sequence[int]]) -> list[Any]:
    return list(dict.fromkeys(dataset.path(index) for group in groups for index in group))


def _images(count: int) -> str:
    return f"{count:,} image{'' if count == 1 else 's'}"


def check_near(
    inspection: Inspection, dataset: Dataset[Any], splits: Mapping[str, Sequence[int]], table: PixelTable
) -> None:
    """Images of two splits that are nearly the same: resized, compressed, brightened, or the next frame."""
    if "ZD004" not in inspection.chosen or not inspection.has_time("near-duplicates", 0.8):
        return
    inspection.wants("ZD004")
    split_of = {index: name for name, own in splits.items() for index in own}
    chosen = np.arange(len(table))
    if len(chosen) > MAX_COMPARED:
        chosen = np.sort(np.random.default_rng(0).permutation(len(chosen))[:MAX_COMPARED])
        inspection.leave_out(f"near-duplicates: {MAX_COMPARED:,} of {len(table):,} images were compared, by chance")
    indices = table.indices[chosen].tolist()
    pairs = [
        [indices[a], indices[b]]
        for a, b in _near(table, chosen)
        if table.hashes[chosen[a]] != table.hashes[chosen[b]] and split_of[indices[a]] != split_of[indices[b]]
    ]
    for pair, found in _by_splits(pairs, split_of).items():
        firsts = {index for one in found for index in one if split_of[index] == pair[1]}
        names = " and ".join(dataset.path(index).name for index in found[0])
        are = "is" if len(firsts) == 1 else "are"
        reason = f"{_images(len(firsts))} of {pair[1]} {are} nearly the same as some of {pair[0]}: {names} first"
        inspection.add("ZD004", reason, _files(dataset, found), len(firsts))


def _near(table: PixelTable, chosen: ndarray) -> Iterator[tuple[int, int]]:
    """Pairs of rows, of `chosen`, of images that are nearly the same but for their brightness."""
    contrasts = table.contrasts()[chosen]
    colors = table.thumbnails[chosen]
    for a, b, _ in near_vectors(contrasts, NEAR):
        if _difference(colors[a], colors[b]) <= NEAR_LEVELS:
            yield a, b


def _difference(a: Float32[ndarray, "S S 3"], b: Float32[ndarray, "S S 3"]) -> float:
    """Mean difference of colors in levels of 255, after the brightness of one is brought to that of the other."""
    gain = float(((b @ LUMA).std() + 1e-3) / ((a @ LUMA).std() + 1e-3))
    moved = (a - a.mean((0, 1))) * gain
    return float(np.abs(moved - (b - b.mean((0, 1)))).mean())


def check_order(inspection: Inspection, dataset: Dataset[Any], indices: Sequence[int]) -> None:
    """Decodes some files once more, by Pillow alone, and compares the channels."""
    if "ZD018" not in inspection.chosen:
        return
    swapped = []
    looked = 0
    for index in indices[:: max(1, len(indices) // ORDER_SAMPLES)][:ORDER_SAMPLES]:
        path = dataset.path(index)
        try:
            image = dataset.arrays(index).image
            file = read_array(path) if is_file(path) else None
        except (DataError, OSError):
            continue
        if file is None or not isinstance(image, np.ndarray) or image.shape != file.shape:
            continue
        looked += 1
        if not _same(image, file) and _same(image[::-1], file):
            swapped.append(path)
    if looked and inspection.wants("ZD018") and swapped:
        reason = (
            f"{len(swapped)} of {looked} images that were looked at have red and blue exchanged against their files"
        )
        inspection.add("ZD018", reason, swapped)


def _same(a: ndarray, b: ndarray) -> bool:
    return bool(np.abs(a.astype(np.int16) - b).mean() < 1.0)
