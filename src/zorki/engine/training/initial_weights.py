"""What a network knows before its first step: pretrained weights, and the pixel statistics of the training images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from zorki import registry
from zorki.contracts import Dataset, Model
from zorki.contracts.capabilities import FillsWeights, MeasuresPixels, Precomputes
from zorki.engine.publishing.weights_source import weights_source
from zorki.engine.training.optimizer import frozen_stages
from zorki.errors import DataError, RecipeError
from zorki.recipe import Recipe
from zorki.weights import load_into, read_weights, resolve
from zorki.weights.read import some

MEASURED = 2048  # training images from which pixel statistics are measured


def initialize(
    network: Model[Any, Any, Any],
    entry: registry.Entry,
    recipe: Recipe,
    dataset: Dataset[Any],
    indices: list[int],
    say: Callable[[str], None],
) -> None:
    """Loads weights where the recipe names some, and measures pixel statistics where it asks for them.

    Tells what is frozen and has no trained weights: it would stay as random as it was built.
    """
    filled: list[str] = []
    if recipe.weights is not None:
        found = read_weights(resolve(recipe.weights, entry.weights, entry.name))
        match = load_into(network, found, network.weight_map)
        say(match.summary())
        if (source := weights_source(entry.name, recipe.weights)) is not None and source["license"] is not None:
            say(f"  license of the weights: {source['license']} ({source['source']})")
        filled = match.matched
    if random := _frozen_random(network, recipe.freeze, set(filled)):
        say(f"frozen, but not filled by any weights, so it stays random: {some(random)}")
    if recipe.normalize is None or recipe.normalize == "weights" or not isinstance(network, MeasuresPixels):
        return
    images = _inputs(network, dataset, indices)
    if len({image.shape for image in images}) > 1:
        if recipe.normalize == "mean_image":
            raise RecipeError("normalize is mean_image, but the network takes images of many sizes; say mean_std")
        images = [torch.cat([image.flatten(2)[:, :, None] for image in images], 3)]  # one long row
    if images:
        network.measure_pixels(torch.cat(images), recipe.normalize)


def _frozen_random(network: Model[Any, Any, Any], what: str, filled: set[str]) -> list[str]:
    """Weights that neither learn nor were learned; vectors, such as those of norms, begin with values that serve."""
    own = tuple(network.filled_weights) if isinstance(network, FillsWeights) else ()
    frozen = {id(parameter) for stage in frozen_stages(network, what) for parameter in stage.parameters()}
    return [
        name
        for name, parameter in network.named_parameters()
        if parameter.ndim > 1
        and name not in filled
        and not name.startswith(own)
        and (id(parameter) in frozen or not parameter.requires_grad)
    ]


def _inputs(network: Model[Any, Any, Any], dataset: Dataset[Any], indices: list[int]) -> list[Tensor]:
    """Training images as the network takes them, (views or frames, 3, H, W) each; evenly spaced, of many."""
    stride = max(1, len(indices) // MEASURED)
    preprocess = network.preprocess.pixels if isinstance(network.preprocess, Precomputes) else network.preprocess
    images = []
    for index in indices[::stride][:MEASURED]:
        try:
            inputs = preprocess([dataset[index].image])[0]
        except DataError:
            continue
        pixels = inputs if isinstance(inputs, Tensor) else inputs.images
        images.append(pixels.flatten(0, -4))  # views and frames count as images
    return images
