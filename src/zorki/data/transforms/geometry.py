"""Where the points of an image go: affine maps of the plane, the images they make, windows and crops.

Coordinates are continuous, in pixels: the center of the first pixel is at (0.5, 0.5). Images are uint8 (3, H, W);
maps (N, H, W) say something about each pixel of one, and move with it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor


class Affine(NamedTuple):
    """x' = a x + b y + c and y' = d x + e y + f: where a point of an image goes. Rows of a 2 x 3 matrix."""

    a: float
    b: float
    c: float
    d: float
    e: float
    f: float

    def then(self, after: Affine) -> Affine:
        """This one first, `after` second."""
        return Affine(
            after.a * self.a + after.b * self.d,
            after.a * self.b + after.b * self.e,
            after.a * self.c + after.b * self.f + after.c,
            after.d * self.a + after.e * self.d,
            after.d * self.b + after.e * self.e,
            after.d * self.c + after.e * self.f + after.f,
        )

    def inverse(self) -> Affine:
        """The way back. Raises ZeroDivisionError where the image was pressed flat."""
        a, b, c, d, e, f = self
        determinant = a * e - b * d
        a, b, d, e = e / determinant, -b / determinant, -d / determinant, a / determinant
        return Affine(a, b, -a * c - b * f, d, e, -d * c - e * f)

    def tensor(self) -> Float[Tensor, "2 3"]:
        """The matrix, for points in tensors: points @ matrix[:, :2].T + matrix[:, 2]."""
        return torch.tensor([self[:3], self[3:]])


def move(right: float, down: float) -> Affine:
    """Every point moved, in pixels."""
    return Affine(1.0, 0.0, right, 0.0, 1.0, down)


def turn(degrees: float, scale: float, center_x: float, center_y: float) -> Affine:
    """A turn, counter-clockwise as seen, and an enlargement about one point, in pixels."""
    cosine, sine = scale * math.cos(math.radians(degrees)), scale * math.sin(math.radians(degrees))
    around = Affine(cosine, sine, 0.0, -sine, cosine, 0.0)
    return move(-center_x, -center_y).then(around).then(move(center_x, center_y))


def mirror(width: float) -> Affine:
    """Left and right exchanged in an image of that width, in pixels."""
    return Affine(-1.0, 0.0, width, 0.0, 1.0, 0.0)


def mirror_vertical(height: float) -> Affine:
    """Top and bottom exchanged in an image of that height, in pixels."""
    return Affine(1.0, 0.0, 0.0, 0.0, -1.0, height)


def warp_image(
    image: UInt8[Tensor, "3 H W"],
    matrix: Affine,
    size: tuple[int, int],
    shifts: Float[Tensor, "2 height width"] | None = None,
) -> UInt8[Tensor, "3 height width"]:
    """The image moved by any matrix onto a black canvas of `size` (height, width); bilinear, no anti-aliasing.

    With `shifts`, each pixel of the canvas shows what would be so many pixels right and down of it without them.
    """
    floats = image.to(torch.float32, memory_format=torch.contiguous_format)
    warped = _bilinear(floats, matrix, size, shifts, "zeros")
    return warped.add_(0.5).to(torch.int32).to(torch.uint8)


def warp_maps(
    maps: Shaped[Tensor, "N H W"],
    matrix: Affine,
    size: tuple[int, int],
    fill: int | bool,
    shifts: Float[Tensor, "2 height width"] | None = None,
) -> Shaped[Tensor, "N height width"]:
    """Maps of classes or objects moved like `warp_image`: each pixel takes the value of the pixel that it falls into.

    So that no value is invented; `fill` where the maps do not reach.
    """
    height, width = maps.shape[1:]
    x, y = _sources(matrix, size, shifts)
    columns, rows = x.floor_().to(torch.int64), y.floor_().to(torch.int64)
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    places = torch.where(inside, rows.mul_(width).add_(columns), 0)
    picked = maps.flatten(1).index_select(1, places.flatten())
    return picked.view(len(maps), *size).masked_fill_(~inside, fill)


def warp_weights(
    maps: Float[Tensor, "N H W"],
    matrix: Affine,
    size: tuple[int, int],
    shifts: Float[Tensor, "2 height width"] | None = None,
) -> Float[Tensor, "N height width"]:
    """Maps of weights moved like `warp_image`, bilinear; 0 where they do not reach, and not less at their edges."""
    warped = _bilinear(maps.contiguous(), matrix, size, shifts, "border")
    x, y = _sources(matrix, size, shifts)
    return warped.mul_((x >= 0) & (x < maps.shape[2]) & (y >= 0) & (y < maps.shape[1]))


def _sources(matrix: Affine, size: tuple[int, int], shifts: Tensor | None) -> tuple[Tensor, Tensor]:
    """Where the centers of a canvas's pixels come from: x and y, both (height, width)."""
    back, (height, width) = matrix.inverse(), size
    x, y = torch.arange(width) + 0.5, torch.arange(height)[:, None] + 0.5
    if shifts is not None:
        x, y = x + shifts[0], y + shifts[1]
    return x * back.a + (y * back.b + back.c), x * back.d + (y * back.e + back.f)


def _bilinear(maps: Tensor, matrix: Affine, size: tuple[int, int], shifts: Tensor | None, outside: str) -> Tensor:
    x, y = _sources(matrix, size, shifts)
    # grid_sample wants the image's extent as -1..1.
    grid = torch.empty((1, *size, 2))
    torch.add(x.mul_(2 / maps.shape[2]), -1, out=grid[0, :, :, 0])
    torch.add(y.mul_(2 / maps.shape[1]), -1, out=grid[0, :, :, 1])
    return torch.nn.functional.grid_sample(
        maps[None], grid, mode="bilinear", padding_mode=outside, align_corners=False
    )[0]


def cut_window(
    image: UInt8[Tensor, "3 H W"], top: int, left: int, height: int, width: int
) -> UInt8[Tensor, "3 height width"]:
    """A window of the image by whole pixels, black where it leaves the image; a view where it does not.

    Crops, and shifts too: a window of the image's own size, moved 4 pixels up, is a shift of 4 pixels down, the
    pad-and-crop of CIFAR (Lee et al., 2015; He et al., 2016, section 4.2).
    """
    whole_height, whole_width = image.shape[1:]
    if (top, left, height, width) == (0, 0, whole_height, whole_width):
        return image
    bottom, right = top + height, left + width
    if top >= 0 and left >= 0 and bottom <= whole_height and right <= whole_width:
        return image[:, top:bottom, left:right]
    if top >= whole_height or left >= whole_width or bottom <= 0 or right <= 0:
        return torch.zeros((3, height, width), dtype=torch.uint8)
    rows, columns = (-top, bottom - whole_height), (-left, right - whole_width)
    if image.is_contiguous():
        return torch.nn.functional.pad(image, (*columns, *rows))
    # Decoded images are often laid out pixel by pixel; padded that way they need no transposing.
    return torch.nn.functional.pad(image.permute(1, 2, 0), (0, 0, *columns, *rows)).permute(2, 0, 1)


def cut_maps(
    maps: Shaped[Tensor, "N H W"], top: int, left: int, height: int, width: int, fill: int | bool
) -> Shaped[Tensor, "N height width"]:
    """A window of maps as `cut_window` cuts it from their image; `fill` where it leaves them."""
    whole_height, whole_width = maps.shape[1:]
    rows = slice(max(0, top), max(0, top, min(top + height, whole_height)))
    columns = slice(max(0, left), max(0, left, min(left + width, whole_width)))
    seen = maps[:, rows, columns]
    if seen.shape[1:] == (height, width):
        return seen
    canvas = maps.new_full((len(maps), height, width), fill)
    down, right = rows.start - top, columns.start - left
    canvas[:, down : down + seen.shape[1], right : right + seen.shape[2]] = seen
    return canvas


def crop_size(height: int, width: int, area: float, aspect: float) -> tuple[int, int]:
    """Height and width of a crop of a share of an image's area, in (0, 1].

    `aspect`, in [0, 1], chooses width / height evenly on a logarithmic scale from 3/4 to 4/3 (Szegedy et al., 2015,
    section 6), but only among those that fit into the image, where torchvision draws again until one does. Where
    none fits, because the image is very wide or very tall, the largest crop of the nearest aspect is taken.
    """
    low, high = max(3 / 4, area * width / height), min(4 / 3, width / (height * area))
    if low > high:
        low = high = 4 / 3 if width > height else 3 / 4
    ratio = low * (high / low) ** aspect
    pixels = area * height * width
    crop_height = min(math.sqrt(pixels / ratio), height, width / ratio)
    return max(1, round(crop_height)), max(1, min(width, round(crop_height * ratio)))
