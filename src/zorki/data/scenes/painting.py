"""How the synthetic world is painted: individuals, light, and a canvas that remembers who owns each pixel.

Painting happens in linear light, where light adds and edges blend rightly; the last step takes the square root, which
is close to a screen's curve and, unlike a power of 1/2.2, exactly rounded on every processor.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from zorki.data.scenes.shapes import SHAPES, Shape, turned
from zorki.data.scenes.textures import GROUNDS, TEXTURES, Chance, Color, Field, Table, noise_table, oklch

# What a stream of chance is for: streams of one (seed, index) never meet.
LAYOUT, INDIVIDUAL, GRAIN, MOTION, ORDER, CROSSING = range(6)

Distance = Callable[[Field, Field], Field]

NO_OWNER = -1  # owner of the pixels of ground and clutter


@dataclass(frozen=True)
class Coat:
    """A surface: a texture of two colors in the shape's frame, and how it takes light."""

    first: Color
    second: Color
    texture: str = "plain"
    pitch: float = 3.0  # repeats of the texture a unit of the shape's frame
    turn: float = 0.0  # of the texture within the shape, in radians
    bevel: float = 0.2  # width of the rounded edge, in units of the shape's frame
    gloss: float = 0.3  # strength of the highlight
    table: Table | None = None  # numbers behind noise; None where the texture has none


@dataclass(frozen=True)
class Individual:
    """One object that can be met again: its class, its proportion and its coat. Pose and light are the scene's."""

    identity: int
    label: int
    proportion: float
    coat: Coat

    @property
    def shape(self) -> Shape:
        """The shape of the individual's class."""
        return SHAPES[self.label]


@dataclass(frozen=True)
class ObjectPose:
    """Where an object is: center in pixels, radius of the circle around its frame in pixels, turn in radians.

    A positive turn is clockwise on the screen.
    """

    x: float
    y: float
    radius: float
    turn: float = 0.0


@dataclass(frozen=True)
class Light:
    """One lamp: `x`, `y` point towards it on the screen (length 1); `slant` 0..1 is how low it stands."""

    x: float
    y: float
    slant: float
    color: Color


@lru_cache(maxsize=1024)
def individual(seed: int, identity: int) -> Individual:
    """The individual of that number in the world of that seed; its class is `identity % len(SHAPES)`."""
    chance = Chance(INDIVIDUAL, seed, identity)
    hue, lightness = chance.uniform(0.0, 2 * math.pi), chance.uniform(0.5, 0.74)
    texture = chance.pick(tuple(TEXTURES))
    # The second color is a neighbor, the complement or a tint: intervals that painters call harmonious.
    hue_step = chance.pick((0.0, 0.4, -0.4, 2.1, math.pi))
    step = chance.uniform(0.14, 0.26) * (1 if lightness < 0.62 else -1)
    second = oklch(lightness + step, chance.uniform(0.05, 0.16), hue + hue_step)
    coat = Coat(
        first=oklch(lightness, chance.uniform(0.11, 0.19), hue),
        second=second,
        texture=texture,
        pitch=chance.uniform(2.2, 3.6),
        turn=chance.uniform(0.0, math.pi),
        bevel=chance.uniform(0.12, 0.3),
        gloss=chance.uniform(0.05, 0.6),
        table=noise_table(chance) if texture in ("marble", "mottle") else None,
    )
    return Individual(identity, identity % len(SHAPES), chance.uniform(), coat)


def lamp(chance: Chance) -> Light:
    """A lamp somewhere above the image, between candle and sky in color."""
    # Lamps stand above: people, and photographs, know light from below only as an exception.
    x, y = turned(chance.uniform(-0.9 * math.pi, -0.1 * math.pi))
    warmth = chance.uniform(-1.0, 1.0)
    strength = chance.uniform(0.9, 1.1)
    color = (strength * (1 + 0.07 * warmth), strength, strength * (1 - 0.1 * warmth))
    return Light(x, y, chance.uniform(0.35, 1.0), color)


def _column(color: Color) -> Float32[np.ndarray, "3 1 1"]:
    return np.array(color, dtype=np.float32).reshape(3, 1, 1)


class Canvas:
    """An image in the making. Painting goes from back to front; `owner` holds who is seen at each pixel's center."""

    image: Float32[np.ndarray, "3 H W"]
    owner: Int64[np.ndarray, "H W"]

    def __init__(self, height: int, width: int, light: Light) -> None:
        self.height, self.width, self.light = height, width, light
        self.image = np.zeros((3, height, width), dtype=np.float32)
        self.owner = np.full((height, width), NO_OWNER, dtype=np.int64)
        self._painted: list[tuple[int, Distance, ObjectPose]] = []

    def copy(self) -> Canvas:
        """A canvas of its own with the same paint on it."""
        twin = Canvas(0, 0, self.light)
        twin.height, twin.width = self.height, self.width
        twin.image, twin.owner, twin._painted = self.image.copy(), self.owner.copy(), list(self._painted)
        return twin

    def ground(self, chance: Chance, clutter: float) -> None:
        """Fills the image with a textured ground; clutter raises its contrast and its colors."""
        unit = float(max(self.height, self.width))
        hue, dark = chance.uniform(0.0, 2 * math.pi), chance.integer(2) == 0
        lightness = chance.uniform(0.2, 0.34) if dark else chance.uniform(0.8, 0.93)
        spread = chance.uniform(0.06, 0.12) + 0.2 * clutter * chance.uniform()
        chroma = chance.uniform(0.01, 0.04 + 0.05 * clutter)
        first = oklch(lightness, chroma, hue)
        second = oklch(lightness + (spread if dark else -spread), chroma, hue + chance.uniform(-0.7, 0.7))
        mix = GROUNDS[chance.pick(tuple(GROUNDS))](chance, self.height, self.width, unit)
        np.multiply(mix, _column(second) - _column(first), out=self.image)
        self.image += _column(first)
        self._illuminate()

    def _illuminate(self) -> None:
        """The side of the ground that is nearer to the lamp is brighter, and takes the lamp's color."""
        x = (np.arange(self.width, dtype=np.float32) + 0.5) * (2.0 / self.width) - 1.0
        y = (np.arange(self.height, dtype=np.float32)[:, None] + 0.5) * (2.0 / self.height) - 1.0
        near = 0.94 + 0.16 * (x * self.light.x + y * self.light.y) - 0.05 * (x * x + y * y)
        self.image *= near
        self.image *= _column(self.light.color)

    def paint(
        self,
        distance: Distance,
        pose: ObjectPose,
        coat: Coat,
        owner: int = NO_OWNER,
    ) -> None:
        """Paints a shape with its shadow; its pixels, those whose center is inside, become the owner's.

        The distance field is evaluated once, on the shape's own window; the shadow is the same field, moved by whole
        pixels and softened.
        """
        self._painted.append((owner, distance, pose))
        blur = 0.22 * pose.radius * (0.4 + 0.6 * self.light.slant)
        reach = pose.radius + blur + 2.0
        left, right = math.floor(pose.x - reach), math.ceil(pose.x + reach)
        top, bottom = math.floor(pose.y - reach), math.ceil(pose.y + reach)
        cosine, sine = turned(pose.turn)
        unit = 1.0 / pose.radius
        dx = (np.arange(left, right, dtype=np.float32) + np.float32(0.5 - pose.x)) * np.float32(unit)
        dy = (np.arange(top, bottom, dtype=np.float32)[:, None] + np.float32(0.5 - pose.y)) * np.float32(unit)
        x, y = dx * cosine + dy * sine, dy * cosine - dx * sine
        field = distance(x, y)

        fall = 0.17 * self.light.slant * pose.radius
        self._shade(field, left - round(fall * self.light.x), top - round(fall * self.light.y), blur * unit)
        view, part = self._window(left, top, field)
        if view is None:
            return
        field, x, y = field[part], x[part], y[part]
        cover = np.minimum(np.maximum(0.5 - field * pose.radius, 0.0), 1.0)
        paint = self._lit(field, x, y, (cosine, sine), unit, coat)
        canvas = self.image[:, *view]
        canvas += (paint - canvas) * cover
        self.owner[view][field < 0] = owner

    def covered(self, x: float, y: float, owner: int) -> bool:
        """Whether something that was painted after the owner hides the point (x, y), to the fraction of a pixel."""
        for other, distance, pose in reversed(self._painted):
            if other == owner:
                break
            dx, dy = (x - pose.x) / pose.radius, (y - pose.y) / pose.radius
            if dx * dx + dy * dy > 1.1:
                continue
            cosine, sine = turned(pose.turn)
            at = np.array([[dx * cosine + dy * sine], [dy * cosine - dx * sine]], dtype=np.float32)[..., None]
            if float(distance(at[0], at[1])[0, 0]) < 0:
                return True
        return False

    def _window(self, left: int, top: int, field: Field) -> tuple[tuple[slice, slice] | None, tuple[slice, slice]]:
        """Where a field with that corner meets the image: in the image (None: nowhere), and in the field."""
        height, width = field.shape
        rows = slice(max(0, top), min(self.height, top + height))
        columns = slice(max(0, left), min(self.width, left + width))
        part = (slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left))
        return (None if rows.start >= rows.stop or columns.start >= columns.stop else (rows, columns)), part

    def _shade(self, field: Field, left: int, top: int, blur: float) -> None:
        """Darkens what lies under a soft shadow; shadows are a little blue, since the sky still lights them."""
        view, part = self._window(left, top, field)
        if view is None:
            return
        soft = np.minimum(np.maximum(0.5 - field[part] * (0.5 / blur), 0.0), 1.0)
        soft *= soft * (3.0 - 2.0 * soft)
        self.image[:, *view] *= 1.0 - soft * _column((0.62, 0.58, 0.5))

    def _lit(
        self, field: Field, x: Field, y: Field, turn: tuple[float, float], pixel: float, coat: Coat
    ) -> Float32[np.ndarray, "3 H W"]:
        """The coat's colors under the lamp: Lambert's law on a rounded edge, and Phong's highlight on it."""
        cosine, sine = turned(coat.turn)
        u, v = x * cosine + y * sine, y * cosine - x * sine
        table = np.zeros((1, 1), dtype=np.float32) if coat.table is None else coat.table
        mix = TEXTURES[coat.texture](u, v, pixel, coat.pitch, table)
        # The field's slope points outwards; near the edge the surface leans that way, flat within.
        lean = np.maximum(1.0 + np.minimum(field, 0.0) * (1.0 / coat.bevel), 0.0)
        facing = np.zeros_like(field)
        facing[:, 1:-1] += (field[:, 2:] - field[:, :-2]) * (0.5 / pixel * self.light.x)
        facing[1:-1] += (field[2:] - field[:-2]) * (0.5 / pixel * self.light.y)
        if min(facing.shape) > 2:
            # Where the image's edge cuts the window, the slope beside it serves.
            facing[:, 0], facing[:, -1] = facing[:, 1], facing[:, -2]
            facing[0], facing[-1] = facing[1], facing[-2]
        facing *= lean
        # The lamp in the shape's frame, for the slow fall of light over the whole object.
        along = self.light.x * turn[0] + self.light.y * turn[1]
        across = self.light.y * turn[0] - self.light.x * turn[1]
        light = 0.86 + 0.34 * facing + 0.1 * (x * along + y * across)
        shine = np.maximum(facing, 0.0) * (lean * (1.0 - lean) * 4.0)
        shine *= shine * coat.gloss
        base = _column(coat.first) + (_column(coat.second) - _column(coat.first)) * mix
        return (base * light + shine) * _column(self.light.color)

    def finish(self, chance: Chance, grain: float) -> UInt8[np.ndarray, "3 H W"]:
        """The image in 8 bits with film grain of about `grain` levels' deviation."""
        count = self.height * self.width
        # The sum of two uniform numbers is a triangle of deviation 104, near enough to a bell.
        noise = (chance.octets(count) + chance.octets(count) - 255.0) * np.float32(grain / 104)
        levels = np.sqrt(np.minimum(np.maximum(self.image, 0.0), 1.0)) * 255.0
        levels += noise.reshape(self.height, self.width) + 0.5
        return np.minimum(np.maximum(levels, 0.0), 255.0).astype(np.uint8)
