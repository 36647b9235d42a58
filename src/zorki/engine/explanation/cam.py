"""Grad-CAM and LayerCAM: which positions of a layer's maps a number comes from, by its gradient.

Selvaraju et al., 2017, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-Based Localization"; Jiang et
al., 2021, "LayerCAM: Exploring Hierarchical Class Activation Maps for Localization".
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from zorki.engine.explanation.film_strip import strip_map
from zorki.engine.explanation.heat_map import enlarged
from zorki.engine.explanation.network import ExplainedNetwork, differentiable
from zorki.errors import RecipeError, did_you_mean
from zorki.introspection.attention import patch_grid


@dataclass(frozen=True)
class ActivationMaps:
    """The maps of one layer for one image, and what a number gains where they grow.

    Attributes:
        layer: its name in the network.
        activations, gradients: (C, h, w) of each time that the layer ran.
        frames: side by side in them, of a clip.
    """

    layer: str
    activations: list[Tensor]
    gradients: list[Tensor]
    frames: int = 1

    def grad_cam(self, size: tuple[int, int]) -> Float[Tensor, "H W"]:
        """The positive part of the channels' sum, each weighed by the mean of its gradient (equations 1 and 2)."""
        parts = zip(self.activations, self.gradients, strict=True)
        return _sum(
            [(gradient.mean((1, 2), keepdim=True) * maps).sum(0) for maps, gradient in parts], size, self.frames
        )

    def layer_cam(self, size: tuple[int, int]) -> Float[Tensor, "H W"]:
        """The positive part of the channels' sum, each position weighed by its own positive gradient (eq. 5 to 7)."""
        parts = zip(self.activations, self.gradients, strict=True)
        return _sum([(gradient.relu() * maps).sum(0) for maps, gradient in parts], size, self.frames)


def _sum(maps: list[Tensor], size: tuple[int, int], frames: int) -> Tensor:
    return torch.stack([enlarged(one.relu(), size, frames) for one in maps]).sum(0)


def activation_maps(network: ExplainedNetwork, layer: str | None = None) -> ActivationMaps | None:
    """The maps of a layer, with the gradient of the network's score.

    Args:
        layer: its name, as `zorki info` prints it; None: the deepest of the backbone on which the score depends.

    Returns:
        None where no layer, or not this one, has a map over the image on which the score depends, as of networks that
        cut the image into pieces.

    Raises:
        RecipeError: there is no such layer.
    """
    names = {module: name for name, module in network.model.named_modules()}
    if layer is not None and layer not in names.values():
        near = did_you_mean(layer, list(names.values()))
        raise RecipeError(f"the network has no layer {layer!r}.{near} `zorki info` lists them")
    with differentiable(network.model), _recorded(network.model) as ran:
        score = network.score(network.pixels)
        if not score.requires_grad:
            return None
        for wanted in _candidates(network.model, names, layer):
            found = _of_layer(wanted, ran, score, network.frame_size, network.frames)
            if found is not None:
                name, activations, gradients = found
                return ActivationMaps(names[name], activations, gradients, network.frames)
    return None


@contextmanager
def _recorded(model: nn.Module) -> Iterator[list[tuple[nn.Module, Tensor]]]:
    """What each module gives, in the order in which they end."""
    ran: list[tuple[nn.Module, Tensor]] = []

    def note(module: nn.Module, arguments: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.requires_grad:
            ran.append((module, output))

    handles = [module.register_forward_hook(note) for module in model.modules()]
    try:
        yield ran
    finally:
        for handle in handles:
            handle.remove()


def _candidates(model: Any, names: dict[nn.Module, str], layer: str | None) -> list[set[nn.Module]]:
    """Modules among which the last one that serves is taken: the one that is named; or stage by stage, from the end."""
    if layer is not None:
        return [{module for module, name in names.items() if name == layer}]
    stages = [set(stage.modules()) for stage in reversed(model.backbone_stages())]
    return [*stages, set(names) - {model}]


def _of_layer(
    wanted: set[nn.Module], ran: list[tuple[nn.Module, Tensor]], score: Tensor, size: tuple[int, int], frames: int
) -> tuple[nn.Module, list[Tensor], list[Tensor]] | None:
    for module in dict.fromkeys(module for module, _ in reversed(ran) if module in wanted):
        outputs = [output for other, output in ran if other is module and as_map(output, size, frames) is not None]
        if not outputs:
            continue
        every = torch.autograd.grad(score.sum(), outputs, retain_graph=True, allow_unused=True)
        pairs = [
            (as_map(output.detach(), size, frames), as_map(gradient, size, frames))
            for output, gradient in zip(outputs, every, strict=True)
            if gradient is not None
        ]
        maps = [(a.float(), g.float()) for a, g in pairs if a is not None and g is not None]
        if any(bool(gradient.any()) for _, gradient in maps):
            return module, [a for a, _ in maps], [g for _, g in maps]
    return None


def as_map(output: Tensor, size: tuple[int, int], frames: int = 1) -> Float[Tensor, "C h w"] | None:
    """A layer's output for one image as maps over an input of `size` (height, width); None where it is none.

    Channels may stand last, and positions may be tokens, behind others that stand for the image as a whole. Of a clip
    of so many frames of that size the maps lie side by side, see `strip_map`.
    """
    if frames > 1:
        strip = strip_map(output, frames)
        return strip if strip is not None and _is_over(strip.shape[1], strip.shape[2] // frames, size) else None
    if len(output) != 1 or output.ndim not in (3, 4):
        return None
    first = output[0]
    if output.ndim == 3:
        grid = patch_grid(len(first), *size)
        return None if grid is None else first[grid[2] :].T.unflatten(1, grid[:2])
    if _is_over(first.shape[1], first.shape[2], size):
        return first
    return first.permute(2, 0, 1) if _is_over(first.shape[0], first.shape[1], size) else None


def _is_over(rows: int, columns: int, size: tuple[int, int]) -> bool:
    """Whether so many positions can be cells of the input: as many along both sides as these are long."""
    return rows * columns > 1 and abs(columns - size[1] * rows / size[0]) <= 1
