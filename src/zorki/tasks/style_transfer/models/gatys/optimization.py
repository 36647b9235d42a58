"""From coarse to fine, an image is changed until its losses are small; what diverges begins anew, softer."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

from zorki.data.preprocess.resize_image import resize_image
from zorki.errors import RecipeError, ZorkiError
from zorki.losses.style import GramForm
from zorki.tasks.style_transfer.models.gatys.colors import gray, matched_colors, with_colors_of
from zorki.tasks.style_transfer.models.gatys.objective import ImageLosses, ImageObjective, PlacedStyle
from zorki.tasks.style_transfer.perceptual import PerceptualNetwork, noise_like
from zorki.types.stylization import MIN_SIDE, StyleImage, Stylization, StylizationStep

HISTORY_BYTES = 400_000_000
"""What L-BFGS may remember of steps before."""
MAX_HISTORY = 50
RATES = {"lbfgs": 1.0, "adam": 0.05}
"""Learning rates; Adam's in deviations of ImageNet's pixels a step."""
SOFTER = 0.25
RESTARTS = 3
RUNAWAY = 10.0
"""Times the sum of losses at step 0 that tell of a divergence, beside what is no number."""

Report = Callable[[StylizationStep], None]
Say = Callable[[str], None]


class _Diverged(Exception):
    """The losses run away."""


@dataclass
class Transfer:
    """One image on its way."""

    network: PerceptualNetwork
    content: UInt8[Tensor, "3 H W"]
    styles: Sequence[StyleImage]
    settings: Stylization
    form: GramForm
    report: Report
    say: Say

    def run(self) -> UInt8[Tensor, "3 H2 W2"]:
        """The stylized image. Raises ZorkiError where it diverges however soft the steps are."""
        lr = self.settings.lr or RATES[self.settings.optimizer]
        for attempt in range(RESTARTS + 1):
            settings = dataclasses.replace(self.settings, lr=lr * SOFTER**attempt)
            if attempt:
                settings = dataclasses.replace(settings, start="content")
            try:
                return _Attempt(dataclasses.replace(self, settings=settings)).run()
            except _Diverged as error:
                softer = f"{lr * SOFTER ** (attempt + 1):g}"
                if attempt < RESTARTS:
                    self.say(
                        f"{error}: it has diverged, and begins anew from the content, at a learning rate of {softer}"
                    )
        raise ZorkiError(
            f"the optimization diverges at learning rates from {lr:g} down to {lr * SOFTER**RESTARTS:g}; try "
            "--optimizer adam, another network, or --precision 32"
        )


class _Attempt:
    """One way from coarse to fine."""

    def __init__(self, transfer: Transfer) -> None:
        self.transfer, self.settings, self.network = transfer, transfer.settings, transfer.network
        own = transfer.content
        longest = self.settings.size or max(own.shape[1:])
        self.sides = level_sides(longest, self.settings.coarse)
        self.counts = [max(1, self.settings.steps // 2**level) for level in range(len(self.sides))]
        self.began, self.done = time.monotonic(), 0

    def run(self) -> Tensor:
        if len(self.sides) > 1:
            plan = ", ".join(f"{count} at {side}" for count, side in zip(self.counts, self.sides, strict=True))
            self.transfer.say(f"from coarse to fine: {plan} pixels")
        image, before = None, None
        for side, count in zip(self.sides, self.counts, strict=True):
            content = self._content(side)
            image = self._begin(content) if image is None else _finer(image, before, content)
            self._level(image, content, side, count)
            before = content
        assert image is not None
        return self._shown(image.detach(), self.sides[-1])

    def _begin(self, content: Tensor) -> Tensor:
        if self.settings.start == "content":
            return content.clone()
        return self.network.normalize(noise_like(content, self.settings.seed) * 255)

    def _level(self, image: Tensor, content: Tensor, side: int, count: int) -> None:
        """Changes the image, in place, by so many steps."""
        settings = self.settings
        objective = ImageObjective(
            self.network,
            content,
            self._styles(content, side),
            strength=settings.strength,
            smoothness=settings.smoothness,
            form=self.transfer.form,
            tile=settings.tile,
            seed=settings.seed,
        )
        limit = RUNAWAY * max(1.0, objective.losses(image).total)
        image.requires_grad_()
        image.grad = torch.zeros_like(image)
        optimizer = _optimizer(image, settings)
        for _ in range(count):
            found: list[ImageLosses] = []

            def evaluate(found: list[ImageLosses] = found) -> float:
                found.append(objective(image))
                return found[-1].total

            optimizer.step(evaluate)
            self.done += 1
            losses = found[0]
            if not math.isfinite(losses.total) or losses.total > limit or not bool(image.detach().isfinite().all()):
                raise _Diverged(f"step {self.done}: the loss is {losses.total:g}")
            self._tell(image, side, losses)

    def _tell(self, image: Tensor, side: int, losses: ImageLosses) -> None:
        kept = image.detach()
        self.transfer.report(
            StylizationStep(
                step=self.done,
                steps=sum(self.counts),
                side=side,
                seconds=time.monotonic() - self.began,
                image=lambda: self._shown(kept, side),
                **dataclasses.asdict(losses),
            )
        )

    # -- images in the size of a level

    def _content(self, side: int) -> Float[Tensor, "1 3 H W"]:
        image = self._sized_content(side)
        return self._normalized(gray(image) if self.settings.preserve_color == "luminance" else image)

    def _sized_content(self, side: int) -> UInt8[Tensor, "3 H W"]:
        own = self.transfer.content
        scale = side / max(own.shape[1:])
        return resize_image(own, max(1, round(own.shape[1] * scale)), max(1, round(own.shape[2] * scale)))

    def _styles(self, content: Tensor, side: int) -> list[PlacedStyle]:
        total = sum(style.weight for style in self.transfer.styles)
        placed = []
        masks: dict[int, Tensor] = {}
        for style in self.transfer.styles:
            image = resized_style(style.image, side * self.settings.style_size)
            if self.settings.preserve_color == "luminance":
                image = gray(image)
            elif self.settings.preserve_color == "histogram":
                image = matched_colors(image, self.transfer.content)
            if style.mask is not None and id(style.mask) not in masks:
                masks[id(style.mask)] = _mask(style.mask, content)
            mask = None if style.mask is None else masks[id(style.mask)]
            placed.append(PlacedStyle(self._normalized(image), style.weight / total, mask))
        return placed

    def _normalized(self, image: Tensor) -> Tensor:
        where = self.network.normalize.mean.device
        # Channel by channel: L-BFGS takes no other layout.
        return self.network.normalize(image[None].to(where)).contiguous()

    def _shown(self, image: Tensor, side: int) -> UInt8[Tensor, "3 H W"]:
        pixels = self.network.denormalized(image)[0].round().clamp(0, 255).to("cpu", torch.uint8)
        if self.settings.preserve_color == "luminance":
            return with_colors_of(pixels, self._sized_content(side))
        return pixels


def level_sides(longest: int, coarse: int) -> list[int]:
    """The longer sides of the images from coarse to fine, each twice as large as the one before at most.

    >>> level_sides(2000, 512)
    [500, 1000, 2000]
    """
    count = max(0, math.ceil(math.log2(longest / coarse))) + 1
    return [max(MIN_SIDE, round(longest / 2 ** (count - 1 - level))) for level in range(count)]


def _optimizer(image: Tensor, settings: Stylization) -> torch.optim.Optimizer:
    assert settings.lr is not None
    if settings.optimizer == "adam":
        return torch.optim.Adam([image], settings.lr)
    history = max(4, min(MAX_HISTORY, HISTORY_BYTES // (2 * image.numel() * image.element_size())))
    # One evaluation a step; no tolerance ends it, since the number of steps is what was asked for.
    return torch.optim.LBFGS(
        [image], settings.lr, max_iter=1, tolerance_grad=0.0, tolerance_change=0.0, history_size=history
    )


def _finer(image: Tensor, before: Tensor | None, content: Tensor) -> Tensor:
    """The next size: what was changed is enlarged, and the content is as sharp as it is there."""
    assert before is not None
    change = functional.interpolate(image.detach() - before, content.shape[2:], mode="bilinear", align_corners=False)
    return content + change


def resized_style(image: UInt8[Tensor, "3 H W"], longest: float) -> UInt8[Tensor, "3 h w"]:
    """A style whose longer side is so many pixels; no side is too small for deep layers."""
    scale = longest / max(image.shape[1:])
    height, width = (max(MIN_SIDE, round(length * scale)) for length in image.shape[1:])
    return resize_image(image, height, width)


def _mask(mask: Tensor, content: Tensor) -> Float[Tensor, "H W"]:
    size = (int(content.shape[2]), int(content.shape[3]))
    found = functional.interpolate(mask[None, None].float(), size, mode="bilinear", antialias=True)[0, 0]
    if not float(found.sum()) > 0:
        raise RecipeError("a mask is black all over in the content's size; its bright parts are where the style goes")
    return found.to(content.device)
