"""The joints in COCO's JSON: those of an annotation, and the skeleton that its category tells."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zorki.data.annotations.keypoints.skeletons import skeleton_of
from zorki.data.annotations.records import bounds_of
from zorki.errors import DataError
from zorki.input_files.numbers import integer_in, number_in
from zorki.types import Skeleton

Joints = list[tuple[float, float, float]]


def joints_of(one: dict[str, Any]) -> Joints | str | None:
    """The joints of an annotation, what is wrong with them, or None where it has none."""
    values = one.get("keypoints")
    if values is None:
        return None
    if not isinstance(values, list) or len(values) % 3:
        return "has keypoints that are not a list of x, y and a flag for each joint"
    numbers = [number_in(value) for value in values]
    return list(zip(numbers[0::3], numbers[1::3], numbers[2::3], strict=True))


def category_skeleton(path: Path, category: dict[str, Any]) -> Skeleton | None:
    """The skeleton of a category; None where it names no joints. Raises DataError."""
    names = category.get("keypoints")
    if not names:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError(
            f"{path}: expected the names of joints in the category {category.get('name')!r}, got {names!r:.80}"
        )
    pairs = category.get("flip_pairs")
    sigmas = category.get("sigmas")
    has_sigmas = isinstance(sigmas, list) and len(sigmas) == len(names) and all(number_in(one) > 0 for one in sigmas)
    limbs = _limbs(path, category.get("skeleton"), len(names), first=1)
    return skeleton_of(
        names,
        limbs,
        None if pairs is None else _limbs(path, pairs, len(names), first=0),
        [number_in(one) for one in sigmas] if has_sigmas and isinstance(sigmas, list) else None,
    )


def _limbs(path: Path, value: Any, count: int, *, first: int) -> list[tuple[int, int]]:
    """Pairs of joints, which count from `first`. Raises DataError."""
    found = []
    for pair in value if isinstance(value, list) else []:
        ends = [integer_in(one) for one in pair] if isinstance(pair, list) else []
        places = [one - first for one in ends if one is not None]
        if len(places) != 2 or not all(0 <= place < count for place in places):
            raise DataError(f"{path}: expected pairs of joints {first}..{count - 1 + first}, and one is {pair!r:.40}")
        found.append((places[0], places[1]))
    return found


def box_of_joints(joints: Sequence[tuple[float, float, float]]) -> tuple[float, float, float, float] | None:
    """The upright box around labeled joints; None where these span none."""
    labeled = [value for x, y, flag in joints if flag > 0 for value in (x, y)]
    if len(labeled) < 4:
        return None
    left, top, right, bottom = bounds_of(labeled)
    return (left, top, right, bottom) if left < right and top < bottom else None
