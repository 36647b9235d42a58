"""Where the objects of a scene stand, what litter lies about, and which pixels of each remain to be seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
from jaxtyping import Bool, Float32, Int64

from zorki.data.scenes.painting import Canvas, Coat, Individual, ObjectPose
from zorki.data.scenes.textures import Chance, Field, oklch


def arrange(
    chance: Chance, count: int, size: tuple[int, int], radius: tuple[float, float], tilt: float, clutter: float
) -> list[ObjectPose]:
    """Poses for so many objects that overlap a little; more with clutter, and as little as can be where it is full.

    Args:
        chance: all numbers come from it.
        count: of objects.
        size: (height, width) of the image in pixels.
        radius: the least and the greatest, as shares of the shorter side.
        tilt: the greatest turn from upright, either way, in radians.
        clutter: 0..1.
    """
    height, width = size
    short = min(size)
    poses: list[ObjectPose] = []
    for _ in range(count):
        reach = chance.uniform(*radius) * short
        margin = min((1.0 - 0.25 * clutter) * reach, 0.5 * short)
        best, most = None, -math.inf
        for _ in range(12):
            x, y = chance.uniform(margin, width - margin), chance.uniform(margin, height - margin)
            gaps = [math.hypot(x - other.x, y - other.y) / (reach + other.radius) for other in poses]
            gap = min(gaps, default=math.inf)
            if gap > most:
                best, most = (x, y), gap
            if gap > 0.8 - 0.2 * clutter:
                break
        assert best is not None  # twelve tries, each above minus infinity
        poses.append(ObjectPose(best[0], best[1], reach, chance.uniform(-tilt, tilt)))
    return poses


def dress(
    canvas: Canvas, chance: Chance, actors: Sequence[Individual], poses: Sequence[ObjectPose], clutter: float
) -> None:
    """Paints litter, then the objects from back to front, then a little litter before them."""
    for _ in range(round(9 * clutter * chance.uniform(0.6, 1.4))):
        litter(canvas, chance)
    for number, (actor, pose) in enumerate(zip(actors, poses, strict=True)):
        paint(canvas, actor, pose, number)
    for _ in range(round(3 * clutter * clutter * chance.uniform())):
        litter(canvas, chance)


def paint(canvas: Canvas, actor: Individual, pose: ObjectPose, owner: int) -> None:
    """Paints an individual in a pose; its pixels belong to `owner`."""
    canvas.paint(lambda x, y: actor.shape.distance(x, y, actor.proportion), pose, actor.coat, owner)


def litter(canvas: Canvas, chance: Chance) -> None:
    """Paints a stick or a pebble, which is of no class."""
    short = min(canvas.height, canvas.width)
    radius = short * chance.uniform(0.05, 0.16)
    thick = chance.uniform(0.12, 0.3)
    bend = chance.uniform(-0.35, 0.35)
    pose = ObjectPose(
        chance.uniform(0.0, float(canvas.width)),
        chance.uniform(0.0, float(canvas.height)),
        radius,
        chance.uniform(0.0, math.pi),
    )
    color = oklch(chance.uniform(0.3, 0.85), chance.uniform(0.02, 0.12), chance.uniform(0.0, 2 * math.pi))
    canvas.paint(partial(_stick, thick=thick, bend=bend), pose, Coat(color, color, gloss=0.2, bevel=0.3))


def pole(canvas: Canvas, x: float, width: float) -> None:
    """Paints a gray post over the whole height, which is of no class and hides what is behind."""
    reach = 0.75 * canvas.height
    gray = oklch(0.45, 0.01, 0.0)
    pose = ObjectPose(x, canvas.height / 2, reach, math.pi / 2)
    canvas.paint(partial(_stick, thick=width / 2 / reach, bend=0.0), pose, Coat(gray, gray, gloss=0.1, bevel=0.2))


def _stick(x: Field, y: Field, *, thick: float, bend: float) -> Field:
    """A segment along x, bent by a parabola: near enough to a distance for so small a thing."""
    beyond = np.maximum(np.abs(x) - (0.85 - thick), 0.0)
    across = y - bend * (x * x - 0.3)
    return np.sqrt(beyond * beyond + across * across) - thick


def tight_boxes(
    owner: Int64[np.ndarray, "H W"], count: int
) -> tuple[list[int], Float32[np.ndarray, "N 4"], Bool[np.ndarray, "N H W"]]:
    """Which of the owners 0..count-1 are seen, the tight xyxy box of each, and its pixels."""
    masks = owner[None] == np.arange(count, dtype=np.int64)[:, None, None]
    rows, columns = masks.any(axis=2), masks.any(axis=1)
    seen = np.flatnonzero(rows.any(axis=1)).tolist()
    xyxy = np.zeros((len(seen), 4), dtype=np.float32)
    for line, i in enumerate(seen):
        down, across = np.flatnonzero(rows[i]), np.flatnonzero(columns[i])
        xyxy[line] = (across[0], down[0], across[-1] + 1, down[-1] + 1)
    return seen, xyxy, masks[seen]
