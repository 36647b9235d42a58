"""What is lost on maps of classes: terms by name, and their weighted sum."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from zorki.errors import RecipeError, did_you_mean
from zorki.losses.dice import soft_dice_loss
from zorki.losses.focal import focal_of_shares
from zorki.losses.lovasz import lovasz_softmax_loss
from zorki.losses.tversky import tversky_loss

TERMS: Mapping[str, str] = {
    "ce": "cross_entropy",
    "dice": "dice",
    "focal": "focal",
    "lovasz": "lovasz",
    "tversky": "tversky",
}
"""The words of `PixelLoss.of`, and the names under which their terms are returned."""

BY_PIXEL = ("ce", "focal")  # terms that are means over pixels, which can be weighed; the others compare regions
FOCUS = 2.0  # gamma of the focal loss: Lin et al. (2017), table 1


class PixelLoss(nn.Module):
    """A weighted sum of terms over the valid pixels of a batch, in float32.

    - `ce`: the cross-entropy, the mean over pixels, weighted by their weights and those of their classes. U-Net
      (Ronneberger et al., 2015, eq. 1) sums; divided by the sum of the weights, the learning rate need not know the
      size of the images.
    - `focal`: the focal loss of the right class's share, the same mean, with gamma 2; weights of classes are its alpha.
    - `dice`, `tversky`, `lovasz`: see `soft_dice_loss`, `tversky_loss`, `lovasz_softmax_loss`. Regions are compared,
      in which every valid pixel counts alike; so do the classes.

    A batch in which no pixel is valid has a loss of 0 with a slope of 0.

    Args:
        terms: words of `TERMS` with their weights, above 0.
        ignore: the class of pixels that are ignored.
        class_weights: (K,), for `ce` and `focal`. Not saved with a checkpoint: they belong to the training data.
        label_smoothing: this share of the ground truth is spread evenly over all classes, for `ce`.

    Raises:
        RecipeError: a term is unknown or weighs nothing, or a setting belongs to a term that is not there.
    """

    class_weights: Tensor | None

    def __init__(
        self,
        terms: Mapping[str, float] | None = None,
        *,
        ignore: int = 255,
        class_weights: Float[Tensor, " K"] | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        self.terms = dict(terms or {"ce": 1.0})
        _check(self.terms)
        if not 0 <= label_smoothing < 1:
            raise RecipeError(f"label_smoothing is a share from 0 up to, not including, 1; got {label_smoothing}")
        if label_smoothing and "ce" not in self.terms:
            raise RecipeError(f"label_smoothing is {label_smoothing}, but belongs to ce, which {self} lacks; add ce")
        if class_weights is not None and not self.weighs_pixels:
            raise RecipeError(f"weights of classes belong to {' and '.join(BY_PIXEL)}, but the loss is {self}; add ce")
        self.ignore = ignore
        self.label_smoothing = label_smoothing
        self.register_buffer("class_weights", class_weights, persistent=False)

    @classmethod
    def of(
        cls,
        text: str,
        *,
        ignore: int = 255,
        class_weights: Float[Tensor, " K"] | None = None,
        label_smoothing: float = 0.0,
    ) -> PixelLoss:
        """The loss that a text names: words with commas between, each with a weight behind a colon, or 1.

        >>> PixelLoss.of("ce, dice:0.5").terms
        {'ce': 1.0, 'dice': 0.5}

        Raises:
            RecipeError: see the class; or a word stands twice, or a weight is no number.
        """
        terms: dict[str, float] = {}
        for part in text.split(","):
            word, colon, number = (piece.strip() for piece in part.partition(":"))
            if word in terms:
                raise RecipeError(f"loss is {text!r}, which names {word} twice; give it one weight, as in {word}:2")
            try:
                terms[word] = float(number) if colon else 1.0
            except ValueError:
                raise RecipeError(
                    f"loss is {text!r}, but {number!r} is no weight; expected words such as ce:1,dice:0.5"
                ) from None
        return cls(terms, ignore=ignore, class_weights=class_weights, label_smoothing=label_smoothing)

    def __str__(self) -> str:
        return ",".join(word if weight == 1 else f"{word}:{weight:g}" for word, weight in self.terms.items())

    @property
    def weighs_pixels(self) -> bool:
        """Whether a term heeds the weights of pixels and classes."""
        return any(word in self.terms for word in BY_PIXEL)

    def expected_loss(self, num_classes: int) -> float | None:
        """The loss of shares that are all alike; None where it depends on the ground truth."""
        alike = {"ce": math.log(num_classes), "focal": (1 - 1 / num_classes) ** FOCUS * math.log(num_classes)}
        if not set(self.terms) <= set(alike):
            return None
        return sum(weight * alike[word] for word, weight in self.terms.items())

    def forward(
        self,
        logits: Float[Tensor, "B K H W"],
        target: Int[Tensor, "B H W"],
        weights: Float[Tensor, "B H W"] | None = None,
    ) -> dict[str, Tensor]:
        """Each term by name, weighted; their sum is minimized.

        Args:
            target: classes 0..K-1, or `ignore` where pixels are ignored.
            weights: how much each pixel counts, 0 or more, 0 as if it were ignored; None: all alike.
        """
        logs = logits.float().log_softmax(1)
        valid = target != self.ignore
        if weights is not None:
            valid = valid & (weights > 0)
        classes = torch.where(valid, target, 0).long()
        losses: dict[str, Tensor] = {}
        if self.weighs_pixels:
            counts = valid.float() if weights is None else weights.float() * valid
            losses |= self._by_pixel(logs, classes, counts)
        shares = logs.exp() if set(self.terms) - set(BY_PIXEL) else logs
        for word, function in _REGIONS.items():
            if word in self.terms:
                losses[TERMS[word]] = self.terms[word] * function(shares, classes, valid)
        return {TERMS[word]: losses[TERMS[word]] for word in self.terms}

    def _by_pixel(self, logs: Tensor, classes: Tensor, counts: Tensor) -> dict[str, Tensor]:
        """The terms that are weighted means over pixels."""
        right = -functional.nll_loss(logs, classes, reduction="none")
        alphas = counts if self.class_weights is None else counts * self.class_weights[classes]
        total = alphas.sum().clamp_min(1e-6)
        losses = {}
        if "ce" in self.terms:
            entropy = -(right * alphas).sum() * (1 - self.label_smoothing)
            if self.label_smoothing:
                # As torch smooths weighted classes: each class's share of the ground truth has that class's weight.
                each = (logs * counts[:, None]).sum((0, 2, 3))
                each = each if self.class_weights is None else each * self.class_weights
                entropy = entropy - each.mean() * self.label_smoothing
            losses["cross_entropy"] = self.terms["ce"] * entropy / total
        if "focal" in self.terms:
            losses["focal"] = self.terms["focal"] * (focal_of_shares(right, gamma=FOCUS) * alphas).sum() / total
        return losses


_REGIONS = {"dice": soft_dice_loss, "lovasz": lovasz_softmax_loss, "tversky": tversky_loss}


def _check(terms: Mapping[str, float]) -> None:
    for word, weight in terms.items():
        if word not in TERMS:
            available = ", ".join(TERMS)
            raise RecipeError(f"loss names {word!r}, but knows {available}.{did_you_mean(word, TERMS)}")
        if not 0 < weight < math.inf:
            raise RecipeError(f"loss gives {word} a weight of {weight:g}; expected one above 0, or leave {word} out")
