"""The synthetic world: seeded scenes of textured shapes with exact ground truth.

A scene is a function of (seed, index): bit-equal at every call, in every process, in any order. A million scenes need
no storage. One scene has the annotation of every task: class, boxes, class mask, instance masks, places,
identities; `clip` adds motion.
"""

from __future__ import annotations

import math
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from zorki.contracts import Dataset
from zorki.data.images import interleaved
from zorki.data.scenes.clips import MOTIONS, Clip, clip
from zorki.data.scenes.layout import arrange, dress, tight_boxes
from zorki.data.scenes.painting import GRAIN, LAYOUT, ORDER, Canvas, Individual, ObjectPose, individual, lamp
from zorki.data.scenes.shapes import PLACES, SHAPES, turned
from zorki.data.scenes.textures import Chance
from zorki.errors import DataError
from zorki.files import unwritable
from zorki.types import Boxes, Defect, Instances, Keypoints, Label, Mask, Sample

__all__ = ["CLASS_NAMES", "MOTIONS", "PLACES", "Clip", "Scene", "SceneClassification", "clip", "parse", "scene"]

CLASS_NAMES: tuple[str, ...] = tuple(shape.name for shape in SHAPES)


@dataclass
class Scene:
    """An image and all that is true of it.

    Rows of `boxes`, `instances` and `keypoints` are the same objects in the same order, from back to front; objects
    of which no pixel is seen are in none of them. Labels are indices into `CLASS_NAMES`.

    Attributes:
        image: RGB.
        label: the class of the object with the largest visible area; None in a scene without objects.
        boxes: tight around the visible pixels, with identities.
        mask: 0 for ground and clutter, label + 1 for objects.
        instances: the visible pixels of each object.
        keypoints: the `PLACES` of each object, hidden ones flagged 1. Points outside the image are flagged 0, as
            not labeled, but their coordinates are still right. See `Shape.upright` for shapes that look alike in
            several turns.
    """

    image: UInt8[Tensor, "3 H W"]
    label: Label | None
    boxes: Boxes
    mask: Mask
    instances: Instances
    keypoints: Keypoints


def scene(
    seed: int,
    index: int,
    *,
    size: tuple[int, int] = (96, 128),
    objects: int | tuple[int, int] = (1, 4),
    radius: tuple[float, float] = (0.15, 0.3),
    tilt: float = math.pi,
    clutter: float = 0.3,
    population: int = 1000,
    cast: Sequence[int] | None = None,
) -> Scene:
    """The scene of that number in the world of that seed.

    Args:
        seed: the world; identities are the same individuals in all scenes of one world.
        index: the scene.
        size: (height, width) in pixels, each 1 or more.
        objects: how many, or the least and the most.
        radius: the least and the greatest radius of an object, as shares of the image's shorter side.
        tilt: the greatest turn from upright, either way, in radians.
        clutter: difficulty, 0..1: contrast of the ground, litter on it and before the objects, overlap, grain.
        population: identities are drawn from 0..population-1, without repetition in one scene.
        cast: the identities to draw, from back to front, instead of drawing them by chance.

    Raises:
        ValueError: an argument is outside its range.
    """
    height, width = size
    least, most = (objects, objects) if isinstance(objects, int) else objects
    if min(size) < 1 or not 0 <= least <= most or not 0 <= clutter <= 1 or not 0 < radius[0] <= radius[1]:
        raise ValueError(
            "expected a size of 1 or more, 0 <= least <= most objects, 0 < least <= greatest radius and 0 <= clutter "
            f"<= 1; got size={size}, objects={objects}, radius={radius}, clutter={clutter}"
        )
    chance = Chance(LAYOUT, seed, index)
    if cast is None:
        cast = _draw_cast(chance, least + chance.integer(most - least + 1), population)
    actors = [individual(seed, identity) for identity in cast]
    canvas = Canvas(height, width, lamp(chance))
    canvas.ground(chance, clutter)
    poses = arrange(chance, len(actors), size, radius, tilt, clutter)
    dress(canvas, chance, actors, poses, clutter)
    image = canvas.finish(Chance(GRAIN, seed, index), 1.0 + 3 * clutter)
    return _truth(image, canvas, actors, poses)


def _draw_cast(chance: Chance, count: int, population: int) -> list[int]:
    if count > population:
        raise ValueError(f"{count} different objects cannot be drawn from a population of {population}")
    cast: list[int] = []
    while len(cast) < count:
        identity = chance.integer(population)
        if identity not in cast:
            cast.append(identity)
    return cast


def _truth(
    image: UInt8[np.ndarray, "3 H W"], canvas: Canvas, actors: Sequence[Individual], poses: Sequence[ObjectPose]
) -> Scene:
    seen, xyxy, masks = tight_boxes(canvas.owner, len(actors))
    labels = torch.tensor([actors[i].label for i in seen], dtype=torch.int64)
    identities = torch.tensor([actors[i].identity for i in seen], dtype=torch.int64)
    # One more entry for nobody, which the index -1 finds.
    classes = np.array([actor.label + 1 for actor in actors] + [0], dtype=np.int64)[canvas.owner]
    label = None
    if seen:
        areas = masks.sum(axis=(1, 2))
        label = Label(actors[seen[int(areas.argmax())]].label)
    boxes = Boxes(torch.from_numpy(xyxy), labels, identities=identities)
    return Scene(
        image=torch.from_numpy(image),
        label=label,
        boxes=boxes,
        mask=Mask(torch.from_numpy(classes)),
        instances=Instances(boxes.xyxy.clone(), labels.clone(), torch.from_numpy(masks), identities=identities.clone()),
        keypoints=_keypoints(canvas, actors, poses, seen),
    )


def _keypoints(
    canvas: Canvas, actors: Sequence[Individual], poses: Sequence[ObjectPose], seen: Sequence[int]
) -> Keypoints:
    points = np.zeros((len(seen), len(PLACES), 2), dtype=np.float32)
    visibility = np.zeros((len(seen), len(PLACES)), dtype=np.int64)
    for row, i in enumerate(seen):
        actor, pose = actors[i], poses[i]
        cosine, sine = turned(actor.shape.upright(pose.turn))
        for place, (x, y) in enumerate(actor.shape.places(actor.proportion)):
            at_x = pose.x + pose.radius * (x * cosine - y * sine)
            at_y = pose.y + pose.radius * (x * sine + y * cosine)
            points[row, place] = at_x, at_y
            inside = 0 <= at_x < canvas.width and 0 <= at_y < canvas.height
            visibility[row, place] = 0 if not inside else 1 if canvas.covered(at_x, at_y, i) else 2
    labels = torch.tensor([actors[i].label for i in seen], dtype=torch.int64)
    return Keypoints(torch.from_numpy(points), torch.from_numpy(visibility), labels=labels)


SPLIT_REASON = "70 % train, 15 % val, 15 % test by index: every image is independent of the others"


def split_scenes(count: int) -> dict[str, list[int]]:
    """The indices of each split, see `SPLIT_REASON`."""
    first, second = round(0.7 * count), round(0.85 * count)
    return {"train": list(range(first)), "val": list(range(first, second)), "test": list(range(second, count))}


def check_index(index: int, count: int) -> int:
    """The index. Raises IndexError outside 0..count-1."""
    if not 0 <= index < count:
        raise IndexError(f"index {index} is outside the {count} images of scenes")
    return index


def check_clutter(clutter: float) -> None:
    """Raises DataError outside 0..1."""
    if not 0 <= clutter <= 1:
        raise DataError(f"scenes: expected a clutter of 0 to 1, got {clutter}; name one between")


class SceneClassification(Dataset[Label]):
    """Images of one dominant object before a cluttered ground; the question is its class.

    Every ten images in a row show every class once, so all splits are balanced. Each image is a function of (seed,
    index), made when it is asked for; the object is a new individual in every image.

    The object is large and at most 0.4 radians from upright: LeNet-5 learns it in seconds, and does not exhaust it.

    Args:
        count: images in all; 70 % train, 15 % val, 15 % test, in this order.
        seed: the world.
        size: (height, width) in pixels.
        clutter: difficulty, 0..1.

    Raises:
        DataError: count, size or clutter cannot be.
    """

    may_be_mirrored = False

    def __init__(
        self, count: int = 3000, *, seed: int = 0, size: tuple[int, int] = (64, 64), clutter: float = 0.3
    ) -> None:
        if count < 3 * len(CLASS_NAMES):
            raise DataError(
                f"scenes: expected {3 * len(CLASS_NAMES)} images or more, so that every split shows classes to tell "
                f"apart, got {count}; ask for more, as in scenes:{3 * len(CLASS_NAMES)}"
            )
        if min(size) < 8:
            raise DataError(f"scenes: expected images of 8x8 pixels or more, got {size[0]}x{size[1]}; ask for larger")
        check_clutter(clutter)
        self.count, self.seed, self.size, self.clutter = count, seed, size, clutter
        self.root = Path("scenes")
        self.format, self.reason = "scenes", "built in"
        self.class_names = list(CLASS_NAMES)
        self.splits, self.split_reason = split_scenes(count), SPLIT_REASON
        self.defects = []

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample[Label]:
        """The image, painted now. Raises IndexError outside 0..len-1."""
        target, (height, width) = self.target(index), self.size
        made = scene(
            self.seed,
            index,
            size=(height, width),
            radius=(0.36, 0.46),
            tilt=0.4,
            clutter=self.clutter,
            cast=[index * len(CLASS_NAMES) + target.index],
        )
        return Sample(made.image, target, self.path(index))

    def target(self, index: int) -> Label:
        """The class; nothing is painted."""
        block, place = divmod(check_index(index, self.count), len(CLASS_NAMES))
        return Label(Chance(ORDER, self.seed, block).shuffled(range(len(CLASS_NAMES)))[place])

    def path(self, index: int) -> Path:
        """A name for the image, such as scenes/train/000123.png; no such file exists."""
        split = next(name for name, indices in self.splits.items() if check_index(index, self.count) <= indices[-1])
        return self.root / split / f"{index:06d}.png"

    def check(self, index: int) -> Defect | None:
        """None: what is painted on demand cannot be broken."""
        check_index(index, self.count)
        return None

    def write_folders(self, root: Path) -> None:
        """Writes the images as root/<split>/<class>/<index>.png: the folder-per-class layout.

        The tree is written aside, to `<root>.part`, and put in place whole.

        Raises:
            DataError: `root` exists and is not an empty folder, or `<root>.part` exists.
            ZorkiError: the disk is full or the folder is not allowed; nothing is left then.
        """
        from PIL import Image

        root = Path(root)
        if root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise DataError(f"{root}: expected a new or empty folder to write scenes into; name another, or empty it")
        part = root.with_name(f"{root.name}.part")
        if part.exists():
            raise DataError(f"{part}: left by a writing that was broken off; delete it and write again")
        try:
            for split, indices in self.splits.items():
                for name in self.class_names:
                    (part / split / name).mkdir(parents=True)
                for index in indices:
                    sample = self[index]
                    name = self.class_names[sample.target.index]
                    image = Image.fromarray(interleaved(sample.image))
                    image.save(part / split / name / sample.path.name)
            os.replace(part, root)
        except BaseException as error:
            shutil.rmtree(part, ignore_errors=True)
            if isinstance(error, OSError):
                raise unwritable(root, error) from error
            raise


def parse(text: str) -> SceneClassification | None:
    """The dataset that "scenes" or "scenes:COUNT@SIZE" names, see `count_and_size`; None where the text names another.

    >>> len(parse("scenes:2000@32"))
    2000

    Raises:
        DataError: the text begins with "scenes:" and goes on otherwise.
    """
    if text == "scenes":
        return SceneClassification()
    numbers = count_and_size(text)
    if numbers is None:
        return None
    count, size = numbers
    return SceneClassification(count) if size is None else SceneClassification(count, size=size)


def count_and_size(text: str) -> tuple[int, tuple[int, int] | None] | None:
    """How many images, of which (height, width); None where the text does not begin with "scenes:".

    The text is "scenes:COUNT", "scenes:COUNT@SIDE" or "scenes:COUNT@HEIGHTxWIDTH".

    >>> count_and_size("scenes:2000@32"), count_and_size("scenes:2000@96x64")
    ((2000, (32, 32)), (2000, (96, 64)))

    Raises:
        DataError: the text begins with "scenes:" and goes on otherwise.
    """
    word, colon, rest = text.partition(":")
    if word != "scenes" or not colon:
        return None
    read = re.fullmatch(r"(\d+)(?:@(\d+)(?:x(\d+))?)?", rest, re.ASCII)
    if read is None:
        raise DataError(
            f"{text!r}: expected scenes, scenes:COUNT or scenes:COUNT@SIZE, such as scenes:2000@64, or "
            "scenes:2000@96x64 for images of 96 rows and 64 columns"
        )
    count, height, width = read.groups()
    return int(count), (int(height), int(width or height)) if height else None
