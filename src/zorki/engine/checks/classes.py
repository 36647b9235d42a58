"""Checks of classes and splits: names, counts, drift, groups that are in two splits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zorki.contracts import Dataset
from zorki.contracts.capabilities import Grouped
from zorki.contracts.statistics import DatasetStatistics
from zorki.engine.checks.report import Inspection

RARE = 20  # times as many samples as a class in which the largest one makes it rare
DRIFT = 0.2  # share of the samples that would have to be of another class for two splits to be alike
CHANCE = 1e-4  # probability of a difference as large by chance, at most
TRAIN = "train"
FEW_FILES = 10  # of a group whose name tells it


def check_classes(
    inspection: Inspection, dataset: Dataset[Any], statistics: DatasetStatistics, *, open_set: bool = False
) -> None:
    """Names that are one, classes without training samples, and how their shares differ.

    Args:
        open_set: held-out classes may be new, so that neither their names nor their shares need be those of training.
    """
    names = list(statistics.class_names)
    _check_names(inspection, dataset, names)
    train = np.array(statistics.counts.get(TRAIN, []), float)
    held_out = {split: np.array(counts, float) for split, counts in statistics.counts.items() if split != TRAIN}
    if len(names) < 2 or not train.any():
        inspection.pass_over("ZD005", "ZD006", "ZD007")
        return
    _check_balance(inspection, dataset, names, train, statistics.counted)
    if open_set:
        inspection.pass_over("ZD006", "ZD007")
        return
    _check_missing(inspection, dataset, names, train, held_out, statistics.counted)
    if inspection.wants("ZD006"):
        images = {split: len(indices) for split, indices in dataset.splits.items()}
        for split, counts in held_out.items():
            _check_drift(inspection, dataset, names, (train, counts), split, (images[TRAIN], images[split]))


def _check_names(inspection: Inspection, dataset: Dataset[Any], names: Sequence[str]) -> None:
    if not inspection.wants("ZD008"):
        return
    folded: dict[str, list[str]] = {}
    for name in names:
        folded.setdefault(re.sub(r"[\s_\-]+", "", name).casefold(), []).append(name)
    for alike in folded.values():
        if len(alike) > 1:
            listed = " and ".join(repr(name) for name in alike)
            inspection.add("ZD008", f"the classes {listed} differ in case or spaces alone", [dataset.root], len(alike))


def _check_missing(
    inspection: Inspection,
    dataset: Dataset[Any],
    names: Sequence[str],
    train: Any,
    held_out: Mapping[str, Any],
    counted: str,
) -> None:
    if not inspection.wants("ZD007"):
        return
    for split, counts in held_out.items():
        lacking = [label for label in np.flatnonzero((train == 0) & (counts > 0)).tolist()]
        if lacking:
            listed = ", ".join(f"{names[label]!r} ({int(counts[label]):,})" for label in lacking[:8])
            more = f" and {len(lacking) - 8} more" if len(lacking) > 8 else ""
            what = "1 class has" if len(lacking) == 1 else f"{len(lacking)} classes have"
            reason = f"{what} {counted} in {split} and none in train: {listed}{more}"
            inspection.add("ZD007", reason, [dataset.root], len(lacking))


def _check_balance(
    inspection: Inspection, dataset: Dataset[Any], names: Sequence[str], train: Any, counted: str
) -> None:
    if not inspection.wants("ZD005"):
        return
    largest = int(train.argmax())
    rare = np.flatnonzero((train > 0) & (train * RARE <= train[largest])).tolist()
    if rare:
        listed = ", ".join(f"{names[label]!r} ({int(train[label]):,})" for label in rare[:5])
        more = f" and {len(rare) - 5} more" if len(rare) > 5 else ""
        reason = f"{names[largest]!r} has {int(train[largest]):,} {counted} in train; rare are {listed}{more}"
        inspection.add("ZD005", reason, [dataset.root], len(rare))


def _check_drift(
    inspection: Inspection,
    dataset: Dataset[Any],
    names: Sequence[str],
    counts: tuple[Any, Any],
    split: str,
    images: tuple[int, int],
) -> None:
    """Compares shares; objects and pixels of one image are no independent samples, so images count, not these."""
    seen = (counts[0] > 0) & (counts[1] + counts[0] > 0)  # classes without training samples are told elsewhere
    first, second = counts[0][seen], counts[1][seen]
    if min(images) == 0 or len(first) < 2 or not second.any():
        return
    shares = first / first.sum(), second / second.sum()
    distance = float(np.abs(shares[0] - shares[1]).sum() / 2)
    sizes = min(first.sum(), images[0]), min(second.sum(), images[1])
    if distance < DRIFT:
        return
    from scipy.stats import chi2_contingency  # takes a second to load

    table = np.stack([shares[0] * sizes[0], shares[1] * sizes[1]])
    if chi2_contingency(table[:, table.sum(0) > 0]).pvalue > CHANCE:
        return
    place = int(np.abs(shares[0] - shares[1]).argmax())
    name = names[int(np.flatnonzero(seen)[place])]
    reason = (
        f"{distance:.0%} of {split} would have to be of other classes to be as train; most of all {name!r}: "
        f"{shares[0][place]:.1%} of train, {shares[1][place]:.1%} of {split}"
    )
    inspection.add("ZD006", reason, [dataset.root])


def check_groups(inspection: Inspection, dataset: Dataset[Any], splits: Mapping[str, Sequence[int]]) -> None:
    """Groups that the data tell, and those that names of files tell, on two sides of a split."""
    if not inspection.wants("ZD013"):
        return
    if isinstance(dataset, Grouped):
        groups = dict(enumerate(dataset.groups()))
    else:
        groups = _told_by_names(dataset, splits)
    split_of = {index: name for name, own in splits.items() for index in own}
    members: dict[str, dict[str, list[int]]] = {}
    for index, split in split_of.items():
        if (group := groups.get(index)) is not None:
            members.setdefault(group, {}).setdefault(split, []).append(index)
    shared = {group: own for group, own in members.items() if len(own) > 1}
    if shared:
        group, own = next(iter(shared.items()))
        counts = ", ".join(f"{len(indices)} in {split}" for split, indices in own.items())
        what = "1 group is" if len(shared) == 1 else f"{len(shared)} groups are"
        reason = f"{what} in several splits, such as {group!r} ({counts})"
        files = [dataset.path(indices[0]) for indices in own.values()]
        inspection.add("ZD013", reason, files, len(shared))


_PERSON = re.compile(
    r"(?:^|[_\-/])((?:patient|subject|person|video|vid|clip|scene|seq|case|slide|pt|subj)[_\-]?\d+)", re.I
)


def _told_by_names(dataset: Dataset[Any], splits: Mapping[str, Sequence[int]]) -> dict[int, str]:
    """The group of each sample whose path names one, such as patient12 or video_3; empty where few do."""
    found: dict[int, str] = {}
    for own in splits.values():
        for index in own:
            path = dataset.path(index)
            name = path.relative_to(dataset.root).as_posix() if path.is_relative_to(dataset.root) else path.name
            if (match := _PERSON.search(str(Path(name).with_suffix("")))) is not None:
                found[index] = match[1].lower()
    enough = len(found) >= FEW_FILES and len(set(found.values())) > 1
    return found if enough and len(found) > len(set(found.values())) else {}
