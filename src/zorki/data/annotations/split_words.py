"""Which split a file or a folder belongs to, by a word in its name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from zorki.data.annotations.splits import split_name


def split_in(name: str) -> str | None:
    """The split that a word of a name means: "instances_val2017" is val, "train_labels" is train; else None.

    "trainval" means itself: it is train where nothing else is.
    """
    words = [word for word in re.split(r"[^a-z]+", name.lower()) if word]
    found = {split for word in words if (split := "trainval" if word == "trainval" else split_name(word))}
    return found.pop() if len(found) == 1 else None


def by_split(files: Mapping[Path, str | None]) -> tuple[dict[Path, str | None], list[Path], str | None]:
    """Which of the files are read, which are left out, and why none can be.

    One file is read whatever it is called; of several, those that are named by a split, one for each. What is named
    trainval is read where there is neither train nor val.
    """
    if len(files) == 1:
        return {path: "train" if split == "trainval" else split for path, split in files.items()}, [], None
    chosen = {path: split for path, split in files.items() if split is not None}
    if {"train", "val"} & set(chosen.values()):
        chosen = {path: split for path, split in chosen.items() if split != "trainval"}
    if not chosen or len(set(chosen.values())) < len(chosen):
        names = _names(list(chosen or files))
        return {}, [], f"several files could be meant ({names}), and their names do not tell splits apart; name one"
    plain = {path: "train" if split == "trainval" else split for path, split in chosen.items()}
    return dict(plain), [path for path in files if path not in chosen], None


def _names(paths: Sequence[Path], most: int = 5) -> str:
    return ", ".join(path.name for path in paths[:most]) + (", ..." if len(paths) > most else "")
