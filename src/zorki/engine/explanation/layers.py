"""What is in a network's layers: the filters of the first, the maps of one, and the images that excite a channel."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor, nn

from zorki.contracts import Model
from zorki.engine.device import laid_out
from zorki.engine.explanation.cam import as_map
from zorki.engine.explanation.network import pixels_of
from zorki.errors import RecipeError, did_you_mean
from zorki.introspection.receptive_field import Field, field_of_layer, seen_by_position
from zorki.types import Placement, map_tensors
from zorki.types.arrays import array_of

PATCHES = 9  # of a channel, as the lectures show them
MAX_FILTERS = 64


def first_filters(model: nn.Module) -> tuple[str, UInt8[ndarray, "N 3 h w"]] | None:
    """The first convolution's name and filters as images, each from its lowest weight, black, to its highest, white.

    Sixty-four at most; of gray networks gray. None where no convolution reads pixels.
    """
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d) and module.in_channels in (1, 3) and module.groups == 1:
            weights = module.weight.detach().float().cpu()[:MAX_FILTERS]
            low, high = weights.amin((1, 2, 3), keepdim=True), weights.amax((1, 2, 3), keepdim=True)
            shades = ((weights - low) / (high - low).clamp_min(1e-12) * 255).round().to(torch.uint8)
            return name, shades.expand(-1, 3, -1, -1).numpy()
    return None


def strongest_maps(maps: Float[Tensor, "C h w"], count: int) -> list[tuple[int, Float[ndarray, "h w"]]]:
    """The channels whose maps have the largest maximum, strongest first, with their numbers."""
    order = maps.amax((1, 2)).argsort(descending=True, stable=True)[:count].tolist()
    return [(channel, array_of(maps[channel].cpu())) for channel in order]


@dataclass(frozen=True)
class Unit:
    """A channel of a layer, by the layer's name."""

    layer: str
    channel: int

    @classmethod
    def read(cls, words: str) -> Unit:
        """Of LAYER:CHANNEL. Raises RecipeError where it is none."""
        layer, _, channel = words.rpartition(":")
        if not layer or not channel.isdigit():
            raise RecipeError(f"unit is {words!r}; expected LAYER:CHANNEL, such as backbone.layer4.1.conv2:17")
        return cls(layer, int(channel))

    def __str__(self) -> str:
        return f"{self.layer}:{self.channel}"


@dataclass(frozen=True, order=True)
class ExcitingPatch:
    """What one position of a channel saw where it was large.

    Attributes:
        activation: the channel's value there.
        path: of the image.
        box: (left, top, right, bottom) of what the position sees, in pixels of the original, cut off at its edges.
        patch: these pixels.
    """

    activation: float
    path: Path
    box: tuple[int, int, int, int] = field(compare=False)
    patch: UInt8[ndarray, "3 H W"] = field(compare=False, repr=False)


class UnitWatch:
    """Finds the patches of a dataset that excite a channel most (Zeiler and Fergus, 2014, section 4).

    One an image at most, by the channel's largest value; what it sees is followed through the network.

    Raises:
        RecipeError: the network has no such layer, or the layer no such channel or no map over the image.
    """

    def __init__(self, model: Model[Any, Any, Any], unit: Unit, device: str = "cpu") -> None:
        layers = dict(model.named_modules())
        if unit.layer not in layers:
            near = did_you_mean(unit.layer, list(layers))
            raise RecipeError(f"the network has no layer {unit.layer!r}.{near} `zorki info` lists them")
        self.model, self.unit, self.device = model, unit, device
        self._layer = layers[unit.layer]
        self._fields: dict[tuple[int, int], Field | None] = {}
        self.found: list[ExcitingPatch] = []

    def look(self, image: UInt8[Tensor, "3 H W"], path: Path) -> None:
        """Takes one image in."""
        inputs, (placement,) = self.model.preprocess([image])
        moved = map_tensors(inputs, lambda tensor: tensor.to(self.device))
        pixels = pixels_of(inputs)
        height, width = pixels.shape[-2:]
        maps = self._maps(lambda: self.model(laid_out(moved, self.model)), (height, width))
        values = maps[self.unit.channel]
        row, column = divmod(int(values.argmax()), values.shape[1])
        activation = float(values[row, column])
        if len(self.found) == PATCHES and activation <= self.found[0].activation:
            return
        seen = seen_by_position(self._field(moved, (height, width)), (row, column))
        box = _original_box(seen, placement)
        left, top, right, bottom = box
        patch = ExcitingPatch(activation, path, box, array_of(image[:, top:bottom, left:right].clone()))
        if len(self.found) < PATCHES:
            heapq.heappush(self.found, patch)
        else:
            heapq.heapreplace(self.found, patch)

    def best(self) -> list[ExcitingPatch]:
        """The patches, most exciting first."""
        return sorted(self.found, key=lambda one: -one.activation)

    def _maps(self, run: Callable[[], Any], size: tuple[int, int]) -> Float[Tensor, "C h w"]:
        found: list[Any] = []
        handle = self._layer.register_forward_hook(lambda module, arguments, output: found.append(output))
        try:
            with torch.inference_mode():
                run()
        finally:
            handle.remove()
        maps = as_map(found[-1], size) if found and isinstance(found[-1], Tensor) else None
        if maps is None:
            raise RecipeError(f"the layer {self.unit.layer} gives no map over the image; choose one of the backbone")
        if self.unit.channel >= len(maps):
            raise RecipeError(f"the layer {self.unit.layer} has {len(maps)} channels, from 0; got {self.unit.channel}")
        return maps.float()

    def _field(self, inputs: Any, size: tuple[int, int]) -> Field:
        """What the layer's positions see; the same for all inputs of one size."""
        if size not in self._fields:
            pixels = inputs if isinstance(inputs, Tensor) else inputs.images
            self._fields[size] = field_of_layer(self._layer, lambda: self.model(inputs), pixels)
        found = self._fields[size]
        return Field.of_input((1, 3, *size)).everything(4) if found is None else found


def watch(watches: Iterable[UnitWatch], image: UInt8[Tensor, "3 H W"], path: Path) -> None:
    """One image for all channels that are asked for."""
    for one in watches:
        one.look(image, path)


def _original_box(seen: tuple[int, ...], placement: Placement) -> tuple[int, int, int, int]:
    """(top, left, bottom, right) of the network as left, top, right, bottom in the original, one pixel at least."""
    across, down = placement.scales
    corners = np.array([seen[1], seen[0], seen[3], seen[2]], dtype=np.float64)
    corners = (corners - np.array([placement.left, placement.top] * 2)) / np.array([across, down] * 2)
    left, top = (int(np.floor(value)) for value in corners[:2])
    right, bottom = (int(np.ceil(value)) for value in corners[2:])
    left, top = min(max(0, left), placement.width - 1), min(max(0, top), placement.height - 1)
    return left, top, max(left + 1, min(right, placement.width)), max(top + 1, min(bottom, placement.height))
