"""What an image should become: its content near one image's, the correlations of its features near others'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from zorki.losses.style import CONTENT_DIVISOR, GramForm, gram_distance, gram_sum, gram_tap, total_variation
from zorki.tasks.style_transfer.models.gatys.image_tiles import ImageTile, tiles_of
from zorki.tasks.style_transfer.perceptual import PerceptualNetwork, content_distance, noise_like


@dataclass(frozen=True)
class PlacedStyle:
    """A style in the size in which its strokes are to be, normalized; its share; and the region where it goes."""

    image: Float[Tensor, "1 3 h w"]
    share: float
    mask: Float[Tensor, "H W"] | None = None


@dataclass(frozen=True)
class ImageLosses:
    """Of one image, divided by what they are at step 0; `total` is their weighted sum."""

    content: float
    style: float
    smoothness: float
    total: float


class ImageObjective:
    """The weighted sum of content, style and smoothness of an image of one size, and its gradient.

    Each loss is divided by what it is at step 0, so that weights mean the same for every network, size and form of the
    Gram matrices: the style's by that of the content image, which is where one begins; the content's, which is 0 there,
    by 20 times that of noise, which is the other beginning; the total variation by that of the content image.

    Of images larger than a tile the losses are exact all the same: a first pass sums Gram matrices over tiles; the
    gradient of the style loss by them is known then, and a second pass brings it to the pixels, tile by tile.

    Args:
        network: makes features.
        content: normalized.
        strength: share of the style in the sum, 0..1.
        smoothness: weight of the total variation.
        tile: pixels of a tile's side.
    """

    def __init__(
        self,
        network: PerceptualNetwork,
        content: Float[Tensor, "1 3 H W"],
        styles: Sequence[PlacedStyle],
        *,
        strength: float,
        smoothness: float,
        form: GramForm,
        tile: int,
        seed: int,
    ) -> None:
        self.network, self.form, self.strength, self.smoothness = network, form, strength, smoothness
        self.shares = [style.share for style in styles]
        self.tiles = tiles_of(content.shape[2], content.shape[3], network.geometry, tile)
        masks: list[Tensor | None] = []
        self.mask_of: list[int] = []  # of each style the number of its region
        for style in styles:
            place = next((number for number, mask in enumerate(masks) if mask is style.mask), len(masks))
            masks += [style.mask] if place == len(masks) else []
            self.mask_of.append(place)
        with torch.no_grad():
            self.content = self._content_maps(content)
            sizes = self._sizes(content)
            self.weights = [_weights(mask, sizes) for mask in masks]
            self.counts = [
                {
                    layer: float(sizes[layer][0] * sizes[layer][1]) if weights is None else float(weights[layer].sum())
                    for layer in network.style_layers
                }
                for weights in self.weights
            ]
            self.targets = [self._grams(style.image, tile) for style in styles]
            zero = self._losses_of(content)
            self.style_scale = max(float(zero[1]), 1e-12)
            noise = network.normalize(noise_like(content, seed) * 255)
            self.content_scale = max(CONTENT_DIVISOR * float(self._losses_of(noise)[0]), 1e-12)
            self.variation_scale = max(float(total_variation(content)), 1e-12)

    # -- what is known beforehand

    def _content_maps(self, content: Tensor) -> dict[str, Tensor]:
        rows: dict[str, list[list[Tensor]]] = {layer: [] for layer in self.network.content_layers}
        for tile in self.tiles:
            maps = tile.own(self.network(tile.cut(content)), self.network.geometry)
            for layer, parts in rows.items():
                if tile.columns.start == 0:
                    parts.append([])
                parts[-1].append(maps[layer])
        return {layer: torch.cat([torch.cat(row, 3) for row in parts], 2) for layer, parts in rows.items()}

    def _sizes(self, content: Tensor) -> dict[str, tuple[int, int]]:
        """Height and width of the map of each layer of the style."""
        sizes: dict[str, tuple[int, int]] = {}
        for tile in self.tiles[-1:]:
            maps = tile.own(self.network(tile.cut(content)), self.network.geometry)
            for layer in self.network.style_layers:
                geometry = self.network.geometry[layer]
                height, width = maps[layer].shape[2:]
                sizes[layer] = (tile.rows.place(geometry) + height, tile.columns.place(geometry) + width)
        return sizes

    def _grams(self, image: Tensor, side: int) -> dict[str, Tensor]:
        """Gram matrices of a style as means over its places."""
        sums: dict[str, Tensor] = {}
        places = dict.fromkeys(self.network.style_layers, 0)
        for tile in tiles_of(image.shape[2], image.shape[3], self.network.geometry, side):
            maps = tile.own(self.network(tile.cut(image)), self.network.geometry)
            for layer in self.network.style_layers:
                sums[layer] = sums.get(layer, torch.zeros(())) + gram_sum(maps[layer])
                places[layer] += maps[layer].shape[2] * maps[layer].shape[3]
        return {layer: total / places[layer] for layer, total in sums.items()}

    # -- the losses

    def __call__(self, image: Float[Tensor, "1 3 H W"]) -> ImageLosses:
        """The losses of an image, whose `grad` becomes the gradient of their weighted sum."""
        assert image.grad is not None
        image.grad.zero_()
        if len(self.tiles) == 1:
            with torch.enable_grad():
                content, style = self._losses_of(image)
                self._weighted(content, style).backward()
        else:
            content, style = self._by_tiles(image)
        variation = self._variation(image)
        return self._losses(float(content.detach()), float(style.detach()), variation)

    @torch.no_grad()
    def losses(self, image: Float[Tensor, "1 3 H W"]) -> ImageLosses:
        """The losses of an image, without a gradient."""
        content, style = self._losses_of(image)
        return self._losses(float(content), float(style), float(total_variation(image)) / self.variation_scale)

    def _losses(self, content: float, style: float, variation: float) -> ImageLosses:
        content, style = content / self.content_scale, style / self.style_scale
        total = (1 - self.strength) * content + self.strength * style + self.smoothness * variation
        return ImageLosses(content, style, variation, total)

    def _weighted(self, content: Tensor, style: Tensor) -> Tensor:
        return (1 - self.strength) / self.content_scale * content + self.strength / self.style_scale * style

    def _losses_of(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Content and style loss of an image, with a graph where gradients are on and the image is one tile."""
        content, sums = torch.zeros((), device=image.device), self._no_sums()
        if len(self.tiles) == 1:
            return self._content(self.tiles[0], self.network(image, partial(self._tap, sums))), self._style(sums)
        for tile in self.tiles:
            maps = tile.own(self.network(tile.cut(image)), self.network.geometry)
            content = content + self._content(tile, maps)
            self._add(sums, tile, maps)
        return content, self._style(sums)

    def _no_sums(self) -> list[dict[str, Tensor]]:
        return [{} for _ in self.weights]

    def _add(self, sums: list[dict[str, Tensor]], tile: ImageTile, maps: dict[str, Tensor]) -> None:
        for weights, own in zip(self.weights, sums, strict=True):
            for layer in self.network.style_layers:
                gram = self._gram_of(tile, maps[layer], layer, weights)
                own[layer] = own[layer] + gram if layer in own else gram

    def _tap(self, sums: list[dict[str, Tensor]], layer: str, features: Tensor) -> Tensor:
        """Adds the Gram matrices of a layer of the whole image, and gives back its features."""
        if layer in self.network.style_layers:
            for weights, own in zip(self.weights, sums, strict=True):
                features, own[layer] = gram_tap(features, None if weights is None else weights[layer])
        return features

    def _gram_of(self, tile: ImageTile, features: Tensor, layer: str, weights: dict[str, Tensor] | None) -> Tensor:
        if weights is None:
            return gram_sum(features)
        return gram_sum(features, tile.part_of(weights[layer], features, self.network.geometry[layer]))

    def _content(self, tile: ImageTile, maps: dict[str, Tensor]) -> Tensor:
        """The part of the content loss that the features of a tile make."""
        parts = []
        for layer, whole in self.content.items():
            target = tile.part_of(whole, maps[layer], self.network.geometry[layer])
            parts.append(content_distance(maps[layer], target) * (target.numel() / whole.numel()))
        return torch.stack(parts).mean()

    def _style(self, sums: list[dict[str, Tensor]]) -> Tensor:
        """The mean style loss over layers, each style with its share."""
        losses = []
        for share, place, targets in zip(self.shares, self.mask_of, self.targets, strict=True):
            for layer in self.network.style_layers:
                count = self.counts[place][layer]
                losses.append(share * gram_distance(sums[place][layer] / count, targets[layer], self.form, count))
        return torch.stack(losses).sum() / len(self.network.style_layers)

    def _by_tiles(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The losses, and their gradient, of an image of many tiles, of which one is held at a time."""
        assert image.grad is not None
        sums = self._no_sums()
        with torch.no_grad():
            for tile in self.tiles:
                maps = tile.own(self.network(tile.cut(image)), self.network.geometry)
                self._add(sums, tile, maps)
                del maps
        leaves = [{layer: gram.requires_grad_() for layer, gram in own.items()} for own in sums]
        with torch.enable_grad():
            style = self._style(leaves)
            (style * (self.strength / self.style_scale)).backward()
        content = torch.zeros((), device=image.device)
        for tile in self.tiles:
            content += self._tile_gradient(tile, image, leaves)
        return content, style

    def _tile_gradient(self, tile: ImageTile, image: Tensor, leaves: list[dict[str, Tensor]]) -> Tensor:
        assert image.grad is not None
        pixels = tile.cut(image).detach().clone().requires_grad_()
        with torch.enable_grad():
            maps = tile.own(self.network(pixels), self.network.geometry)
            content = self._content(tile, maps)
            parts = [content * ((1 - self.strength) / self.content_scale)]
            for weights, own in zip(self.weights, leaves, strict=True):
                for layer, gram in own.items():
                    assert gram.grad is not None
                    parts.append((self._gram_of(tile, maps[layer], layer, weights) * gram.grad).sum())
            torch.stack(parts).sum().backward()
        assert pixels.grad is not None
        tile.cut(image.grad).add_(pixels.grad)
        return content.detach()

    def _variation(self, image: Tensor) -> float:
        """The total variation, whose gradient is added to the image's where it weighs anything."""
        if not self.smoothness:
            with torch.no_grad():
                return float(total_variation(image.detach())) / self.variation_scale
        assert image.grad is not None
        pixels = image.detach().requires_grad_()
        with torch.enable_grad():
            variation = total_variation(pixels) / self.variation_scale
            (gradient,) = torch.autograd.grad(self.smoothness * variation, pixels)
        image.grad.add_(gradient)
        return float(variation.detach())


def _weights(mask: Tensor | None, sizes: dict[str, tuple[int, int]]) -> dict[str, Tensor] | None:
    """The region's weights at each layer: how much of what a feature stands for lies within."""
    if mask is None:
        return None
    shrink = partial(functional.interpolate, mask[None, None], mode="area")
    found = {layer: shrink(size=size)[0, 0] for layer, size in sizes.items()}
    return {layer: weights.clamp_min(1e-6) for layer, weights in found.items()}
