"""Context: where does one patch of an image lie beside another? (Doersch et al., 2015)"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from zorki.data.preprocess.pretraining.patch_pairs import NEIGHBORS, RandomPatches
from zorki.errors import RecipeError
from zorki.registry import Variant, model
from zorki.tasks.pretraining.on_backbone import backbone_parts, on_named_backbones
from zorki.tasks.pretraining.task import Pretraining
from zorki.tasks.pretraining.view_network import BackboneParts, ViewNetwork, ViewOutputs
from zorki.types import Annotation

Question = Literal["neighbor", "same_image"]


class ContextPatches(ViewNetwork):
    """Two patches through one backbone, and a head that sees both (section 3).

    Args:
        question: "neighbor": which of eight the second patch is; or "same_image": whether both are of one image, where
            the second patches of the batch, moved on by one image, are those of others.
        width: of the head.
    """

    def __init__(self, parts: BackboneParts, question: Question, *, width: int) -> None:
        super().__init__(parts)
        self.question: Question = question
        outputs = len(NEIGHBORS) if question == "neighbor" else 1
        self.embed = nn.Sequential(nn.Linear(self.embedding_dim, width), nn.ReLU(inplace=True))
        self.head = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(inplace=True), nn.Linear(width, outputs))

    def branches(self, features: Float[Tensor, "B V D"], images: Tensor) -> ViewOutputs:
        return ViewOutputs(features, self.embed(features.flatten(0, 1)).unflatten(0, features.shape[:2]))

    def compare(self, outputs: ViewOutputs) -> dict[str, Tensor]:
        """Nothing where nobody says which neighbor it is, as of images that are evaluated as a whole."""
        if outputs.neighbors is None:
            return {}
        first, second = outputs.projections.unbind(1)
        if self.question == "neighbor":
            logits = self.head(torch.cat([first, second], 1)).float()
            return {"neighbor": functional.cross_entropy(logits, outputs.neighbors)}
        pairs = torch.cat([torch.cat([first, second], 1), torch.cat([first, second.roll(1, 0)], 1)])
        same = torch.arange(len(pairs), device=pairs.device) < len(first)
        return {"same_image": functional.binary_cross_entropy_with_logits(self.head(pairs)[:, 0].float(), same.float())}

    def expected_losses(self, outputs: ViewOutputs, targets: Sequence[Annotation]) -> dict[str, float]:
        """The logarithm of eight places, or a coin's toss."""
        if outputs.neighbors is None:
            return {}
        return {"neighbor": math.log(len(NEIGHBORS))} if self.question == "neighbor" else {"same_image": math.log(2)}


_NEIGHBOR = {"question": "neighbor"}
_SAME = {"question": "same_image"}


@model(
    Pretraining,
    variants=[
        *on_named_backbones(
            "context", "Context of patches (Doersch et al., 2015), on {title}.", {"question": "neighbor"}
        ),
        *on_named_backbones("same_image", "Are two patches of one image? On {title}.", _SAME),
    ],
    any_backbone=[
        Variant("context_{backbone}", "Context of patches (Doersch et al., 2015)", _NEIGHBOR),
        Variant("same_image_{backbone}", "Are two patches of one image", _SAME),
    ],
)
def context_patches(
    num_classes: int,
    *,
    backbone: str,
    question: Question = "neighbor",
    image_size: int = 224,
    patch: int = 0,
    gap: int = -1,
    jitter: int = -1,
    one_color: float = 0.5,
    width: int = 512,
) -> ViewNetwork:
    """Context of patches (Doersch et al., 2015).

    Args:
        backbone: name of the backbone, see `zorki.nn.backbones.named`.
        question: "neighbor" (which of eight?) or "same_image" (are both of one image?).
        image_size: of the image's shorter side, in pixels.
        patch: side of a patch, in pixels; 0: two ninths of the image's, as the paper's 96 of some 430.
        gap: between patches, in pixels; -1: half a patch, as in the paper.
        jitter: pixels by which a patch is moved, either way; -1: a fourteenth of a patch, as the paper's 7 of 96.
        one_color: probability that one channel alone is kept.
        width: of the head.
    """
    if question not in get_args(Question):
        raise RecipeError(f"question is one of {', '.join(get_args(Question))}; got {question!r}")
    patch = patch or max(4, round(image_size * 2 / 9))
    gap = patch // 2 if gap < 0 else gap
    jitter = max(1, round(patch * 7 / 96)) if jitter < 0 else jitter
    views = RandomPatches(image_size, patch, gap, jitter, one_color)
    parts = backbone_parts(backbone, image_size, views)
    if patch < parts.backbone.min_size:
        raise RecipeError(
            f"{backbone} cannot take patches of {patch} pixels, of images of {image_size}: the least is "
            f"{parts.backbone.min_size}; set a larger image_size, or patch"
        )
    return ContextPatches(parts, question, width=width)
