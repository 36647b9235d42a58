"""What the settings of the loss mean for masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from zorki.contracts import Dataset, Targets
from zorki.errors import RecipeError
from zorki.losses.pixels import PixelLoss
from zorki.tasks.semantic_segmentation.settings import SegmentationSettings
from zorki.tasks.semantic_segmentation.statistics import count_pixels
from zorki.types import Mask


def criterion_of(recipe: SegmentationSettings, own: nn.Module, weigh: Callable[[], Float[Tensor, " K"]]) -> nn.Module:
    """The loss that the recipe names, else the model's own, with the recipe's smoothing and weights of classes.

    Args:
        own: the model's.
        weigh: makes the weights of the classes; asked only where the recipe wants them.

    Raises:
        RecipeError: the loss is not known, or the recipe sets what the loss does not have.
    """
    if recipe.loss is None and not isinstance(own, PixelLoss):
        for name in ("class_weights", "label_smoothing", "border_weight"):
            if getattr(recipe, name):
                raise RecipeError(
                    f"{name} is {getattr(recipe, name)}, but the loss is this model's own and has no such setting; "
                    "name another, as in --loss ce"
                )
        return own
    named = own if recipe.loss is None else PixelLoss.of(recipe.loss)
    assert isinstance(named, PixelLoss)
    if recipe.border_weight and not named.weighs_pixels:
        raise RecipeError(
            f"border_weight is {recipe.border_weight}, but the loss {named} compares regions and weighs no pixels; "
            f"add ce, as in --loss ce,{named}"
        )
    if recipe.class_weights and not named.weighs_pixels:  # before all masks are read
        raise RecipeError(f"class_weights is true, but the loss {named} weighs classes alike; add ce, or leave it out")
    return PixelLoss(
        named.terms,
        ignore=named.ignore,
        class_weights=weigh() if recipe.class_weights else named.class_weights,
        label_smoothing=recipe.label_smoothing or named.label_smoothing,
    )


def class_weights_of(dataset: Dataset[Mask], indices: Sequence[int], num_classes: int) -> Float[Tensor, " K"]:
    """Weights that let rare classes count as much as common ones, from the masks of the samples at `indices`."""
    counts = count_pixels(Targets(dataset, indices), num_classes)[:, :num_classes]
    return median_frequency_weights(torch.from_numpy(counts))


def median_frequency_weights(counts: Int64[Tensor, "N K"]) -> Float[Tensor, " K"]:
    """Median frequency balancing (Eigen & Fergus, 2015, section 6.3.2): median of all f over f_c.

    f_c is the share of class c in the valid pixels of those images in which it is seen at all, so that a class in
    few images is not rare for that alone. The weight of the middle class is 1, and so is that of classes that are
    seen nowhere.

    Args:
        counts: pixels of each class in each image.
    """
    pixels = counts.double()
    images = pixels.sum(1, keepdim=True) * (pixels > 0)
    shares = pixels.sum(0) / images.sum(0).clamp_min(1)
    seen = shares > 0
    if not bool(seen.any()):
        return torch.ones(counts.shape[1])
    middle = shares[seen].quantile(0.5)
    return torch.where(seen, middle / shares.where(seen, middle), 1.0).float()
