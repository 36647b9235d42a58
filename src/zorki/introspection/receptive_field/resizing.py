"""What making maps larger, and dealing channels out as pixels, does to a field."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from torch import Tensor

from zorki.introspection.receptive_field.field import Field
from zorki.introspection.receptive_field.rules import Rule, Sees, argument_of, rule_for


@rule_for("upsample_bilinear2d", "upsample_trilinear3d")
def _interpolate(sees: Sees, arguments: Sequence[Any], output: Tensor) -> Field | None:
    """Each position sees the two around its place; the bound is that of all of them, which lie differently."""
    field = sees(arguments[0])
    if field is None:
        return None
    corners = bool(argument_of(arguments, 2, False))
    for dimension in range(2, output.dim()):
        have, want = arguments[0].shape[dimension], output.shape[dimension]
        if have == want:
            continue
        ratio = Fraction(have - 1, max(1, want - 1)) if corners else Fraction(have, want)
        start = Fraction(0) if corners else (ratio - 1) / 2
        places = [(start + ratio * place, ratio * place) for place in range(want)]
        first = min(math.floor(place) - ahead for place, ahead in places)
        last = max(math.ceil(place) - ahead for place, ahead in places)
        field = field.resample(dimension, first, last, ratio, want)
    return field


@rule_for("max_unpool2d")
def _unpool(sees: Sees, arguments: Sequence[Any], output: Tensor) -> Field | None:
    """A position can hear from the window that it lies in; where in it the maximum was is taken as given."""
    field = sees(arguments[0])
    if field is None:
        return None
    for dimension in range(2, output.dim()):
        ratio = Fraction(1, max(1, round(output.shape[dimension] / arguments[0].shape[dimension])))
        field = field.resample(dimension, ratio - 1, Fraction(0), ratio, output.shape[dimension])
    return field


def _upsample(reach: int) -> Rule:
    def rule(sees: Sees, arguments: Sequence[Any], output: Tensor) -> Field | None:
        field = sees(arguments[0])
        if field is None:
            return None
        for dimension in range(2, output.dim()):
            ratio = Fraction(arguments[0].shape[dimension], output.shape[dimension])
            slack = max(1 - ratio, Fraction(0)) if reach == 0 else Fraction(reach)
            field = field.resample(dimension, -slack, Fraction(reach), ratio, output.shape[dimension])
        return field

    return rule


rule_for("upsample_nearest2d", "_upsample_nearest_exact2d", "upsample_nearest3d")(_upsample(0))
rule_for("_upsample_bilinear2d_aa")(_upsample(1))
rule_for("upsample_bicubic2d", "_upsample_bicubic2d_aa")(_upsample(2))


@rule_for("pixel_shuffle")
def _pixel_shuffle(sees: Sees, arguments: Sequence[Any], output: Tensor) -> Field | None:
    field, by = sees(arguments[0]), arguments[1]
    if field is None:
        return None
    batch, channels, height, width = output.shape
    parts = field.reshape(arguments[0].shape, (batch, channels, by, by, height // by, width // by)).dimensions
    mixed = replace(field, dimensions=tuple(parts[d] for d in (0, 1, 4, 2, 5, 3)))
    shuffled = mixed.reshape((batch, channels, height // by, by, width // by, by), output.shape)
    return shuffled.regular(2).regular(3)


@rule_for("pixel_unshuffle")
def _pixel_unshuffle(sees: Sees, arguments: Sequence[Any], output: Tensor) -> Field | None:
    field, by = sees(arguments[0]), arguments[1]
    if field is None:
        return None
    for dimension in (-2, -1):
        places = output.shape[dimension]
        field = field.resample(output.dim() + dimension, Fraction(0), Fraction(by - 1), Fraction(by), places)
    return field
