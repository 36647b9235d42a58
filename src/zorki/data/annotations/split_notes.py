"""What is odd about splits: images in several of them, and images in none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from zorki.types import Defect


def split_notes(root: Path, splits: Mapping[str, Sequence[int]], names: Sequence[str]) -> list[Defect]:
    """A note for each two splits that share images, and one for images in no split; `names` are of all images."""
    notes = []
    words = list(splits)
    for number, word in enumerate(words):
        for other in words[number + 1 :]:
            both = set(splits[word]) & set(splits[other])
            if both:
                count = f"{len(both)} image{'' if len(both) == 1 else 's'} ({names[min(both)]})"
                notes.append(
                    Defect(root, f"{count} in {word} and in {other}: training images are evaluated on", note=True)
                )
    outside = sorted(set(range(len(names))) - {index for indices in splits.values() for index in indices})
    if outside:
        count = f"{len(outside)} image{'' if len(outside) == 1 else 's'} ({names[outside[0]]})"
        notes.append(Defect(root, f"{count} in no split: neither trained on nor evaluated", note=True))
    return notes
