"""Distillation: a small network learns the features of a large one that is frozen; no label is asked."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from zorki.errors import RecipeError
from zorki.nn.backbones.named import backbone as named_backbone
from zorki.nn.backbones.named import backbone_published, backbone_statistics, backbone_weights
from zorki.nn.layers.normalize import Normalize
from zorki.registry import model
from zorki.tasks.pretraining.on_backbone import backbone_parts, on_named_backbones
from zorki.tasks.pretraining.projection_head import ProjectionHead, hidden_width
from zorki.tasks.pretraining.task import Pretraining
from zorki.tasks.pretraining.view_network import BackboneParts, ViewNetwork, ViewOutputs, pooled
from zorki.weights import load_into, read_weights, resolve
from zorki.weights.weight_map import WeightMap


class FrozenTeacher(nn.Module):
    """A pretrained backbone that stays as it is, with the statistics of pixels that it wants.

    Args:
        name: of the backbone, see `zorki.nn.backbones.named`.
        source: of its weights: a word such as imagenet, a file, or a run's folder.
    """

    def __init__(self, name: str, source: str) -> None:
        super().__init__()
        self.name, self.source = name, source
        self.normalize = Normalize(3, *backbone_statistics(name))
        self.backbone = named_backbone(name)
        self.dim = self.backbone.channels[-1]
        self.requires_grad_(False)

    def train(self, mode: bool = True) -> FrozenTeacher:
        """Statistics of batch norm are those that it was trained with."""
        return super().train(False)

    def load(self) -> None:
        """Fills in the weights. Raises WeightsError where a part of the backbone is not among them."""
        found = read_weights(resolve(self.source, backbone_weights(self.name), self.name))
        match = load_into(self, found, WeightMap(backbone_published(self.name)))
        lacking = [name for name in match.new if name.startswith("backbone.")] + [name for name, *_ in match.mismatched]
        if lacking:
            raise RecipeError(f"{self.source} does not fill the teacher {self.name}:\n{match.summary()}")

    def forward(self, pixels: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N E"]:
        """Pooled features of pixels 0..255."""
        return pooled(self.backbone, self.normalize(pixels))


class Distillation(ViewNetwork):
    """A student whose projected features are to point where the teacher's do: 2 - 2 cos of each view.

    Regression of features as of hints (Romero et al., 2015, eq. 3), by direction alone, since teachers differ in scale.

    Args:
        head: projects the student's features to as many as the teacher has.
    """

    def __init__(self, parts: BackboneParts, head: ProjectionHead, teacher: FrozenTeacher) -> None:
        super().__init__(parts)
        self.head, self.teacher = head, teacher

    def branches(self, features: Float[Tensor, "B V D"], images: Tensor) -> ViewOutputs:
        views = features.shape[:2]
        with torch.no_grad():
            targets = self.teacher((images * self.normalize.std + self.normalize.mean) * 255)
        return ViewOutputs(features, self.head(features.flatten(0, 1)).unflatten(0, views), targets.unflatten(0, views))

    def compare(self, outputs: ViewOutputs) -> dict[str, Tensor]:
        assert outputs.targets is not None
        cosines = functional.cosine_similarity(outputs.projections.float(), outputs.targets.float(), dim=-1)
        return {"distillation": 2 - 2 * cosines.mean()}

    def synchronize(self) -> None:
        self.teacher.load()


@model(
    Pretraining,
    variants=on_named_backbones("distillation", "Distillation of a frozen teacher into {title}."),
    any_backbone="distillation_{backbone}",
)
def distillation(
    num_classes: int,
    *,
    backbone: str,
    image_size: int = 224,
    teacher: str = "resnet50",
    teacher_weights: str = "imagenet",
    width: int = 0,
) -> ViewNetwork:
    """Distillation of a frozen teacher into a small student.

    Args:
        backbone: of the student, see `zorki.nn.backbones.named`.
        image_size: side of a view, in pixels.
        teacher: a backbone, such as resnet50 or timm:NAME.
        teacher_weights: a word such as imagenet (downloads), a file, or a run's folder.
        width: of the hidden layer of the head; 0: 2,048, but at most four times the features.
    """
    parts = backbone_parts(backbone, image_size)
    frozen = FrozenTeacher(teacher, teacher_weights)
    features = parts.backbone.channels[-1]
    head = ProjectionHead([features, hidden_width(features, 2048, width), frozen.dim])
    return Distillation(parts, head, frozen)
