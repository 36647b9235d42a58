"""Clips of the synthetic world: shapes that move in nameable ways, with the track of each."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from zorki.data.scenes.layout import arrange, litter, paint, tight_boxes
from zorki.data.scenes.painting import GRAIN, MOTION, Canvas, Individual, ObjectPose, individual, lamp
from zorki.data.scenes.textures import Chance
from zorki.errors import did_you_mean
from zorki.types import Label, TrackedBoxes

MOTIONS: tuple[str, ...] = (
    "left",
    "right",
    "up",
    "down",
    "clockwise",
    "counterclockwise",
    "grow",
    "shrink",
    "circle",
    "bounce",
    "still",
)


@dataclass
class Clip:
    """Frames and all that is true of them.

    Attributes:
        frames: RGB.
        label: the motion of the first object, an index into `MOTIONS`.
        tracks: boxes tight around the visible pixels; frames in which an object is hidden have no row.
        motions: the motion of every object by its identity, as indices into `MOTIONS`.
    """

    frames: UInt8[Tensor, "T 3 H W"]
    label: Label
    tracks: TrackedBoxes
    motions: dict[int, int]


def clip(
    seed: int,
    index: int,
    *,
    frames: int = 16,
    motion: str | None = None,
    size: tuple[int, int] = (96, 128),
    objects: int = 1,
    clutter: float = 0.3,
    population: int = 1000,
) -> Clip:
    """The clip of that number in the world of that seed: the camera stands still, and the objects move.

    Args:
        seed: the world; its individuals are those of its scenes.
        index: the clip.
        frames: how many, 1 or more; a motion is spread over all of them, whatever their number.
        motion: of the first object, one of `MOTIONS`; None draws it by chance.
        size: (height, width) in pixels, each 1 or more.
        objects: how many, 1 or more. The first is in front; the others move as chance will.
        clutter: difficulty, 0..1.
        population: identities are drawn from 0..population-1, without repetition in one clip.

    Raises:
        ValueError: an argument is outside its range.
    """
    if motion is not None and motion not in MOTIONS:
        raise ValueError(f"expected one of {', '.join(MOTIONS)}, got {motion!r}.{did_you_mean(motion, MOTIONS)}")
    if min(size) < 1 or frames < 1 or not 1 <= objects <= population or not 0 <= clutter <= 1:
        raise ValueError(
            "expected a size and frames of 1 or more, 1 <= objects <= population and 0 <= clutter <= 1; got "
            f"size={size}, frames={frames}, objects={objects}, population={population}, clutter={clutter}"
        )
    chance = Chance(MOTION, seed, index)
    names = [motion or chance.pick(MOTIONS)] + [chance.pick(MOTIONS) for _ in range(objects - 1)]
    actors: list[Individual] = []
    for name in names:
        actors.append(_draw(chance, seed, name, population, actors))
    stage = Canvas(*size, lamp(chance))
    stage.ground(chance, clutter)
    for _ in range(round(9 * clutter * chance.uniform(0.6, 1.4))):
        litter(stage, chance)
    paths = [
        _PATHS[name](chance, pose, size)
        for name, pose in zip(names, arrange(chance, objects, size, (0.16, 0.26), math.pi, clutter), strict=True)
    ]
    grain = Chance(GRAIN, seed, index)
    images, tracks = film(stage, grain, actors, paths, frames, 1.0 + 3 * clutter)
    motions = {actor.identity: MOTIONS.index(name) for actor, name in zip(actors, names, strict=True)}
    return Clip(images, Label(MOTIONS.index(names[0])), tracks, motions)


def _draw(chance: Chance, seed: int, motion: str, population: int, taken: list[Individual]) -> Individual:
    """An individual that is not in the clip yet, and whose turning can be seen if it is to turn."""
    turning = motion in ("clockwise", "counterclockwise")
    for _ in range(1000):
        actor = individual(seed, chance.integer(population))
        if actor.identity not in {other.identity for other in taken} and not (turning and actor.shape.symmetry == 0):
            return actor
    raise ValueError(f"a population of {population} has nobody left who can move {motion}; make it larger")


def film(
    stage: Canvas,
    chance: Chance,
    actors: list[Individual],
    paths: list[Callable[[float], ObjectPose]],
    frames: int,
    grain: float,
    foreground: Callable[[Canvas], None] | None = None,
) -> tuple[UInt8[Tensor, "T 3 H W"], TrackedBoxes]:
    """Frames of actors that walk their paths before a stage, and the tracks of what is seen of each.

    Args:
        paths: the pose of each at every moment, 0..1.
        foreground: paints what stands before all.
    """
    images = np.empty((frames, 3, stage.height, stage.width), dtype=np.uint8)
    rows: list[tuple[int, int]] = []
    boxes = [np.zeros((0, 4), dtype=np.float32)]
    for frame in range(frames):
        canvas = stage.copy()
        # The first object is painted last: nobody stands before it.
        for number in reversed(range(len(actors))):
            paint(canvas, actors[number], paths[number](frame / max(1, frames - 1)), number)
        if foreground is not None:
            foreground(canvas)
        images[frame] = canvas.finish(chance, grain)
        seen, xyxy, _ = tight_boxes(canvas.owner, len(actors))
        rows += [(frame, number) for number in seen]
        boxes.append(xyxy)
    tracks = TrackedBoxes(
        frames=torch.tensor([frame for frame, _ in rows], dtype=torch.int64),
        identities=torch.tensor([actors[number].identity for _, number in rows], dtype=torch.int64),
        xyxy=torch.from_numpy(np.concatenate(boxes)),
        labels=torch.tensor([actors[number].label for _, number in rows], dtype=torch.int64),
    )
    return torch.from_numpy(images), tracks


# -- paths: a pose for every moment t in 0..1, in which the object stays within the image -------------------------

Path = Callable[[float], ObjectPose]


def _slide(right: int, down: int) -> Callable[[Chance, ObjectPose, tuple[int, int]], Path]:
    def make(chance: Chance, pose: ObjectPose, size: tuple[int, int]) -> Path:
        height, width = size
        room_x, room_y = max(0.0, width - 2 * pose.radius), max(0.0, height - 2 * pose.radius)
        far = chance.uniform(0.6, 0.95)
        early = chance.uniform(0.0, 1 - far)

        def along(t: float) -> ObjectPose:
            done = early + far * t
            x = pose.radius + room_x * (done if right > 0 else 1 - done) if right else pose.x
            y = pose.radius + room_y * (done if down > 0 else 1 - done) if down else pose.y
            return replace(pose, x=x, y=y)

        return along

    return make


def _spin(sign: int) -> Callable[[Chance, ObjectPose, tuple[int, int]], Path]:
    def make(chance: Chance, pose: ObjectPose, size: tuple[int, int]) -> Path:
        angle = sign * chance.uniform(0.8 * math.pi, 1.5 * math.pi)
        return lambda t: replace(pose, turn=pose.turn + angle * t)

    return make


def _scale(grow: bool) -> Callable[[Chance, ObjectPose, tuple[int, int]], Path]:
    def make(chance: Chance, pose: ObjectPose, size: tuple[int, int]) -> Path:
        small = pose.radius * chance.uniform(0.35, 0.5)
        large = pose.radius * chance.uniform(1.1, 1.4)
        pose = _within(pose, large, size)
        first, last = (small, large) if grow else (large, small)
        # Equal ratios in equal times: the way things grow that come nearer at a steady pace looks uneven.
        ratio = math.log(last / first)
        return lambda t: replace(pose, radius=round(first * math.exp(ratio * t), 6))

    return make


def _circle(chance: Chance, pose: ObjectPose, size: tuple[int, int]) -> Path:
    orbit = max(1.0, chance.uniform(0.7, 1.0) * (min(size) / 2 - pose.radius))
    start, sign = chance.uniform(0.0, 2 * math.pi), chance.pick((-1, 1))
    middle = _within(pose, pose.radius + orbit, size)

    def along(t: float) -> ObjectPose:
        angle = start + sign * 2 * math.pi * t
        x, y = middle.x + orbit * math.cos(angle), middle.y + orbit * math.sin(angle)
        return replace(pose, x=round(x, 6), y=round(y, 6))

    return along


def _bounce(chance: Chance, pose: ObjectPose, size: tuple[int, int]) -> Path:
    """Falls to the lower edge and rises again, twice, on parabolas as under gravity."""
    floor = max(pose.radius, size[0] - pose.radius)
    height = max(0.0, floor - pose.radius) * chance.uniform(0.7, 1.0)

    def along(t: float) -> ObjectPose:
        # Two falls and two rises: the phase is 0 at the top and 1 on the floor.
        phase = abs((2 * t) % 1.0 * 2 - 1)
        return replace(pose, y=floor - height * (1 - (1 - phase) * (1 - phase)))

    return along


def _still(chance: Chance, pose: ObjectPose, size: tuple[int, int]) -> Path:
    return lambda t: pose


def _within(pose: ObjectPose, radius: float, size: tuple[int, int]) -> ObjectPose:
    """The pose moved so that a circle of that radius stays in the image, as far as there is room."""
    height, width = size
    x = min(max(pose.x, radius), width - radius) if width > 2 * radius else width / 2
    y = min(max(pose.y, radius), height - radius) if height > 2 * radius else height / 2
    return replace(pose, x=x, y=y)


_PATHS: dict[str, Callable[[Chance, ObjectPose, tuple[int, int]], Path]] = {
    "left": _slide(-1, 0),
    "right": _slide(1, 0),
    "up": _slide(0, -1),
    "down": _slide(0, 1),
    "clockwise": _spin(1),
    "counterclockwise": _spin(-1),
    "grow": _scale(grow=True),
    "shrink": _scale(grow=False),
    "circle": _circle,
    "bounce": _bounce,
    "still": _still,
}
