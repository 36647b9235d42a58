"""Random views of each image, as the methods compare them that learn without labels."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import UInt8
from torch import Tensor

from zorki.contracts import Preprocess
from zorki.data.preprocess.canvas import check_images, check_positive, to_plain
from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.data.preprocess.resize_image import resize_image
from zorki.data.transforms.augment import blur_image, color_matrix
from zorki.data.transforms.geometry import crop_size
from zorki.errors import RecipeError
from zorki.types import Placement

SMALL_SIZE = 64  # pixels: images up to here are too small for blur, and for networks that shrink them at once
CROP_SHARE = 0.875  # of the shorter side, in evaluation, of images that are larger
_AT_ONCE = 1 << 18  # numbers of the views whose colors are changed together: they stay in a processor's cache
_JITTERED = 0.8  # probability of color jitter
_GRAY = torch.tensor((0.299, 0.587, 0.114))


class _View(NamedTuple):
    """What makes one view: the window (top, left, height, width), and then the pixels."""

    window: tuple[int, int, int, int]
    flip: bool
    colors: tuple[float, float, float, float] | None  # brightness, contrast, saturation, hue
    blur: float  # deviation in pixels
    solarize: bool


@dataclass(frozen=True)
class RandomViews:
    """Views of SimCLR (Chen et al., 2020, appendix A): random crop and flip, color jitter, grayscale, blur.

    Crop, flip and resize are one step, and so are jitter and grayscale, one matrix a view: `color_matrix`. Blur is cut
    off at 3 deviations, where the paper has a kernel of a tenth of the image. Without generators, in evaluation and
    prediction, an image is one view, cut by `ResizeCrop` from its middle, whole where `size` is small.

    Attributes:
        size: of a view, in pixels.
        count: V, views of an image.
        min_area: least share of the image's area that a view shows.
        hflip: probability of exchanging left and right.
        jitter: strength s of the paper: with probability .8 brightness, contrast and saturation change by up to .8 s,
            and hue by .2 s.
        grayscale: probability of a gray view.
        blur: probability of Gaussian blur of deviation .1 to 2 pixels.
        later_blur: the same for all views but the first, as BYOL has it (Grill et al., 2020, appendix B).
        later_solarize: probability, for all views but the first, that what is brighter than the middle is inverted.
    """

    size: int
    count: int = 2
    min_area: float = 0.08
    hflip: float = 0.5
    jitter: float = 1.0
    grayscale: float = 0.2
    blur: float = 0.5
    later_blur: float = 0.5
    later_solarize: float = 0.0

    def __post_init__(self) -> None:
        check_positive(self, "size", "count")
        for name in ("min_area", "hflip", "grayscale", "blur", "later_blur", "later_solarize"):
            if not 0 <= getattr(self, name) <= 1:
                raise RecipeError(f"RandomViews: {name} must lie in 0..1, but is {getattr(self, name)}")
        if self.min_area == 0 or not 0 <= self.jitter <= 1.25:
            raise RecipeError(
                f"RandomViews: min_area must be above 0 and jitter in 0..1.25, but they are {self.min_area} and "
                f"{self.jitter}"
            )

    def __call__(
        self, images: Sequence[Tensor], generators: Sequence[torch.Generator] | None = None
    ) -> tuple[UInt8[Tensor, "B V 3 size size"], list[Placement]]:
        """uint8 images (3, H, W) of any sizes to one batch; V is 1 without generators. Raises RecipeError for clips."""
        if generators is None:
            plain, placements = self.plain(images)
            return plain[:, None], placements
        check_images(self, images)
        views = torch.empty((len(images), self.count, 3, self.size, self.size), dtype=torch.uint8)
        drawn: list[_View] = []
        for row, image in enumerate(images):
            chances = torch.rand((self.count, 14), generator=generators[row], dtype=torch.float64).tolist()
            drawn += [self._draw(number, u, image.shape[1], image.shape[2]) for number, u in enumerate(chances)]
            for view, out in zip(drawn[-self.count :], views[row], strict=True):
                _cut(image, view, out)
        flat = views.flatten(0, 1)
        _change_colors(flat, [view.colors for view in drawn])
        for view, out in zip(drawn, flat, strict=True):
            if view.blur:
                out.copy_(blur_image(out, view.blur))
            if view.solarize:
                torch.where(out < 128, out, 255 - out, out=out)
        return views, [whole_placement(image, self.size) for image in images]

    def _draw(self, number: int, u: Sequence[float], height: int, width: int) -> _View:
        """One view of an image of that size, from 14 numbers in [0, 1)."""
        area = self.min_area + (1 - self.min_area) * u[0]
        part = crop_size(height, width, area, u[1])
        top, left = math.floor(u[2] * (height - part[0] + 1)), math.floor(u[3] * (width - part[1] + 1))
        colors = None
        gray = u[6] < self.grayscale
        if jittered := self.jitter > 0 and u[5] < _JITTERED:
            # Of the strengths, none changes beyond its opposite: a strength above 1.25 would make negatives.
            brightness, contrast, saturation = (1 + 0.8 * self.jitter * (2 * value - 1) for value in u[7:10])
            colors = brightness, contrast, saturation, min(0.5, 0.2 * self.jitter) * (2 * u[10] - 1)
        if gray:
            colors = (*(colors if jittered and colors else (1.0, 1.0))[:2], 0.0, 0.0)
        blurred = u[11] < (self.blur if number == 0 else self.later_blur)
        solarized = number > 0 and u[13] < self.later_solarize
        return _View((top, left, *part), u[4] < self.hflip, colors, (0.1 + 1.9 * u[12]) * blurred, solarized)

    def plain(self, images: Sequence[Tensor]) -> tuple[UInt8[Tensor, "B 3 size size"], list[Placement]]:
        """The images as they are evaluated."""
        return ResizeCrop(self.size, 1.0 if self.size <= SMALL_SIZE else CROP_SHARE)(images)

    def evaluated(self) -> Preprocess:
        """What evaluation takes: each image as it is, and beside it random views, the same ones every time."""
        return PlainAndViews(self)

    def whole(self) -> RandomViews:
        """Itself: its crops are the views."""
        return self

    def to_json(self) -> dict[str, Any]:
        """Plain values, with "kind": "RandomViews"."""
        return to_plain(self)


@dataclass(frozen=True)
class PlainAndViews:
    """Each image as it is, and behind it its random views: what evaluation measures alignment and loss by.

    Chance follows from the pixels of the image, so that nothing else decides which views are compared.
    """

    views: RandomViews

    def __call__(
        self, images: Sequence[Tensor], generators: Sequence[torch.Generator] | None = None
    ) -> tuple[UInt8[Tensor, "B V 3 size size"], list[Placement]]:
        """(B, 1 + V, 3, size, size)."""
        plain, placements = self.views.plain(images)
        chance = [torch.Generator().manual_seed(int(image.sum(dtype=torch.int64))) for image in images]
        return torch.cat([plain[:, None], self.views(images, chance)[0]], 1), placements

    @property
    def size(self) -> int:
        return self.views.size

    def whole(self) -> PlainAndViews:
        return self

    def to_json(self) -> dict[str, Any]:
        """Plain values, with "kind": "PlainAndViews"."""
        return {"kind": "PlainAndViews", "views": self.views.to_json()}


def _cut(image: UInt8[Tensor, "3 H W"], view: _View, out: UInt8[Tensor, "3 h w"]) -> None:
    top, left, height, width = view.window
    resized = resize_image(image[:, top : top + height, left : left + width], out.shape[1], out.shape[2])
    out.copy_(resized.flip(2) if view.flip else resized)


def _change_colors(views: UInt8[Tensor, "N 3 H W"], colors: Sequence[tuple[float, float, float, float] | None]) -> None:
    """`vary_colors` of each view that has colors to change, many small views at once; in place."""
    changed = [row for row, one in enumerate(colors) if one is not None]
    step = max(1, _AT_ONCE // max(1, views[:1].numel()))
    for start in range(0, len(changed), step):
        rows = changed[start : start + step]
        values = [one for row in rows if (one := colors[row]) is not None]
        gains = torch.tensor([brightness * contrast for brightness, contrast, _, _ in values])
        lifts = torch.tensor([(1 - contrast) * brightness for brightness, contrast, _, _ in values])
        matrices = torch.tensor([color_matrix(saturation, hue) for _, _, saturation, hue in values])
        pixels = views[rows].float().flatten(2)
        offsets = 0.5 + lifts * (pixels.mean(2) @ _GRAY)  # half a level more rounds to the nearest
        mixed = torch.baddbmm(offsets[:, None, None], matrices * gains[:, None, None], pixels)
        views[rows] = mixed.clamp_(0, 255).to(torch.int32).to(torch.uint8).view(len(rows), *views.shape[1:])


def whole_placement(image: UInt8[Tensor, "3 H W"], size: int) -> Placement:
    """Views have no place of their own; that of the whole image, squeezed to a square, stands for it."""
    height, width = image.shape[1:]
    placement = Placement(height, width, size / height, input_height=size, input_width=size)
    return dataclasses.replace(placement, stretch=height / width)
