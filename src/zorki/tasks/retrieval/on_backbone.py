"""Embedding networks on any backbone."""

from __future__ import annotations

from functools import partial

from torch import nn

from zorki.contracts import TrainingDefaults
from zorki.data.preprocess.resize import Resize
from zorki.nn.backbones.named import backbone as named_backbone
from zorki.nn.backbones.named import backbone_published, backbone_statistics
from zorki.registry import backbone_variants
from zorki.tasks.retrieval.embedder import Embedder, Pooling
from zorki.weights.weight_map import WeightMap

# The models of a method that listings show.
on_named_backbones = partial(
    backbone_variants, {"squeezenet": "SqueezeNet 1.0", "resnet18": "ResNet-18", "resnet50": "ResNet-50"}
)


def embedder(
    backbone: str, criterion: nn.Module, loss_name: str, *, image_size: int, dim: int | None, pooling: Pooling
) -> Embedder:
    """The embedding network of a criterion, see `Embedder`."""
    network = named_backbone(backbone)
    network.check_size(image_size, backbone)
    mean, std = backbone_statistics(backbone)
    return Embedder(
        network,
        criterion,
        loss_name=loss_name,
        dim=dim,
        preprocess=Resize(image_size),
        pooling=pooling,
        mean=mean,
        std=std,
        weight_map=WeightMap(backbone_published(backbone)),
        # A crop may cut off what tells two things apart; half of the image is what the field keeps at least.
        defaults=TrainingDefaults(optimizer="adamw", lr=3e-4, finetune_lr=1e-4, random_crop=0.5, clip_grad=5.0),
    )
