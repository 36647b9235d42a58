"""Images varied for training: plain functions on uint8 (3, H, W), and `Augment`, which draws what to do with them.

Functions say what is done and take no chance; `Augment` draws all its numbers at once from the generator that it is
given. No function changes its input, and each returns the very same object where there is nothing to do.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor

from zorki.data.loading.pipeline import seeded
from zorki.data.preprocess.resize_image import resize_image
from zorki.data.transforms.elastic import displacement_field, draw_displacements
from zorki.data.transforms.geometry import (
    Affine,
    crop_size,
    cut_maps,
    cut_window,
    mirror,
    mirror_vertical,
    move,
    turn,
    warp_image,
    warp_maps,
    warp_weights,
)
from zorki.errors import RecipeError


def cover_square(image: UInt8[Tensor, "3 H W"], row: int, column: int, side: int) -> UInt8[Tensor, "3 H W"]:
    """CutOut (DeVries & Taylor, 2017): a square about a pixel, in pixels, filled with the image's mean color.

    What of the square leaves the image is cut off, as in the paper, section 3.2; the paper fills with the
    mean of the dataset, which a single image does not know.
    """
    if side <= 0:
        return image
    top, left = row - side // 2, column - side // 2
    mean = image.float().mean((1, 2), keepdim=True)
    covered = image.clone()
    covered[:, max(0, top) : max(0, top + side), max(0, left) : max(0, left + side)] = mean.round().to(torch.uint8)
    return covered


_GRAY = (0.299, 0.587, 0.114)  # luma of BT.601, the Y of YIQ
# How RGB changes with a small turn of the (I, Q) plane of YIQ (FCC, 1953) at fixed Y: inverse(YIQ) J YIQ.
_TURN = (
    (0.16773971, 0.32930952, -0.49704924),
    (-0.32811313, 0.03546699, 0.29264614),
    (1.2495459, -1.0463392, -0.2032067),
)


def color_matrix(saturation: float, hue: float) -> list[list[float]]:
    """The 3 x 3 matrix on RGB that multiplies saturation and turns hue by a share of the circle; gray stays gray.

    Hue is turned in the (I, Q) plane of YIQ, saturation is the distance from gray in it. A turn of HSV's hue, such
    as torchvision's, is no matrix; it takes twenty times as long, and changes the brightness.
    """
    angle = 2 * math.pi * hue
    cosine, sine = saturation * math.cos(angle), saturation * math.sin(angle)
    return [[gray + cosine * ((i == j) - gray) + sine * _TURN[i][j] for j, gray in enumerate(_GRAY)] for i in range(3)]


def vary_colors(
    image: UInt8[Tensor, "3 H W"],
    brightness: float = 1.0,
    contrast: float = 1.0,
    saturation: float = 1.0,
    hue: float = 0.0,
) -> UInt8[Tensor, "3 H W"]:
    """Brightness, contrast, saturation (factors, 1 changes nothing) and hue (share of the circle) in one matrix.

    In this order, as torchvision's ColorJitter names them, but cut off at 0 and 255 once, at the end. Contrast is
    the distance from the image's mean gray.
    """
    if (brightness, contrast, saturation, hue) == (1, 1, 1, 0):
        return image
    pixels = image.float().reshape(3, -1)
    gain = brightness * contrast
    # Gray stays gray under saturation and hue, so the offset of contrast is the same in all three channels; half a
    # level more rounds to the nearest.
    offset = 0.5
    if contrast != 1:
        mean = sum(weight * value for weight, value in zip(_GRAY, pixels.mean(1).tolist(), strict=True))
        offset += (1 - contrast) * brightness * mean
    if (saturation, hue) == (1, 0):
        return _to_levels(pixels.mul_(gain).add_(offset)).reshape(image.shape)
    matrix = torch.tensor(color_matrix(saturation, hue)).mul_(gain)
    return _to_levels(torch.addmm(torch.tensor(offset), matrix, pixels)).reshape(image.shape)


def blur_image(image: UInt8[Tensor, "3 H W"], sigma: float) -> UInt8[Tensor, "3 H W"]:
    """Blurred by a Gaussian of deviation `sigma`, in pixels, cut off at 3 deviations; edges are continued."""
    radius = math.ceil(3 * sigma)
    if radius <= 0:
        return image
    weights = [math.exp(-0.5 * (offset / sigma) ** 2) for offset in range(radius + 1)]
    total = 2 * sum(weights) - weights[0]
    values = image.float()
    for axis, padding in ((1, (0, 0, radius, radius)), (2, (radius, radius, 0, 0))):
        size = image.shape[axis]
        padded = torch.nn.functional.pad(values[None], padding, mode="replicate")[0]
        # Shifted images summed up: twice as fast as a convolution with one channel on the CPU.
        values = padded.narrow(axis, radius, size) * (weights[0] / total)
        for offset in range(1, radius + 1):
            for start in (radius - offset, radius + offset):
                values.add_(padded.narrow(axis, start, size), alpha=weights[offset] / total)
    return _to_levels(values.add_(0.5))


def add_noise(image: UInt8[Tensor, "3 H W"], sigma: float, generator: torch.Generator) -> UInt8[Tensor, "3 H W"]:
    """Gaussian noise of deviation `sigma`, in levels of 255, on every pixel and channel by itself."""
    if sigma <= 0:
        return image
    # Drawn channel by channel whatever the image's layout in memory, for the same noise on the same pixels.
    noise = torch.randn(image.shape, generator=generator)
    return _to_levels(noise.mul_(sigma).add_(image).add_(0.5))


def _to_levels(values: Tensor) -> Tensor:
    # By way of int32: torch's direct road from floats to uint8 takes four times as long.
    return values.clamp_(0, 255).to(torch.int32).to(torch.uint8)


class AugmentParameters(NamedTuple):
    """What `Augment` does to one image: the geometry, and then the pixels."""

    window: tuple[int, int, int, int]  # top, left, height, width of the part that is kept, in original pixels
    flip: bool = False
    flip_vertical: bool = False
    degrees: float = 0.0
    scale: float = 1.0
    colors: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 0.0)  # brightness, contrast, saturation, hue
    blur: float = 0.0
    noise: float = 0.0
    cover: tuple[float, float, float] = (0.5, 0.5, 0.0)  # row and column as shares, side as share of the shorter one
    elastic: Float[Tensor, "2 3 3"] | None = None  # see `draw_displacements`

    def matrix(self, size: int | None = None) -> Affine:
        """Where original points go, before they are bent; for boxes and keypoints. `size`: see `Augment`."""
        top, left, height, width = self.window
        matrix = turn(self.degrees, self.scale, left + width / 2, top + height / 2).then(move(-left, -top))
        if self.flip:
            matrix = matrix.then(mirror(width))
        if self.flip_vertical:
            matrix = matrix.then(mirror_vertical(height))
        return matrix if size is None else matrix.then(Affine(size / width, 0.0, 0.0, 0.0, size / height, 0.0))

    @property
    def mirrors(self) -> bool:
        """Whether left becomes right, as of a body's sides; flipped both ways an image is only turned upside down."""
        return self.flip != self.flip_vertical

    @property
    def warps(self) -> bool:
        """Whether pixels go elsewhere than to pixels: turned, rescaled or bent."""
        return bool(self.degrees) or self.scale != 1 or self.elastic is not None

    def shifts(self) -> Float[Tensor, "2 height width"] | None:
        """How the window is bent, after `matrix`; see `warp_image`."""
        return None if self.elastic is None else displacement_field(self.elastic, *self.window[2:])


@dataclass(frozen=True)
class Augment:
    """Varies images: `augment(image, generator)`; each field says how strongly, and 0 (random_crop: 1) does nothing.

    Numbers are drawn evenly from their range. The geometry is one window of the turned and rescaled image, the
    pixels follow in the order of the fields. Every image draws as many numbers whatever the strengths are, so
    that a strength changed leaves all other chances as they were.

    Attributes:
        hflip: probability of exchanging left and right.
        vflip: probability of exchanging top and bottom.
        random_crop: least share of the area that is kept, see `crop_size`; 1 keeps all.
        translate: share of height and width, in whole pixels, black comes in; 4 / 32 is CIFAR's (He et al., 2016).
        rotate: degrees, either way, about the middle.
        scale_jitter: share by which objects are enlarged or shrunk, below 1.
        brightness: share; a factor from 1 - share to 1 + share.
        contrast: share.
        saturation: share.
        hue: share of the circle, at most 0.5.
        blur: greatest deviation of the Gaussian, in pixels.
        noise: greatest deviation, in levels of 255.
        cutout: side of the covered square as share of the shorter side (DeVries & Taylor, 2017).
        elastic: deviation of displacements on a coarse grid, in pixels of the window, see `displacement_field`.
        image_size: the side in pixels to which crops are resized at once, squeezed to a square as Szegedy et al. (2015)
            do, so that colors work on fewer pixels; None leaves crops as they are.
    """

    hflip: float = 0.0
    vflip: float = 0.0
    random_crop: float = 1.0
    translate: float = 0.0
    rotate: float = 0.0
    scale_jitter: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    cutout: float = 0.0
    elastic: float = 0.0
    image_size: int | None = None

    def __post_init__(self) -> None:
        for name, most in {"hflip": 1, "vflip": 1, "random_crop": 1, "translate": 1, "hue": 0.5, "cutout": 1}.items():
            if not 0 <= getattr(self, name) <= most:
                raise RecipeError(f"{name} must lie in 0..{most}, but is {getattr(self, name)}")
        if self.random_crop == 0 or not 0 <= self.scale_jitter < 1:
            raise RecipeError(
                f"random_crop must be above 0 and scale_jitter in [0, 1), but they are "
                f"{self.random_crop}, {self.scale_jitter}"
            )
        for field in dataclasses.fields(self):
            if (getattr(self, field.name) or 0) < 0:
                raise RecipeError(f"{field.name} must be at least 0, but is {getattr(self, field.name)}")

    def draw(self, height: int, width: int, generator: torch.Generator) -> AugmentParameters:
        """What to do with an image of that size; one call of the generator."""
        u = torch.rand(18, generator=generator, dtype=torch.float64).tolist()
        kept = self.random_crop + (1 - self.random_crop) * u[0]
        part = (height, width) if self.random_crop == 1 else crop_size(height, width, kept, u[1])
        down, right = (math.floor(self.translate * side + 0.5) for side in (height, width))
        top = math.floor(u[2] * (height - part[0] + 1)) + down - math.floor(u[3] * (2 * down + 1))
        left = math.floor(u[4] * (width - part[1] + 1)) + right - math.floor(u[5] * (2 * right + 1))
        return AugmentParameters(
            window=(top, left, *part),
            flip=u[6] < self.hflip,
            flip_vertical=u[7] < self.vflip,
            degrees=self.rotate * (2 * u[8] - 1),
            scale=1 + self.scale_jitter * (2 * u[9] - 1),
            colors=(
                1 + self.brightness * (2 * u[10] - 1),
                1 + self.contrast * (2 * u[11] - 1),
                1 + self.saturation * (2 * u[12] - 1),
                self.hue * (2 * u[13] - 1),
            ),
            blur=self.blur * u[14],
            noise=self.noise * u[15],
            cover=(u[16], u[17], self.cutout),
            elastic=self._bend(u) if self.elastic else None,
        )

    def _bend(self, u: Sequence[float]) -> Tensor:
        # Chance of its own, that follows from the other: numbers drawn here would change the noise that comes after.
        chance = seeded(torch.Generator(), "elastic", *(int(value * 2**53) for value in u[:4]))
        return draw_displacements(self.elastic, chance)

    def __call__(self, image: UInt8[Tensor, "3 H W"], generator: torch.Generator) -> UInt8[Tensor, "3 height width"]:
        """The image varied; the very same object where nothing was to be done."""
        return self.vary(image, self.draw(image.shape[1], image.shape[2], generator), generator)

    def vary(
        self, image: UInt8[Tensor, "3 H W"], drawn: AugmentParameters, generator: torch.Generator
    ) -> UInt8[Tensor, "3 height width"]:
        """The image varied as it was drawn, for those who move points along with it; `generator` makes the noise."""
        image = self._geometry(image, drawn)
        image = vary_colors(image, *drawn.colors)
        image = blur_image(image, drawn.blur)
        image = add_noise(image, drawn.noise, generator)
        if self.cutout:
            (height, width), (row, column, side) = image.shape[1:], drawn.cover
            image = cover_square(image, int(row * height), int(column * width), round(side * min(height, width)))
        return image

    def _geometry(self, image: Tensor, drawn: AugmentParameters) -> Tensor:
        size = self.image_size if self.random_crop < 1 else None
        top, left, height, width = drawn.window
        if drawn.warps:
            image = warp_image(image, drawn.matrix(), (height, width), drawn.shifts())
            return image if size is None else resize_image(image, size, size)
        image = cut_window(image, top, left, height, width)
        if size is not None:
            image = resize_image(image, size, size)
        return _flipped(image, drawn)

    def follow(
        self, maps: Shaped[Tensor, "N H W"], drawn: AugmentParameters, fill: int | bool
    ) -> Shaped[Tensor, "N height width"]:
        """Maps of classes or objects where `vary` takes their image; `fill` where something else comes in.

        Nearest neighbor, so that no value is invented; to the pixel where the image is only cut and flipped.
        """
        if drawn.warps:
            maps = warp_maps(maps, drawn.matrix(), drawn.window[2:], fill, drawn.shifts())
        else:
            maps = _flipped(cut_maps(maps, *drawn.window, fill), drawn)
        return self._thinned(maps)

    def follow_weights(self, maps: Float[Tensor, "N H W"], drawn: AugmentParameters) -> Float[Tensor, "N height width"]:
        """Maps of weights where `vary` takes their image, bilinear; 0 where something else comes in."""
        if drawn.warps:
            maps = warp_weights(maps, drawn.matrix(), drawn.window[2:], drawn.shifts())
        else:
            maps = _flipped(cut_maps(maps, *drawn.window, 0), drawn)
        return self._thinned(maps)

    def _thinned(self, maps: Tensor) -> Tensor:
        """Maps at the size to which crops are resized: those pixels in which the new ones have their centers."""
        if self.image_size is None or self.random_crop == 1:
            return maps
        rows, columns = (
            ((torch.arange(self.image_size) + 0.5) * (side / self.image_size)).long() for side in maps.shape[1:]
        )
        return maps[:, rows][:, :, columns]


def _flipped(values: Tensor, drawn: AugmentParameters) -> Tensor:
    axes = [axis for axis, turned in ((1, drawn.flip_vertical), (2, drawn.flip)) if turned]
    return values.flip(axes) if axes else values
