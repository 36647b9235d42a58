"""From images of any size to one batch of network inputs, and back: small picklable values.

A model holds one of them, it is saved with the weights, and training, evaluation, prediction and export all use it.
Images stay uint8 RGB; networks normalize themselves. Resizing is bilinear with anti-aliasing, the triangle filter of
PIL and torchvision, by torch's uint8 kernel: a quarter of PIL's time on the same pixels.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from zorki.contracts import Preprocess
from zorki.errors import RecipeError, did_you_mean
from zorki.types import Placement


def resize_image(image: UInt8[Tensor, "3 H W"], height: int, width: int) -> UInt8[Tensor, "3 height width"]:
    """The image in another size: bilinear, anti-aliased, on uint8. The image itself where the size is its own."""
    if image.shape[-2:] == (height, width):
        return image
    return torch.nn.functional.interpolate(
        image[None], (height, width), mode="bilinear", antialias=True, align_corners=False
    )[0]


DARKEST, BRIGHTEST = 0.01, 0.998
"""Shares of an image's values: at the first lies black, at the last white, as microscopists have it (Weigert et al.,
2018: Content-aware image restoration, whose programs take percentiles 1 or 3 and 99.8)."""
LEAST_SPAN = 16  # levels between black and white: what is flatter is noise, and would be made to look like an image


def contrast_levels(image: UInt8[Tensor, "3 H W"]) -> tuple[int, int]:
    """The levels that autocontrast takes for black and for white, of all three channels together."""
    return _black_and_white(_value_counts(image))


def _value_counts(image: UInt8[Tensor, "3 H W"]) -> Int64[Tensor, "256"]:
    return torch.bincount(image.flatten(), minlength=256)


def _black_and_white(counts: Int64[Tensor, "256"]) -> tuple[int, int]:
    counts = counts.cumsum(0)
    shares = torch.tensor([DARKEST, BRIGHTEST], dtype=torch.float64) * counts[-1]
    black, white = torch.searchsorted(counts, shares.ceil().long()).tolist()
    return black, max(white, black + LEAST_SPAN)


def stretch_contrast(image: UInt8[Tensor, "3 H W"], black: int, white: int) -> UInt8[Tensor, "3 H W"]:
    """The image with level `black` at 0 and `white` at 255; in between linear, outside cut off.

    Its negative, where `black` is the brighter one.
    """
    table = ((torch.arange(256.0) - black) * (255 / (white - black))).round().clamp(0, 255).byte()
    return torch.from_numpy(table.numpy()[image.numpy()])


def _has_bright_ground(counts: Int64[Tensor, "256"]) -> bool:
    """Whether more than half of an image's values lie in the upper half between its own black and white.

    Of an image without contrast, whether they lie in the upper half of 0..255.
    """
    black, white = _black_and_white(counts)
    middle = (black + white) // 2 if white - black > LEAST_SPAN else 127
    return int(counts[middle + 1 :].sum()) * 2 > int(counts.sum())


@dataclass(frozen=True)
class Fit:
    """A square from the middle: the shorter side to round(size / crop_share), then the center `size` x `size`.

    Torchvision's Resize and CenterCrop in one. `size` is in pixels; `crop_share` is the cut's share of the shorter
    side, in (0, 1]: 224 / 256 = 0.875 for most ImageNet weights. Raises RecipeError outside these ranges.
    """

    size: int
    crop_share: float = 1.0

    def __post_init__(self) -> None:
        _check_positive(self, "size")
        if not 0 < self.crop_share <= 1:
            raise RecipeError(f"Fit: crop_share must lie in (0, 1], but is {self.crop_share}")

    def __call__(self, images: Sequence[Tensor]) -> tuple[UInt8[Tensor, "B 3 size size"], list[Placement]]:
        """uint8 images (3, H, W) of any sizes to one batch. Raises RecipeError for clips."""
        _check_images(self, images)
        size = self.size
        shorter = round(size / self.crop_share)
        if shorter == size and all(image.shape[1] == size == image.shape[2] for image in images):
            return _stack(images, size, size), [Placement(size, size, input_height=size, input_width=size)] * len(
                images
            )
        batch = torch.empty((len(images), 3, size, size), dtype=torch.uint8)
        return batch, [self._fit(image, shorter, out) for image, out in zip(images, batch, strict=True)]

    def _fit(self, image: Tensor, shorter: int, out: Tensor) -> Placement:
        whole_height, whole_width = image.shape[1:]
        image, skipped_top, skipped_left = _cut_strip(image)
        height, width = image.shape[1:]
        least = min(height, width)
        # Torchvision rounds the longer side down, and the cut's corner to the nearest pixel.
        new_height, new_width = (side * shorter // least for side in (height, width))
        top, left = round((new_height - self.size) / 2), round((new_width - self.size) / 2)
        resized = resize_image(image, new_height, new_width)
        out.copy_(resized[:, top : top + self.size, left : left + self.size])
        scale = shorter / least
        return Placement(
            whole_height,
            whole_width,
            scale,
            float(-left) - skipped_left * scale,
            float(-top) - skipped_top * scale,
            self.size,
            self.size,
        )

    def whole(self) -> Fit:
        """The same with a crop_share of 1."""
        return dataclasses.replace(self, crop_share=1.0)

    def to_json(self) -> dict[str, Any]:
        """Plain values, with "kind": "Fit"."""
        return _to_json(self)


@dataclass(frozen=True)
class Pad:
    """The whole image, unscaled, in the middle of a black `size` x `size` canvas; larger ones are shrunk to fit.

    For images whose pixels mean something as they are (digits, glyphs). `size` is in pixels, at least 1.
    """

    size: int

    def __post_init__(self) -> None:
        _check_positive(self, "size")

    def __call__(self, images: Sequence[Tensor]) -> tuple[UInt8[Tensor, "B 3 size size"], list[Placement]]:
        """uint8 images (3, H, W) of any sizes to one batch. Raises RecipeError for clips."""
        _check_images(self, images)
        size = self.size
        if all(image.shape[1] == size == image.shape[2] for image in images):
            return _stack(images, size, size), [Placement(size, size, input_height=size, input_width=size)] * len(
                images
            )
        batch = torch.zeros((len(images), 3, size, size), dtype=torch.uint8)
        scales = [min(1.0, size / max(image.shape[1:])) for image in images]
        return batch, [_center(image, scale, out) for image, scale, out in zip(images, scales, batch, strict=True)]

    def whole(self) -> Pad:
        """Itself: it cuts nothing off."""
        return self

    def to_json(self) -> dict[str, Any]:
        """Plain values, with "kind": "Pad"."""
        return _to_json(self)


@dataclass(frozen=True)
class Letterbox:
    """The whole image, its longer side scaled to `size`, in the middle of a gray canvas.

    The canvas is the smallest that holds every image of the batch and whose sides are multiples of `stride`, so a
    batch of wide images costs no square. Gray is 114, as in YOLO (Redmon & Farhadi, 2018; Darknet's letterbox).
    `size` and `stride` are in pixels, at least 1.

    With `autocontrast` each image is stretched from black to white before (`contrast_levels`), which evens out what
    microscopes and exposures do. With `dark_ground` an image most of which is bright, between its own black and white,
    is turned to its negative: things that shine on black and things stained on white become one kind. `levels`, those
    that become black and white, are known ones for images that are parts of another.
    """

    canvas: ClassVar = (114, 114, 114)
    size: int
    stride: int = 32
    autocontrast: bool = False
    dark_ground: bool = False
    levels: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        _check_positive(self, "size", "stride")

    def __call__(self, images: Sequence[Tensor]) -> tuple[UInt8[Tensor, "B 3 height width"], list[Placement]]:
        """uint8 images (3, H, W) of any sizes to one batch. Raises RecipeError for clips."""
        _check_images(self, images)
        if self.looks_at_levels:
            images = [stretch_contrast(image, *(self.levels or self._levels_of(image))) for image in images]
        scales = [self.size / max(image.shape[1:]) for image in images]
        sizes = [_scaled(image, scale) for image, scale in zip(images, scales, strict=True)] or [(self.size, self.size)]
        height, width = (math.ceil(max(sides) / self.stride) * self.stride for sides in zip(*sizes, strict=True))
        if images and all(size == (height, width) == image.shape[1:] for size, image in zip(sizes, images)):
            return _stack(images, height, width), [
                Placement(height, width, input_height=height, input_width=width)
            ] * len(images)
        batch = torch.full((len(images), 3, height, width), self.canvas[0], dtype=torch.uint8)
        return batch, [_center(image, scale, out) for image, scale, out in zip(images, scales, batch, strict=True)]

    def whole(self) -> Letterbox:
        """Itself: it cuts nothing off."""
        return self

    def for_parts_of(self, image: UInt8[Tensor, "3 H W"]) -> Letterbox:
        """Itself for tiles of the image, which have the contrast of the whole, and are negatives where it is."""
        return dataclasses.replace(self, levels=self._levels_of(image)) if self.looks_at_levels else self

    @property
    def looks_at_levels(self) -> bool:
        """Whether what becomes of a pixel hangs on the whole image."""
        return self.autocontrast or self.dark_ground

    def _levels_of(self, image: Tensor) -> tuple[int, int]:
        counts = _value_counts(image)
        bright = self.dark_ground and _has_bright_ground(counts)
        black, white = _black_and_white(counts.flip(0) if bright else counts) if self.autocontrast else (0, 255)
        return (255 - black, 255 - white) if bright else (black, white)

    def to_json(self) -> dict[str, Any]:
        """Plain values, with "kind": "Letterbox"."""
        return _to_json(self)


@dataclass(frozen=True)
class Span:
    """The whole image, its shorter side scaled to `shorter`, or its longer to `longest` where that is less.

    It lies in the top left of a canvas that holds every image of the batch and whose sides are multiples of
    `stride`, filled with ImageNet's mean color. Detectors of torchvision's kind (Ren et al., 2015, section 3.3) are
    trained so. All in pixels, at least 1.
    """

    canvas: ClassVar = (124, 116, 104)  # what (0.485, 0.456, 0.406) is in levels
    shorter: int
    longest: int
    stride: int = 32

    def __post_init__(self) -> None:
        _check_positive(self, "shorter", "longest", "stride")
        if self.longest < self.shorter:
            raise RecipeError(f"Span: longest ({self.longest}) must be at least shorter ({self.shorter})")

    def __call__(self, images: Sequence[Tensor]) -> tuple[UInt8[Tensor, "B 3 height width"], list[Placement]]:
        """uint8 images (3, H, W) of any sizes to one batch. Raises RecipeError for clips."""
        _check_images(self, images)
        scales = [min(self.shorter / min(image.shape[1:]), self.longest / max(image.shape[1:])) for image in images]
        # Torchvision rounds down; what a float misses by its last bit shall not cost a pixel.
        sizes = [
            tuple(max(1, int(side * scale + 1e-6)) for side in image.shape[1:])
            for image, scale in zip(images, scales, strict=True)
        ] or [(self.shorter, self.shorter)]
        height, width = (math.ceil(max(sides) / self.stride) * self.stride for sides in zip(*sizes, strict=True))
        color = torch.tensor(self.canvas, dtype=torch.uint8)
        batch = color[:, None, None].repeat(len(images), 1, height, width).reshape(-1, 3, height, width)
        placements = []
        for image, scale, size, out in zip(images, scales, sizes, batch):  # `sizes` may be the default
            out[:, : size[0], : size[1]] = resize_image(image, *size)
            placements.append(Placement(image.shape[1], image.shape[2], scale, 0.0, 0.0, height, width))
        return batch, placements

    def whole(self) -> Span:
        """Itself: it cuts nothing off."""
        return self

    def to_json(self) -> dict[str, Any]:
        """Plain values, with "kind": "Span"."""
        return _to_json(self)


@dataclass(frozen=True)
class Stretch:
    """The whole image, squeezed or stretched to `size` x `size` pixels whatever its own shape: SSD's (Liu, 2016)."""

    size: int

    def __post_init__(self) -> None:
        _check_positive(self, "size")

    def __call__(self, images: Sequence[Tensor]) -> tuple[UInt8[Tensor, "B 3 size size"], list[Placement]]:
        """uint8 images (3, H, W) of any sizes to one batch. Raises RecipeError for clips."""
        _check_images(self, images)
        size = self.size
        placements = []
        for image in images:
            height, width = image.shape[1:]
            placement = Placement(height, width, size / height, input_height=size, input_width=size)
            placements.append(dataclasses.replace(placement, stretch=height / width))
        return _stack([resize_image(image, size, size) for image in images], size, size), placements

    def whole(self) -> Stretch:
        """Itself: it cuts nothing off."""
        return self

    def to_json(self) -> dict[str, Any]:
        """Plain values, with "kind": "Stretch"."""
        return _to_json(self)


_KINDS = {kind.__name__: kind for kind in (Fit, Pad, Letterbox, Span, Stretch)}


def preprocess_from_json(values: dict[str, Any]) -> Preprocess:
    """The inverse of `to_json`. Raises RecipeError where the kind or a field is unknown.

    >>> preprocess_from_json(Fit(224, 0.875).to_json())
    Fit(size=224, crop_share=0.875)
    """
    from zorki.data.proposing import Propose  # which stands on this module

    kinds: dict[Any, Any] = {**_KINDS, "Propose": Propose}
    kind, fields = values.get("kind"), {name: value for name, value in values.items() if name != "kind"}
    if kind not in kinds:
        raise RecipeError(
            f"preprocessing of kind {kind!r} is not known; expected one of {', '.join(kinds)}."
            + did_you_mean(str(kind), kinds)
        )
    known = [f.name for f in dataclasses.fields(kinds[kind])]
    unknown = [name for name in fields if name not in known]
    needed = [f.name for f in dataclasses.fields(kinds[kind]) if f.default is dataclasses.MISSING]
    if unknown or not set(needed) <= set(fields):
        raise RecipeError(f"{kind} takes {', '.join(known)} ({' and '.join(needed)} at least), but was given {fields}")
    return kinds[kind](**fields)  # type: ignore[no-any-return]


def _to_json(preprocess: Fit | Pad | Letterbox | Span | Stretch) -> dict[str, Any]:
    return {"kind": type(preprocess).__name__, **dataclasses.asdict(preprocess)}


def _check_positive(preprocess: Fit | Pad | Letterbox | Span | Stretch, *names: str) -> None:
    for name in names:
        value = getattr(preprocess, name)
        if value < 1:
            raise RecipeError(f"{type(preprocess).__name__}: {name} must be at least 1 pixel, but is {value}")


def _check_images(preprocess: Fit | Pad | Letterbox | Span | Stretch, images: Sequence[Tensor]) -> None:
    for image in images:
        if image.ndim == 3 and image.shape[0] == 3 and image.dtype == torch.uint8:
            continue
        what = "a clip" if image.ndim == 4 else "a tensor"
        raise RecipeError(
            f"{type(preprocess).__name__} takes uint8 images of shape (3, H, W), but was given {what} of shape "
            f"{tuple(image.shape)} and type {image.dtype}"
        )


def _stack(images: Sequence[Tensor], height: int, width: int) -> Tensor:
    # Filled in one call; and laid out channel by channel whatever the images' own layout, because convolutions add
    # up in another order on another layout, and the same images shall give the same numbers.
    batch = torch.empty((len(images), 3, height, width), dtype=torch.uint8)
    return torch.stack(list(images), out=batch) if images else batch


def _cut_strip(image: Tensor) -> tuple[Tensor, int, int]:
    # The middle of an image that is more than four times as long as wide: enlarging all of a 1 x 5000 strip would
    # take a gigabyte for pixels that are cut away. As many pixels are skipped on both sides, so the middle stays.
    height, width = image.shape[1:]
    top, left = max(0, (height - 4 * width) // 2), max(0, (width - 4 * height) // 2)
    return image[:, top : height - top, left : width - left], top, left


def _scaled(image: Tensor, scale: float) -> tuple[int, int]:
    return max(1, round(image.shape[1] * scale)), max(1, round(image.shape[2] * scale))


def _center(image: Tensor, scale: float, out: Tensor) -> Placement:
    height, width = _scaled(image, scale)
    top, left = (out.shape[1] - height) // 2, (out.shape[2] - width) // 2
    out[:, top : top + height, left : left + width] = resize_image(image, height, width)
    return Placement(image.shape[1], image.shape[2], scale, float(left), float(top), out.shape[1], out.shape[2])
