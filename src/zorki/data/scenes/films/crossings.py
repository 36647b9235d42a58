"""Clips of many objects that cross: they walk both ways, hide each other and pass behind posts, come and go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from jaxtyping import UInt8
from torch import Tensor

from zorki.data.scenes.clips import film
from zorki.data.scenes.layout import litter, pole
from zorki.data.scenes.painting import CROSSING, GRAIN, Canvas, ObjectPose, individual, lamp
from zorki.data.scenes.textures import Chance
from zorki.types import TrackedBoxes

RADIUS = (0.09, 0.13)  # shares of the height
_MARGIN = 1.3  # radii beyond the edge, where a walk begins and ends


def crossing_clip(
    seed: int,
    index: int,
    *,
    frames: int = 120,
    objects: int = 8,
    size: tuple[int, int] = (180, 320),
    posts: int = 1,
    post_width: float = 0.1,
    clutter: float = 0.3,
    population: int = 1000,
) -> tuple[UInt8[Tensor, "T 3 H W"], TrackedBoxes]:
    """Frames, and tracks tight around the visible pixels; a frame in which an object is hidden has no row of it.

    Objects walk steadily from edge to edge, every other one from the right, on lanes that are narrower than they are,
    and begin at different times.

    Args:
        seed, index: the world, and the clip in it; see `clip`.
        objects: how many walk in all, 1 or more.
        posts: how many stand before them, over the whole height.
        post_width: of each, a share of the height; objects are .18 to .26 wide.

    Raises:
        ValueError: an argument is outside its range.
    """
    if min(size) < 1 or frames < 1 or not 1 <= objects <= population or posts < 0 or not 0 <= clutter <= 1:
        raise ValueError(
            "expected a size and frames of 1 or more, 1 <= objects <= population, posts of 0 or more and clutter in "
            f"0..1; got size={size}, frames={frames}, objects={objects}, posts={posts}, clutter={clutter}"
        )
    chance = Chance(CROSSING, seed, index)
    stage = Canvas(*size, lamp(chance))
    stage.ground(chance, clutter)
    for _ in range(round(9 * clutter)):
        litter(stage, chance)
    names = chance.shuffled(range(population))[:objects]
    walks = sorted(
        (_walk(chance, number, objects, size) for number in range(objects)), key=lambda walk: -walk(0.5).y
    )  # the lower stand in front
    places = [size[1] * (number + 1) / (posts + 1) for number in range(posts)]
    return film(
        stage,
        Chance(GRAIN, seed, index),
        [individual(seed, name) for name in names],
        walks,
        frames,
        1.0 + 3 * clutter,
        partial(_posts, places=places, width=post_width * size[0]),
    )


def _posts(canvas: Canvas, places: Sequence[float], width: float) -> None:
    for x in places:
        pole(canvas, x, width)


def _walk(chance: Chance, number: int, objects: int, size: tuple[int, int]) -> Callable[[float], ObjectPose]:
    height, width = size
    radius = height * chance.uniform(*RADIUS)
    lane = height * (0.2 + 0.6 * (number + 0.5) / objects)
    drift = height * chance.uniform(-0.1, 0.1)
    begin, speed = chance.uniform(-0.4, 0.5), chance.uniform(1.0, 1.8)
    turn, leftward = chance.uniform(-0.4, 0.4), number % 2 == 1
    reach = _MARGIN * radius

    def pose(t: float) -> ObjectPose:
        done = (t - begin) * speed
        x = -reach + (width + 2 * reach) * (1 - done if leftward else done)
        return ObjectPose(round(x, 6), round(lane + drift * (2 * done - 1), 6), radius, turn)

    return pose
