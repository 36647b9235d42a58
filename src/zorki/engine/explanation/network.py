"""A network, an image as it sees it, and the number whose reasons are looked for."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from zorki.contracts import Model
from zorki.contracts.capabilities import Explainable, Focus
from zorki.engine.device import laid_out, seeded
from zorki.engine.explanation.film_strip import clip_of, strip_of
from zorki.errors import RecipeError
from zorki.nn.layers.initialize import initialize_he
from zorki.nn.layers.normalize import Normalize
from zorki.types import Crops, ExemplarSearch, Placement, map_tensors

Network = TypeVar("Network", bound=nn.Module)

BATCH = 32  # variants of an image that are looked at together
TRIES = 5  # networks of random weights
SEED = 20_181  # of random weights: one with which nobody trains, whose network may still be like its beginning


@dataclasses.dataclass(frozen=True)
class ExplainedNetwork:
    """A model in evaluation mode with the inputs of one image, and a completed focus.

    Attributes:
        placement: where the image lies in `pixels`.
    """

    model: Model[Any, Any, Any]
    inputs: Any
    placement: Placement
    focus: Focus
    device: str = "cpu"

    @property
    def pixels(self) -> UInt8[Tensor, "1 3 H W"]:
        """The image as the network sees it, on the CPU."""
        return pixels_of(self.inputs)

    @property
    def frames(self) -> int:
        """Of the clip, whose frames lie side by side in `pixels`; 1: it is an image."""
        return frames_of(self.inputs)

    @property
    def frame_size(self) -> tuple[int, int]:
        """(height, width) of the input, of one of its frames."""
        height, width = self.size
        return height, width // self.frames

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the input."""
        height, width = self.pixels.shape[-2:]
        return height, width

    @property
    def unit(self) -> str:
        """What the number is."""
        model: Any = self.model
        assert isinstance(model, Explainable)
        return model.focus_unit

    def score(self, pixels: UInt8[Tensor, "N 3 H W"]) -> Float[Tensor, " N"]:
        """The number for other pixels in the place of the image's, on the device; gradients flow where they may."""
        inputs = with_pixels(self.inputs, pixels)
        outputs = self.model(laid_out(map_tensors(inputs, lambda tensor: tensor.to(self.device)), self.model))
        assert isinstance(self.model, Explainable)
        return self.model.focus_scores(outputs, self.focus).float()

    @torch.no_grad()
    def scores(self, pixels: UInt8[Tensor, "N 3 H W"]) -> Float[Tensor, " N"]:
        """The same for many, some at a time, on the CPU."""
        return torch.cat([self.score(some).cpu() for some in pixels.split(BATCH)])

    def own_score(self) -> float:
        """The number for the image as it is."""
        return float(self.scores(self.pixels)[0])

    def randomized(self) -> ExplainedNetwork:
        """The same question, asked of a network of random weights: of a few, the first whose number is not constant.

        One that ends in a ReLU may say 0 to whatever it is shown.
        """
        both = torch.cat([self.pixels, 255 - self.pixels])
        for seed in range(SEED, SEED + TRIES):
            found = dataclasses.replace(self, model=random_weights(self.model, seed))
            first, second = found.scores(both).tolist()
            if first != second:
                break
        return found


def ask(
    model: Model[Any, Any, Any], inputs: Any, placement: Placement, focus: Focus, device: str = "cpu"
) -> ExplainedNetwork:
    """The network with the focus completed by what it makes of the image.

    Args:
        inputs: what `preprocess` made of one image.
        focus: its box in pixels of the network.

    Raises:
        RecipeError: the model gives no number to explain, or none for this focus.
    """
    if not isinstance(model, Explainable):
        raise RecipeError(
            f"{type(model).__name__} gives an image no score to explain; expected a network for classes of images or "
            "films, boxes, masks, joints, embeddings or tracks"
        )
    pixels = pixels_of(inputs)
    with torch.no_grad():
        outputs = model(laid_out(map_tensors(inputs, lambda tensor: tensor.to(device)), model))
        complete = model.complete_focus(outputs, focus, placement)
    return ExplainedNetwork(model, inputs, _placement_of(inputs, placement, pixels), complete, device)


def pixels_of(inputs: Any) -> UInt8[Tensor, "1 3 H W"]:
    """The pixels in the inputs of one image, or of one clip as a strip. Raises RecipeError where there are several."""
    images = _images_of(inputs)
    if images.ndim == 5:
        images = strip_of(images)
    if images.ndim != 4 or len(images) != 1:
        raise RecipeError(
            f"the network looks at images {tuple(images.shape)} at once, not at one; explained are images by themselves"
        )
    return images


def frames_of(inputs: Any) -> int:
    """How many frames the inputs of one clip have; 1 of an image."""
    images = _images_of(inputs)
    return int(images.shape[1]) if images.ndim == 5 else 1


def _images_of(inputs: Any) -> Tensor:
    return inputs if isinstance(inputs, Tensor) else getattr(inputs, _name_of_images(inputs))  # type: ignore[no-any-return]


def _name_of_images(inputs: Any) -> str:
    """The part of inputs whose pixels are explained: of a pair the region in which an object is sought."""
    return "searches" if isinstance(inputs, ExemplarSearch) else "images"


def with_pixels(inputs: Any, pixels: UInt8[Tensor, "N 3 H W"]) -> Any:
    """The inputs of one image as those of N, which differ in their pixels alone."""
    count, frames = len(pixels), frames_of(inputs)
    pixels = clip_of(pixels, frames) if _images_of(inputs).ndim == 5 else pixels
    if isinstance(inputs, Tensor):
        return pixels
    parts: dict[str, Any] = {}
    for f in dataclasses.fields(inputs):
        value = getattr(inputs, f.name)
        if isinstance(value, Tensor):
            parts[f.name] = value.repeat(count, *[1] * (value.ndim - 1))
        elif isinstance(value, list):
            parts[f.name] = value * count
    return dataclasses.replace(inputs, **{**parts, _name_of_images(inputs): pixels})


def _placement_of(inputs: Any, placement: Placement, pixels: Tensor) -> Placement:
    """Where the image lies in the pixels: of crops they say so themselves."""
    if frames_of(inputs) > 1:  # the strip is what is explained, as the network sees it
        height, width = pixels.shape[-2:]
        return Placement(height, width, input_height=height, input_width=width)
    if not isinstance(inputs, Crops):
        return placement
    left, top, right, bottom = inputs.xyxy[0].tolist()
    height, width = pixels.shape[-2:]
    across, down = width / (right - left), height / (bottom - top)
    return Placement(
        placement.height, placement.width, down, -left * across, -top * down, height, width, stretch=across / down
    )


@runtime_checkable
class _Begins(Protocol):
    """A layer that knows how its weights begin, as torch's do."""

    def reset_parameters(self) -> None: ...


@torch.no_grad()
def random_weights(model: Network, seed: int = SEED) -> Network:
    """A copy whose every weight is drawn anew (He et al., 2015); what no layer knows how to begin is shuffled."""
    fresh = copy.deepcopy(model)
    device = next((str(parameter.device) for parameter in fresh.parameters()), "cpu")
    with seeded(device, seed):
        for module in fresh.modules():
            if isinstance(module, _Begins):
                module.reset_parameters()
                if isinstance(module, nn.Conv2d | nn.Linear):
                    # torch's own beginning shrinks values layer by layer, until biases alone are left.
                    initialize_he(module)
                continue
            for parameter in module.parameters(recurse=False):
                order = torch.randperm(parameter.numel()).to(parameter.device)
                parameter.copy_(parameter.flatten()[order].view_as(parameter))
    return fresh.eval()


@contextmanager
def differentiable(model: nn.Module) -> Iterator[None]:
    """Within, gradients flow from the normalized pixels on, also where no weight of the network learns."""

    def begin(module: nn.Module, arguments: Any, output: Tensor) -> Tensor:
        return output.detach().requires_grad_(True) if torch.is_grad_enabled() else output

    handles = [module.register_forward_hook(begin) for module in model.modules() if isinstance(module, Normalize)]
    try:
        with torch.enable_grad():
            yield
    finally:
        for handle in handles:
            handle.remove()
