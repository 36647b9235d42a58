"""Colors of smoothed edges in masks: rare ones that are mixes of two others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any

import numpy as np

from zorki.data.annotations.masks.stored import color_of
from zorki.data.annotations.masks.value_counts import ValueCounts, total

Array = np.ndarray[Any, np.dtype[Any]]

_RARE = 0.02  # of the pixels at most have one color of an edge
_PLAIN = 0.001  # of the pixels at least have a color that others can be mixes of, where nothing names colors
_OFF = 8.0  # levels by which a mix may be off, as rounding and a JPEG before have it
_MOST_PLAIN = 32  # colors whose mixes are looked for: each pair of them is tried


def plain_colors(counts: Mapping[int, int]) -> list[int]:
    """The commonest colors, the commonest first, which are no mixes of two that are more common."""
    whole = sum(counts.values())
    plain: list[int] = []
    for color in sorted(counts, key=lambda code: -counts[code])[: 4 * _MOST_PLAIN]:
        rare = counts[color] <= _RARE * whole
        if counts[color] < _PLAIN * whole or len(plain) == _MOST_PLAIN:
            break
        if not (rare and _are_mixes(np.array([color]), plain)[0]):
            plain.append(color)
    return plain


def fringe_colors(all_counts: Iterable[ValueCounts], plain: Iterable[int]) -> set[int]:
    """The colors 0xRRGGBB of masks that are rare and lie between two of the `plain` ones."""
    counts = total(mask_counts.colors() for mask_counts in all_counts)
    most = _RARE * sum(counts.values())
    own = set(plain)
    ends = sorted(own & counts.keys(), key=lambda color: -counts[color])[:_MOST_PLAIN]
    rare = np.array([color for color, count in counts.items() if color not in own and count <= most], np.int64)
    return set(rare[_are_mixes(rare, ends)].tolist())


def _are_mixes(colors: Array, ends: list[int]) -> Array:
    """Whether each color lies near the line between two of the ends, and is neither of them."""
    found = np.zeros(len(colors), bool)
    points = np.array([color_of(int(color)) for color in colors], np.float64).reshape(-1, 3)
    for one, other in combinations([np.array(color_of(end), np.float64) for end in ends], 2):
        way = other - one
        share = np.clip((points - one) @ way / max(1.0, float(way @ way)), 0, 1)
        found |= np.linalg.norm(points - one - share[:, None] * way, axis=1) <= _OFF
    return found
