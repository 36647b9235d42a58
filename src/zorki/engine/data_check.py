"""A look at the data before anything is trained on them: which files are whole, what is in the splits."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from zorki.contracts import Dataset
from zorki.errors import DataError, did_you_mean
from zorki.types import Defect, Label

CHECK_THREADS = 8  # threads: a look waits for the disk, not for the processor


@dataclass
class Survey:
    """Splits without the files that are broken, and the defects found by the reader and by the look."""

    splits: dict[str, list[int]]
    defects: list[Defect]
    whole: dict[str, int] = field(default_factory=dict)  # images of the splits that `limit` cut

    def add(self, defects: Iterable[Defect]) -> None:
        """Takes in what decoding found and the look had missed; each defect once."""
        reported = set(self.defects)
        self.defects += [defect for defect in dict.fromkeys(defects) if defect not in reported]

    def learn_from(self, what: str) -> Survey:
        """The same with val's images in train, and no val, where `what` is "trainval"."""
        if what != "trainval":
            return self
        joined = sorted({*self.splits.get("train", []), *self.splits.get("val", [])})
        others = {name: indices for name, indices in self.splits.items() if name not in ("train", "val")}
        return Survey({"train": joined, **others}, self.defects)

    def limit(self, count: int | None) -> Survey:
        """The same with at most so many images of each split but train, the same ones every time; None or 0: all."""
        cut = {name: own for name, own in self.splits.items() if name != "train" and 0 < (count or 0) < len(own)}
        limited = {name: subset(own, count or 0) for name, own in cut.items()}
        return replace(self, splits={**self.splits, **limited}, whole={name: len(own) for name, own in cut.items()})

    def indices(self, split: str) -> list[int]:
        """The whole samples of a split; "all" takes every split. Raises DataError with the splits that there are."""
        if split == "all":
            return sorted({index for indices in self.splits.values() for index in indices})
        if split not in self.splits:
            there = ", ".join(f"{name} ({len(indices)})" for name, indices in self.splits.items())
            raise DataError(f"the data have no split {split!r}; they have {there}.{did_you_mean(split, self.splits)}")
        return self.splits[split]

    def readable(self, dataset: Dataset[Any], split: str) -> list[int]:
        """The same, of which there is one at least.

        Raises:
            DataError: there is no such split, it is empty, or nothing in it can be read, with one of the reasons.
        """
        if indices := self.indices(split):
            return indices
        members = {index for name, held in dataset.splits.items() if split in (name, "all") for index in held}
        if not members:
            held = ", ".join(f"{name} ({len(held)})" for name, held in dataset.splits.items())
            raise DataError(f"{dataset.root}: the split {split} is empty; the data have {held}")
        # Defects of images stand behind those of the data as a whole.
        reason = next((f": {defect}" for defect in reversed(self.defects) if not defect.note), "")
        raise DataError(f"{dataset.root}: none of the {len(members)} images of the split {split} can be read{reason}")


def usual_split(splits: Mapping[str, Sequence[int]]) -> str:
    """What is evaluated where nobody said: test, else val, else all; small data may have none held out."""
    return next((split for split in ("test", "val") if splits.get(split)), "all")


def subset(indices: Sequence[int], count: int) -> list[int]:
    """So many of these, by a chance that is the same every time, in order."""
    import torch

    generator = torch.Generator().manual_seed(0)
    return sorted(indices[place] for place in torch.randperm(len(indices), generator=generator)[:count].tolist())


def subset_by_class(dataset: Dataset[Any], indices: Sequence[int], share: float, seed: int) -> list[int]:
    """A share of the samples of each class, one at least, by a chance that follows from the seed, in order.

    Samples whose target is no single class are one class.
    """
    import torch

    by_class: dict[int, list[int]] = {}
    for index in indices:
        target = dataset.target(index)
        by_class.setdefault(target.index if isinstance(target, Label) else 0, []).append(index)
    generator = torch.Generator().manual_seed(seed)
    found: list[int] = []
    for label in sorted(by_class):
        own = by_class[label]
        count = max(1, round(share * len(own)))
        found += [own[place] for place in torch.randperm(len(own), generator=generator)[:count].tolist()]
    return sorted(found)


def survey(dataset: Dataset[Any], *, strict: bool = False, splits: Sequence[str] | None = None) -> Survey:
    """Looks at every file without decoding it.

    Args:
        strict: raise at the first defect that is more than a note, instead of collecting.
        splits: look only at these; the others are passed on as they are.

    Raises:
        DataError: something is broken and `strict` is set.
    """
    checked = set(dataset.splits if splits is None or "all" in splits else splits)
    chosen = sorted({index for name, indices in dataset.splits.items() if name in checked for index in indices})
    with ThreadPoolExecutor(CHECK_THREADS) as pool:
        found = {index: defect for index, defect in zip(chosen, pool.map(dataset.check, chosen), strict=True) if defect}
    defects = [*dataset.defects, *found.values()]
    grave = [defect for defect in defects if not defect.note]
    if strict and grave:
        raise DataError(f"{grave[0]} ({counted(grave)} in all; without --strict they are left out)")
    whole = {name: [index for index in indices if index not in found] for name, indices in dataset.splits.items()}
    return Survey(whole, defects)


def content_notes_of(dataset: Dataset[Any], splits: Mapping[str, Sequence[int]]) -> list[Defect]:
    """What files of images hold that no header tells; see `content_notes`. A file of several samples is none."""
    from zorki.data.image_content import content_notes

    times = Counter(dataset.path(index) for index in {index for own in splits.values() for index in own})
    lone = {split: [path for path in map(dataset.path, own) if times[path] == 1] for split, own in splits.items()}
    return content_notes(dataset.root, lone)


def counted(defects: Sequence[Defect]) -> str:
    """How many defects, and how many mere notes: "2 defects and 1 note"."""
    notes = sum(defect.note for defect in defects)
    counts = {"defect": len(defects) - notes, "note": notes}
    return " and ".join(f"{count} {word}{'' if count == 1 else 's'}" for word, count in counts.items() if count)


def by_kind(defects: Sequence[Defect]) -> list[list[Defect]]:
    """Defects in groups that say one thing: their reasons differ in numbers and in quoted names at most.

    What was left out or changed stands before mere notes, and the largest groups first.
    """
    groups: dict[tuple[bool, str], list[Defect]] = {}
    for defect in defects:
        groups.setdefault((defect.note, _KIND.sub("", defect.reason)), []).append(defect)
    return sorted(groups.values(), key=lambda group: (group[0].note, -len(group)))


# Quoted names, and numbers with what belongs to them: signs, points, exponents.
_KIND = re.compile(r"""'[^']*'|"[^"]*"|[-+]?\d[\d.,]*(?:e[-+]?\d+)?""")


def summary(defects: Sequence[Defect], most: int = 5) -> list[str]:
    """A few lines about defects, for the terminal: one a kind, with the first of the kind."""
    groups = by_kind(defects)
    lines = [f"  {group[0]}" + (f" (and {len(group) - 1} more like it)" if len(group) > 1 else "") for group in groups]
    if len(lines) > most:
        rest = sum(len(group) for group in groups[most:])
        return [*lines[:most], f"  ... and {rest} more of other kinds: `zorki show --all` lists all"]
    return lines
