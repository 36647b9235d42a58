"""Splits that never change: a file's name alone decides where it belongs, by a hash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b

SYNONYMS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
"""Words for splits, in small letters, and the name that each goes by here."""

ORDER: Sequence[str] = ("train", "val", "test")

SHARES: Mapping[str, float] = {"val": 0.15, "test": 0.15}
"""What is held out of data without any split."""

VAL_SHARE = 0.1
"""What is held out of train for val where only val is missing."""


def split_name(word: str) -> str | None:
    """The split that a word means, in any case: "Validation" is val; None where it means none."""
    return SYNONYMS.get(word.strip().lower())


def position(name: str) -> float:
    """A number in [0, 1) that depends on the name alone: the same on every machine, in every year."""
    return int.from_bytes(blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest(), "big") / 2**64


def held_out_split(names: Sequence[str], shares: Mapping[str, float] = SHARES) -> dict[str, list[int]]:
    """Indices of `names` in train and in each held-out split, by a hash of the name.

    A name's split depends on nothing but the name and the shares: not on the order, and not on other names, so that
    adding files moves none. The shares are therefore met only roughly, and **a split of a tiny dataset can be
    empty**: the caller must look. Names should be paths relative to the dataset's root, with forward slashes.

    Raises:
        ValueError: a share is negative, or they leave nothing for train, or one is named train.
    """
    if any(share < 0 for share in shares.values()) or sum(shares.values()) >= 1 or "train" in shares:
        raise ValueError(f"shares must be held out of train: positive, below 1 in sum, and not of train; got {shares}")
    splits: dict[str, list[int]] = {"train": [], **{split: [] for split in shares}}
    for index, name in enumerate(names):
        splits[_choose(position(name), shares)].append(index)
    return splits


def _choose(place: float, shares: Mapping[str, float]) -> str:
    bound = 0.0
    for split, share in shares.items():
        bound += share
        if place < bound:
            return split
    return "train"


def complete_splits(
    given: Mapping[str, Sequence[int]], names: Sequence[str], *, unit: str = "file"
) -> tuple[dict[str, list[int]], str]:
    """The splits that training needs, and where each comes from, in words for a person.

    Data without any split become train, val and test by 70, 15 and 15 %. Where val alone is missing, a tenth of train
    is held out. A test split is never invented beside given ones: what was trained on must not be evaluated on. Data
    without train stay as they are, for evaluation. Held-out splits can be empty where data are few.

    Args:
        given: indices by the data's own words for splits; synonyms are joined ("valid" and "dev" are both val).
        names: the name of every sample, relative to the root; samples of one name stay together.
        unit: what the names are of, for a person.

    Raises:
        ValueError: a word of `given` means no split.
    """
    splits: dict[str, list[int]] = {}
    for word, indices in given.items():
        split = split_name(word)
        if split is None:
            raise ValueError(f"{word!r} means no split; expected one of {', '.join(SYNONYMS)}")
        splits.setdefault(split, []).extend(indices)
    if not splits:
        return held_out_split(names), f"train, val and test: 70, 15 and 15 %, by a hash of each {unit}'s name"
    ordered = {split: sorted(splits[split]) for split in ORDER if split in splits}
    if "train" not in ordered or "val" in ordered:
        return ordered, f"{_and(list(ordered))}: as the data give them"
    own = ordered["train"]
    parts = held_out_split([names[index] for index in own], {"val": VAL_SHARE})
    completed = {split: [own[place] for place in places] for split, places in parts.items()}
    if "test" in ordered:
        completed["test"] = ordered["test"]
    held_out = f"val: {VAL_SHARE:.0%} of train, held out by a hash of each {unit}'s name"
    return completed, f"{_and(list(ordered))}: as the data give them; {held_out}"


def _and(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
